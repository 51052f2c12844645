// Rows as a table that is sorted by its headings.

import { button, make } from "./dom.js";
import { announce } from "./announce.js";
import { holdsNumbers, isNumeric, written } from "./columns.js";
import { spoken, t } from "./words.js";

const MOST_ROWS = 200;
const MOST_CHARACTERS = 300; // of a cell; the CSV file has all of it

export function tableOf(columns, rows, units) {
  if (!rows.length) return make("p", { class: "quiet" }, t("noRows"));
  const numeric = columns.map((_, at) => holdsNumbers(rows, at));
  const body = make("tbody");
  const headings = columns.map((name, at) => heading(name, numeric[at], () => sortBy(at)));
  let sorted = null;

  function fill(ordered) {
    body.replaceChildren(
      ...ordered.slice(0, MOST_ROWS).map((row) =>
        make(
          "tr",
          {},
          row.map((cell, at) => cellOf(cell, columns[at], units[columns[at]], numeric[at])),
        ),
      ),
    );
  }

  function sortBy(at) {
    const isDown = sorted === at;
    sorted = isDown ? null : at;
    headings.forEach((each) => (each.ariaSort = null));
    headings[at].ariaSort = isDown ? "descending" : "ascending";
    const ordered = [...rows].sort((one, other) => compared(one[at], other[at]));
    fill(isDown ? ordered.reverse() : ordered);
    announce(t("sortBy", { column: columns[at] }));
  }

  fill(rows);
  const table = make("table", {}, make("thead", {}, make("tr", {}, headings)), body);
  const scroll = make(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": t("table") },
    table,
  );
  const more =
    rows.length > MOST_ROWS
      ? make("p", { class: "quiet" }, t("shownRows", { n: MOST_ROWS, all: rows.length }))
      : null;
  return make("div", {}, scroll, more);
}

function heading(name, isNumber, sort) {
  const label = cut(name.replaceAll("_", " "));
  return make(
    "th",
    { scope: "col", class: isNumber ? "number" : null },
    button(label, sort, { class: "plain", title: t("sortBy", { column: label }) }),
  );
}

function cellOf(value, name, unit, isNumber) {
  if (value == null)
    return make("td", { class: "null" }, make("span", { "aria-label": t("empty") }, "–"));
  return make(
    "td",
    { class: isNumber ? "number" : null },
    cut(isNumber ? written(value, name, unit) : String(value)),
  );
}

function cut(text) {
  return text.length > MOST_CHARACTERS ? `${text.slice(0, MOST_CHARACTERS)} …` : text;
}

function compared(one, other) {
  if (one == null || other == null) return (one == null) - (other == null);
  if (isNumeric(one) && isNumeric(other)) return Number(one) - Number(other);
  return String(one).localeCompare(String(other), spoken(), { numeric: true });
}
