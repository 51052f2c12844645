// Numbers in an answer and the list below it, both of which open the passage.

import { button, make } from "./dom.js";
import { placeOf, spotsOf } from "./place.js";
import { previewed } from "./preview.js";
import { t } from "./words.js";

// `open` takes the number, that of the statement, and what was clicked.
export function chip(citation, statement, open) {
  const { number } = citation;
  const click = (event) => open(number, statement, event.currentTarget);
  const attributes = { class: "chip", "aria-label": labelOf(citation), "data-source": number };
  const element = button(String(number), click, { ...attributes, "data-statement": statement });
  const quote = quoteOf(citation, statement);
  return previewed(element, () => [
    make("p", { class: "title" }, citation.title),
    make("p", { class: "quiet" }, placeOf(citation)),
    quote ? make("p", {}, quote) : null,
  ]);
}

// The words of the passage that say what a statement says.
export function quoteOf({ statements, excerpt }, statement) {
  return statements?.[statement - 1] ? statements[statement - 1].quote : excerpt;
}

export function sources(citations, open) {
  if (!citations.length) return null;
  const entries = citations.map((citation) => make("li", {}, source(citation, open)));
  return make(
    "section",
    { class: "sources", "aria-label": t("sources") },
    make("h3", {}, t("sources")),
    make("ol", {}, entries),
  );
}

// To be pasted elsewhere, where names are to do nothing.
export function withSources(text, citations) {
  const lines = citations.map(
    (each) => `[${each.number}] ${escaped(each.title)}, ${escaped(placeOf(each))}`,
  );
  return [text.trim(), lines.join("\n")].filter(Boolean).join("\n\n");
}

function source(citation, open) {
  return button(
    [
      make("span", { class: "number", "aria-hidden": "true" }, String(citation.number)),
      make("span", { class: "title" }, citation.title),
      make(
        "span",
        { class: "quiet" },
        make("span", {}, citation.document),
        spotsOf(citation).map((spot) => make("span", {}, `\u00a0· ${spot}`)),
        citation.inferred ? make("span", {}, `\u00a0· ${t("inferred")}`) : null,
      ),
    ],
    (event) => open(citation.number, 1, event.currentTarget),
    { class: "source", title: citation.excerpt, "aria-label": labelOf(citation) },
  );
}

function escaped(text) {
  return text.replaceAll(/[\\`[\]<&]/g, "\\$&");
}

function labelOf(citation) {
  const { number, title } = citation;
  const label = t("openSource", { n: String(number), title, place: placeOf(citation) });
  return citation.inferred ? `${label}, ${t("inferred")}` : label;
}
