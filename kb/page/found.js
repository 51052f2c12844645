// Documents by what they say: the best passages of a search, under the documents that hold them.

import { post } from "./api.js";
import { linkTo } from "./document_list.js";
import { button, make } from "./dom.js";
import { openPassage } from "./passage.js";
import { t } from "./words.js";

const MOST_PASSAGES = 50;
const SHOWN = 3; // of each document

export async function foundIn(words, root) {
  const filters = root ? { root } : {};
  const passages = await post("api/search", { question: words, top_k: MOST_PASSAGES, filters });
  const documents = new Map();
  for (const passage of passages) {
    const key = `${passage.metadata.root}/${passage.path}`;
    documents.set(key, [...(documents.get(key) ?? []), passage]);
  }
  return [...documents.values()].map(entry);
}

function entry(passages) {
  const [{ title, path, metadata }] = passages;
  const name = title || path;
  const excerpts = passages.slice(0, SHOWN).map(({ id, excerpt }) => {
    const open = (event) =>
      openPassage({ chunk: id, title: name, excerpt }, { opener: event.currentTarget });
    return make("li", {}, button(excerpt || t("cited"), open, { class: "link" }));
  });
  return make(
    "li",
    {},
    make("a", { class: "title", href: linkTo({ root: metadata.root, path }) }, name),
    make("span", { class: "quiet" }, [metadata.root, path].filter(Boolean).join(" / ")),
    make("ul", {}, excerpts),
  );
}
