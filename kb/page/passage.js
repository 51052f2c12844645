// The passage behind a citation, with what stands around it, beside the answer.

import { address, get, post } from "./api.js";
import { fragment, icon, iconButton, shown as inReadingOrder, make } from "./dom.js";
import { highlight } from "./highlight.js";
import { originalLink } from "./original.js";
import { spotsOf } from "./place.js";
import { asHtml } from "./prose.js";
import { t } from "./words.js";

const panel = document.getElementById("passage");
const PDF = "application/pdf";
const OFFICE = "application/vnd.openxmlformats-officedocument";
const MARKDOWN = [
  ...["text/markdown", "text/html", "application/xhtml+xml", "application/epub+zip"],
  ...["application/x-ipynb+json", PDF],
  ...[`${OFFICE}.wordprocessingml.document`, `${OFFICE}.presentationml.presentation`],
]; // or made into it when it was indexed
const CODE = /^text\/x-|\/(json|jsonl|yaml)$/;
const ABOVE = 64; // pixels that show what stands before the cited words
let opener = null;
let shown = 0;

panel.addEventListener("keydown", (event) => {
  if (event.key === "Escape") closePassage();
});

// Without a number it is one that an address names, and its title comes with it.
export async function openPassage(citation, { opener: from = null, searchId = null } = {}) {
  const turn = ++shown;
  opener = from;
  panel.replaceChildren(heading(citation), make("p", { class: "quiet", "aria-busy": "true" }, "…"));
  panel.hidden = false;
  document.body.classList.add("reading");
  panel.querySelector("h2").focus();
  if (searchId)
    post("api/feedback", { search_id: searchId, clicked: citation.number }).catch(() => null);
  try {
    const passage = await get(`${address("api/chunks", citation.chunk)}?around=1`);
    const parts = await partsOf(passage);
    if (turn === shown) show(citation, passage, parts);
  } catch (error) {
    panel.lastChild.replaceWith(
      make("p", { class: "problem", role: "alert" }, t("passageFailed", { reason: error.message })),
    );
  }
}

export function closePassage() {
  if (panel.hidden) return;
  shown += 1;
  panel.hidden = true;
  document.body.classList.remove("reading");
  opener?.focus();
}

function heading(citation) {
  return make(
    "header",
    {},
    citation.number
      ? make("span", { class: "number", "aria-hidden": "true" }, String(citation.number))
      : null,
    make("h2", { id: "passage-title", tabindex: "-1" }, citation.title),
    iconButton("close", t("close"), closePassage),
  );
}

async function partsOf(passage) {
  const texts = [...passage.before, passage, ...passage.after].map((each) => each.text);
  const type = passage.metadata.media_type;
  const given = type === PDF ? texts.map(unwrapped) : texts;
  if (MARKDOWN.includes(type)) return (await asHtml(given)).map(fragment);
  if (CODE.test(type)) return texts.map((text) => make("pre", {}, make("code", {}, text)));
  return texts.map((text) => make("p", { class: "tail" }, text));
}

// Lines end where they did on the page, which is wider than the panel.
function unwrapped(text) {
  return text.replace(/(?<!\n)\n(?![\n#>|•*-]|\d+[.)] )/g, " ");
}

function show(citation, passage, parts) {
  const at = passage.before.length;
  if (!citation.title)
    panel.querySelector("h2").replaceChildren(inReadingOrder(passage.title || passage.path));
  const text = make("div", { class: "prose" }, parts[at]);
  const place = make(
    "div",
    { class: "passage-place" },
    make("p", { class: "where" }, where(passage)),
    originalLink(
      { ...passage, excerpt: citation.excerpt },
      "original",
      icon("open"),
      t("original"),
    ),
  );
  const body = make(
    "div",
    { class: "passage-body", tabindex: "0", role: "region", "aria-labelledby": "passage-title" },
    around(t("before"), parts.slice(0, at)),
    make("section", { class: "cited", "aria-label": t("cited") }, text),
    around(t("after"), parts.slice(at + 1)),
  );
  panel.lastChild.replaceWith(place, body);
  const cited = highlight(text, citation.excerpt) ?? text;
  body.scrollTop = cited.getBoundingClientRect().top - body.getBoundingClientRect().top - ABOVE;
}

function where({ path, headings, ...spot }) {
  return [path, headings, ...spotsOf(spot)].filter(Boolean).join(" · ");
}

function around(title, parts) {
  if (!parts.length) return null;
  return make(
    "section",
    { class: "around", "aria-label": title },
    make("h3", {}, title),
    make("div", { class: "prose" }, parts),
  );
}
