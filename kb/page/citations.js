// Numbers in an answer and the list below it, both of which open the passage.

import { button, make } from "./dom.js";
import { openPassage } from "./passage.js";
import { placeOf, spotsOf } from "./place.js";
import { previewed } from "./preview.js";
import { t } from "./words.js";

export function chip(citation, searchId) {
  const element = button(String(citation.number), (event) => open(event, citation, searchId), {
    class: "chip",
    "aria-label": labelOf(citation),
  });
  return previewed(element, () => [
    make("p", { class: "title" }, citation.title),
    make("p", { class: "quiet" }, placeOf(citation)),
    citation.excerpt ? make("p", {}, citation.excerpt) : null,
  ]);
}

export function sources(citations, searchId) {
  if (!citations.length) return null;
  const entries = citations.map((citation) => make("li", {}, source(citation, searchId)));
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

function source(citation, searchId) {
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
    (event) => open(event, citation, searchId),
    { class: "source", title: citation.excerpt, "aria-label": labelOf(citation) },
  );
}

function open(event, citation, searchId) {
  openPassage(citation, { opener: event.currentTarget, searchId });
}

function escaped(text) {
  return text.replaceAll(/[\\`[\]<&]/g, "\\$&");
}

function labelOf(citation) {
  const { number, title } = citation;
  const label = t("openSource", { n: String(number), title, place: placeOf(citation) });
  return citation.inferred ? `${label}, ${t("inferred")}` : label;
}
