// A document as it was read, passage by passage, with the cited words marked.

import { address, get } from "./api.js";
import { button, make } from "./dom.js";
import { highlight } from "./highlight.js";
import { spotsOf } from "./place.js";
import { rendered } from "./rendered.js";
import { t } from "./words.js";

const SOME = 30; // passages that are read at once
const ABOVE = 64; // pixels that show what stands before the cited words

// Shows what is around a passage in an element that scrolls; more of it is a button away.
/** @param {HTMLElement} body
 * @param {{ root: string, path: string, chunk: string, quote?: string }} place */
export async function showText(body, { root, path, chunk, quote }) {
  const from = `${address("api/documents", root, path)}/passages`;
  const { passages, offset, chunks: total } = await get(from, { at: chunk, limit: SOME });
  const list = make("div", { class: "reading-text" }, await sections(passages, chunk));
  let [begin, end] = [offset, offset + passages.length];

  async function earlier() {
    const start = Math.max(0, begin - SOME);
    const { passages } = await get(from, { offset: start, limit: begin - start });
    const more = await sections(passages, chunk);
    const fromEnd = body.scrollHeight - body.scrollTop;
    begin = start;
    list.prepend(...more);
    above.hidden = begin === 0;
    body.scrollTop = body.scrollHeight - fromEnd;
  }

  async function later() {
    const { passages } = await get(from, { offset: end, limit: SOME });
    list.append(...(await sections(passages, chunk)));
    end += passages.length || total;
    below.hidden = end >= total;
  }

  const above = button(t("earlierPart"), earlier, { hidden: begin === 0 });
  const below = button(t("laterPart"), later, { hidden: end >= total });
  body.replaceChildren(above, list, below);
  const cited = list.querySelector(".cited");
  if (!cited) return;
  const marked = highlight(cited, quote) ?? cited;
  body.scrollTop = marked.getBoundingClientRect().top - body.getBoundingClientRect().top - ABOVE;
}

async function sections(passages, chunk) {
  const parts = await rendered(passages);
  return passages.map((passage, at) => {
    const isCited = passage.id === chunk;
    const place = [passage.headings, ...spotsOf(passage)].filter(Boolean).join(" · ");
    return make(
      "section",
      isCited ? { class: "cited", "aria-label": t("cited") } : { class: "read" },
      place ? make("p", { class: "where" }, place) : null,
      make("div", { class: "prose", dir: "auto" }, parts[at]),
    );
  });
}
