// Rows as a table that is sorted by its headings.

import { announce } from "./announce.js";
import { written } from "./columns.js";
import { button, make } from "./dom.js";
import { spoken, t } from "./words.js";

const ROWS = 200; // at a time
const MOST_CHARACTERS = 300; // of a cell, until it is opened
const MOST_OPENED = 20_000; // the CSV file has all of it

// `columns` are their names, types and units.
export function tableOf(columns, rows) {
  if (!rows.length) return make("p", { class: "quiet" }, t("noRows"));
  const body = make("tbody");
  const headings = columns.map((column, at) => heading(column, () => sortBy(at)));
  const shown = make("span");
  const more = button(t("more"), () => fill(ROWS));
  const foot = make("p", { class: "quiet actions" }, shown, more);
  let ordered = rows;
  let sorted = null;

  function fill(count) {
    const at = body.rows.length;
    const cells = (row) => row.map((cell, each) => cellOf(cell, columns[each]));
    body.append(...ordered.slice(at, at + count).map((row) => make("tr", {}, cells(row))));
    foot.hidden = body.rows.length === rows.length;
    shown.textContent = t("shownRows", { n: body.rows.length, all: rows.length });
  }

  function sortBy(at) {
    const isDown = sorted === at;
    sorted = isDown ? null : at;
    for (const heading of headings) heading.ariaSort = null;
    headings[at].ariaSort = isDown ? "descending" : "ascending";
    ordered = [...rows].sort((one, other) => compared(one[at], other[at], columns[at]));
    if (isDown) ordered.reverse();
    const count = body.rows.length;
    body.replaceChildren();
    fill(count);
    announce(t("sortBy", { column: columns[at].name }));
  }

  fill(ROWS);
  const table = make("table", {}, make("thead", {}, make("tr", {}, headings)), body);
  const region = { class: "scroll", tabindex: "0", role: "region", "aria-label": t("table") };
  return make("div", {}, make("div", region, table), foot);
}

function heading({ name, type }, sort) {
  const label = cut(name.replaceAll("_", " "));
  return make(
    "th",
    { scope: "col", class: type },
    button(label, sort, { class: "plain", title: t("sortBy", { column: label }) }),
  );
}

function cellOf(value, column) {
  if (value == null)
    return make("td", { class: "null" }, make("span", { "aria-label": t("empty") }, "–"));
  const text = written(value, column);
  const cell = make("td", { class: column.type }, cut(text));
  if (text.length > MOST_CHARACTERS) cell.append(" ", opener(cell, text));
  return cell;
}

function opener(cell, text) {
  const open = () => {
    cell.replaceChildren(make("div", { tabindex: "-1" }, text.slice(0, MOST_OPENED)));
    cell.firstChild.focus();
  };
  return button(t("more"), open, { class: "link" });
}

function cut(text) {
  return text.length > MOST_CHARACTERS ? `${text.slice(0, MOST_CHARACTERS)} …` : text;
}

function compared(one, other, { type }) {
  if (one == null || other == null) return Number(one == null) - Number(other == null);
  if (type === "number") return Number(one) - Number(other);
  return String(one).localeCompare(String(other), spoken(), { numeric: true });
}
