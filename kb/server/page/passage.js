// The passage behind a citation, with what stands around it, beside the answer.

import { address, get, post } from "./api.js";
import { fragment, icon, iconButton, make } from "./dom.js";
import { highlight } from "./highlight.js";
import { originalLink } from "./original.js";
import { asHtml } from "./prose.js";
import { t } from "./words.js";

const panel = document.getElementById("passage");
const MARKDOWN = [
  "text/markdown",
  "text/html",
  "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
];
const PDF = "application/pdf";
const ABOVE = 64; // pixels that show what stands before the cited words
const FULL = 0.7; // of the longest line: a shorter one ends a paragraph
let opener = null;
let shown = 0;

panel.addEventListener("keydown", (event) => {
  if (event.key === "Escape") closePassage();
});

export async function openPassage(citation, { opener: from, searchId }) {
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
    make("span", { class: "number", "aria-hidden": "true" }, String(citation.number)),
    make("h2", { id: "passage-title", tabindex: "-1" }, citation.title),
    iconButton("close", t("close"), closePassage),
  );
}

async function partsOf(passage) {
  const all = [...passage.before, passage, ...passage.after];
  const type = passage.metadata.media_type;
  if (MARKDOWN.includes(type)) return (await asHtml(all.map((each) => each.text))).map(fragment);
  const shown = type === PDF ? (text) => reflowed(text) : (text) => text;
  return all.map((each) => make("p", { class: "tail" }, shown(each.text)));
}

// Lines end where they did on the page, which is wider than the panel.
function reflowed(text) {
  const lines = text.split("\n");
  const full = FULL * Math.max(...lines.map((line) => line.length));
  return lines.map((line) => (line.length > full ? `${line} ` : `${line}\n`)).join("");
}

function show(citation, passage, parts) {
  const at = passage.before.length;
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

function where({ path, headings, page, lines }) {
  const place = [page && t("page", { n: String(page) }), lines && t("lines", { n: String(lines) })];
  return [path, headings, ...place].filter(Boolean).join(" · ");
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
