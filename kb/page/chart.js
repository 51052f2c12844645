// Rows as a chart, when they are one: dates or categories against numbers.

import { isLabel, isTime, written } from "./columns.js";
import { make } from "./dom.js";
import { bars, line, upright } from "./picture.js";
import { shortTimes } from "./times.js";
import { t } from "./words.js";

const MOST_BARS = 20;
const MOST_COLUMNS = 31; // of time; more are drawn as a line
const MOST_POINTS = 500;
const MOST_CHARACTERS = 80; // of a label

// Null when the rows are no chart; otherwise its element, which follows the width it has.
export function chartOf(columns, rows) {
  const axes = axesOf(columns, rows);
  if (!axes) return null;
  const select = make(
    "select",
    { "aria-label": t("chart"), change: redraw },
    axes.measures.map((at) => make("option", { value: at }, titled(columns[at]))),
  );
  select.value = axes.measure;
  const picture = make("div", { class: "picture" });
  new ResizeObserver(redraw).observe(picture);

  function redraw() {
    const chosen = { ...axes, measure: Number(select.value) };
    if (picture.clientWidth)
      picture.replaceChildren(...drawn(columns, rows, chosen, picture.clientWidth));
  }

  return make("div", { class: "chart" }, axes.measures.length > 1 ? select : null, picture);
}

export function axesOf(columns, rows) {
  if (rows.length < 2 || rows.length > MOST_POINTS) return null;
  const all = columns.map((_, at) => at);
  const measures = all.filter((at) => columns[at].type === "number" && !isLabel(columns[at].name));
  const distinct = all.filter((at) => isDistinct(rows, at));
  const time = distinct.find((at) => isTime(columns[at].name, columns[at].type, rows, at));
  const others = distinct.filter((at) => !measures.includes(at));
  const label = time ?? labelAmong(others, columns);
  if (label === undefined || !measures.length) return null;
  const told =
    measures.find((at) => columns[at].unit) ?? measures.find((at) => isOrdered(rows, at));
  return { label, isTime: time !== undefined, measures, measure: told ?? measures[0] };
}

// What people call things, rather than their numbers.
function labelAmong(candidates, columns) {
  const words = candidates.filter((at) => !isLabel(columns[at].name));
  return (
    words.find((at) => /name|title|label/i.test(columns[at].name)) ?? words[0] ?? candidates[0]
  );
}

function isOrdered(rows, at) {
  const values = rows.map((row) => Number(row[at]));
  return values.every((value, each) => !each || value <= values[each - 1]);
}

function isDistinct(rows, at) {
  return new Set(rows.map((row) => row[at])).size === rows.length;
}

function titled({ name }) {
  return name.replaceAll("_", " ");
}

function drawn(columns, rows, { label, isTime, measure }, width) {
  const told = t("chartOf", { values: titled(columns[measure]), labels: titled(columns[label]) });
  const all = pointsOf(columns, rows, { label, isTime, measure });
  const points = isTime ? all : all.slice(0, MOST_BARS);
  const picture = isTime ? (points.length > MOST_COLUMNS ? line : upright) : bars;
  const cut =
    points.length < all.length
      ? make("p", { class: "quiet" }, t("chartCut", { n: points.length, all: all.length }))
      : null;
  return [picture(points, width, told), cut].filter(Boolean);
}

function pointsOf(columns, rows, { label, isTime, measure }) {
  const inOrder = isTime
    ? [...rows].sort((one, other) => compared(one[label], other[label]))
    : rows;
  const labels = isTime
    ? shortTimes(
        columns[label],
        inOrder.map((row) => row[label]),
      )
    : inOrder.map((row) => String(row[label] ?? "–"));
  return inOrder.map((row, at) => ({
    label: shortened(labels[at]),
    value: row[measure] == null ? null : Number(row[measure]),
    told: row[measure] == null ? "–" : written(row[measure], columns[measure]),
  }));
}

function compared(one, other) {
  return typeof one === "number"
    ? one - other
    : String(one).localeCompare(String(other), "en", { numeric: true });
}

function shortened(text) {
  return text.length > MOST_CHARACTERS ? `${text.slice(0, MOST_CHARACTERS)}…` : text;
}
