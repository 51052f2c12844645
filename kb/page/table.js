// Rows as a table that is sorted by its headings, filtered and turned page by page, with totals.

import { announce } from "./announce.js";
import { isLabel, sumOf, written } from "./columns.js";
import { button, make } from "./dom.js";
import { number, spoken, t } from "./words.js";

const ROWS = 50; // of a page
const PAUSE = 150; // milliseconds without a key, until rows are looked through
const MOST_CHARACTERS = 300; // of a cell, until it is opened
const MOST_OPENED = 20_000; // the CSV file has all of it

// `columns` are their names, types and units.
export function tableOf(columns, rows) {
  return rows.length
    ? new TableView(columns, rows).element
    : make("p", { class: "quiet" }, t("noRows"));
}

class TableView {
  constructor(columns, rows) {
    this.columns = columns;
    this.rows = rows;
    this.found = rows;
    this.texts = null; // of each row, when somebody looks for some
    this.first = 0;
    this.sorted = null;
    this.isDown = false;
    this.headings = columns.map((column, at) => heading(column, () => this.sortBy(at)));
    this.body = make("tbody");
    this.totals = make("tfoot");
    this.filter = make("input", {
      type: "search",
      placeholder: t("filterRows"),
      "aria-label": t("filterRows"),
      input: () => this.later(),
    });
    this.count = make("span", { class: "quiet", role: "status" });
    this.back = button(t("previousRows"), () => this.turn(-ROWS));
    this.on = button(t("nextRows"), () => this.turn(ROWS));
    const tools = { class: "table-tools", hidden: rows.length < 2 };
    const table = make(
      "table",
      {},
      make("thead", {}, make("tr", {}, this.headings)),
      this.body,
      this.totals,
    );
    const region = { class: "scroll", tabindex: "0", role: "region", "aria-label": t("table") };
    this.scroll = make("div", region, table);
    this.pages = make("div", { class: "actions" }, this.back, this.on);
    this.element = make(
      "div",
      { class: "table-view" },
      make("div", tools, this.filter, this.count, this.pages),
      this.scroll,
    );
    this.show();
  }

  later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.find(), PAUSE);
  }

  find() {
    this.texts ??= new Map(this.rows.map((row) => [row, textOf(row, this.columns)]));
    const words = this.filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    this.found = this.rows.filter((row) =>
      words.every((word) => this.texts.get(row).includes(word)),
    );
    this.order();
  }

  sortBy(at) {
    this.isDown = this.sorted === at && !this.isDown;
    this.sorted = at;
    for (const heading of this.headings) heading.ariaSort = null;
    this.headings[at].ariaSort = this.isDown ? "descending" : "ascending";
    this.order();
    announce(t("sortBy", { column: this.columns[at].name }));
  }

  order() {
    const { sorted: at, columns } = this;
    if (at !== null) {
      this.found = [...this.found].sort((one, other) => compared(one[at], other[at], columns[at]));
      if (this.isDown) this.found.reverse();
    }
    this.first = 0;
    this.show();
  }

  turn(step) {
    this.first += step;
    this.show();
    this.scroll.scrollTop = 0;
    if (this.back.disabled) this.on.focus();
    if (this.on.disabled) this.back.focus();
  }

  show() {
    const { columns, found, first } = this;
    const end = Math.min(first + ROWS, found.length);
    const cells = (row) => row.map((cell, at) => cellOf(cell, columns[at]));
    this.body.replaceChildren(...found.slice(first, end).map((row) => make("tr", {}, cells(row))));
    this.totals.replaceChildren(...totalsOf(columns, found));
    this.pages.hidden = found.length <= ROWS;
    this.back.disabled = first === 0;
    this.on.disabled = end === found.length;
    const from = number(Math.min(first + 1, end));
    this.count.textContent = found.length
      ? t("rowsFromTo", { from, to: number(end), all: number(found.length) })
      : t("noRowsFound");
  }
}

// Sums of what is counted; of names and shares of a hundred there are none.
function totalsOf(columns, rows) {
  const isSummed = ({ type, name, unit }) => type === "number" && !isLabel(name) && unit !== "%";
  if (rows.length < 2 || !columns.some(isSummed)) return [];
  const free = columns.findIndex((column) => !isSummed(column));
  const title = t("totalOf", { n: rows.length });
  const cells = columns.map((column, at) => {
    if (at === free) return make("th", { scope: "row" }, title);
    if (!isSummed(column)) return make("td");
    const sum = written(sumOf(rows.map((row) => row[at])), column);
    return make("td", { class: "number", title: free < 0 ? title : null }, sum);
  });
  return [make("tr", {}, cells)];
}

// As it is stored, and as it is shown, where that is something else.
function textOf(row, columns) {
  const texts = row.flatMap((cell, at) => {
    if (cell == null) return [];
    const stored = String(cell).slice(0, MOST_OPENED);
    return columns[at].type === "text" ? [stored] : [stored, written(cell, columns[at])];
  });
  return texts.join("\n").toLowerCase();
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
