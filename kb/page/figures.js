// Figures as a list of facts, and as a table that scrolls.

import { make } from "./dom.js";
import { t } from "./words.js";

export function factsOf(facts) {
  const entries = facts
    .filter(([, value]) => value !== null && value !== undefined && value !== "")
    .map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, String(value))));
  return make("dl", { class: "facts" }, entries);
}

export function listOf(heads, rows, label) {
  if (!rows.length) return make("p", { class: "quiet" }, t("nothingHere"));
  const head = make(
    "tr",
    {},
    heads.map((each) => make("th", { scope: "col" }, each)),
  );
  const body = rows.map((row) =>
    make(
      "tr",
      {},
      row.map((cell) => make("td", {}, cell)),
    ),
  );
  const table = make("table", {}, make("thead", {}, head), make("tbody", {}, body));
  const attributes = {
    class: "scrolled",
    tabindex: "0",
    role: "group",
    "aria-label": `${label}: ${t("table")}`,
  };
  return make("div", attributes, table);
}
