// Rows as a chart, when they are one: dates or categories against numbers.

import { holdsNumbers, isLabel, isTime, written } from "./columns.js";
import { draw, make } from "./dom.js";
import { scaleOf } from "./scale.js";
import { number, spoken, t } from "./words.js";

const MOST_BARS = 20;
const MOST_COLUMNS = 31; // of time; more are drawn as a line
const MOST_POINTS = 500;
const BAR = 30; // pixels, with the space below it
const HEIGHT = 240;
const BOTTOM = 24;

// Null when the rows are no chart; otherwise its element, which follows the width it has.
export function chartOf(columns, rows, units) {
  const axes = axesOf(columns, rows, units);
  if (!axes) return null;
  const select = make(
    "select",
    { "aria-label": t("chart"), change: redraw },
    axes.measures.map((at) => make("option", { value: at }, columns[at].replaceAll("_", " "))),
  );
  select.value = axes.measure;
  const picture = make("div", { class: "picture" });
  const element = make(
    "div",
    { class: "chart" },
    axes.measures.length > 1 ? select : null,
    picture,
  );
  new ResizeObserver(redraw).observe(picture);

  function redraw() {
    if (picture.clientWidth)
      picture.replaceChildren(
        ...drawn(
          columns,
          rows,
          units,
          { ...axes, measure: Number(select.value) },
          picture.clientWidth,
        ),
      );
  }

  return { element };
}

export function axesOf(columns, rows, units) {
  if (rows.length < 2 || rows.length > MOST_POINTS) return null;
  const all = columns.map((_, at) => at);
  const measures = all.filter((at) => holdsNumbers(rows, at) && !isLabel(columns[at]));
  const time = all.find((at) => isTime(columns[at], rows, at) && isDistinct(rows, at));
  const label =
    time ??
    labelAmong(
      all.filter((at) => !measures.includes(at) && isDistinct(rows, at)),
      columns,
    );
  if (label === undefined || !measures.length) return null;
  const told =
    measures.find((at) => units[columns[at]]) ?? measures.find((at) => isOrdered(rows, at));
  return { label, isTime: time !== undefined, measures, measure: told ?? measures[0] };
}

// What people call things, rather than their numbers.
function labelAmong(candidates, columns) {
  const words = candidates.filter((at) => !isLabel(columns[at]));
  return words.find((at) => /name|title|label/i.test(columns[at])) ?? words[0] ?? candidates[0];
}

function isOrdered(rows, at) {
  const values = rows.map((row) => Number(row[at]));
  return values.every((value, each) => !each || value <= values[each - 1]);
}

function isDistinct(rows, at) {
  return new Set(rows.map((row) => row[at])).size === rows.length;
}

function drawn(columns, rows, units, { label, isTime, measure }, width) {
  const name = columns[measure];
  const inOrder = isTime
    ? [...rows].sort((one, other) => compared(one[label], other[label]))
    : rows;
  const all = inOrder.map((row) => ({
    label: labelOf(row[label], columns[label]),
    value: Number(row[measure] ?? 0),
    told: row[measure] == null ? "–" : written(row[measure], name, units[name]),
  }));
  const points = isTime ? all : all.slice(0, MOST_BARS);
  const told = t("chartOf", {
    values: name.replaceAll("_", " "),
    labels: columns[label].replaceAll("_", " "),
  });
  const picture = isTime ? (points.length > MOST_COLUMNS ? line : upright) : bars;
  const cut =
    points.length < all.length
      ? make("p", { class: "quiet" }, t("chartCut", { n: points.length, all: all.length }))
      : null;
  return [picture(points, width, told), cut].filter(Boolean);
}

function compared(one, other) {
  return typeof one === "number"
    ? one - other
    : String(one).localeCompare(String(other), "en", { numeric: true });
}

function labelOf(value, name) {
  if (/(^|_)month$/i.test(name) && value >= 1 && value <= 12)
    return new Intl.DateTimeFormat(spoken(), { month: "short", timeZone: "UTC" }).format(
      Date.UTC(2000, value - 1),
    );
  const text = String(value ?? "–");
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

function svg(width, height, told, ...children) {
  return draw(
    "svg",
    { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": told },
    ...children,
  );
}

function text(x, y, words, attributes = {}) {
  return draw("text", { x, y, ...attributes }, words);
}

function hint({ label, told }) {
  return draw("title", {}, `${label}: ${told}`);
}

function shortened(words, pixels) {
  const most = Math.max(4, Math.floor(pixels / 7));
  return words.length > most ? `${words.slice(0, most - 1)}…` : words;
}

function bars(points, width, told) {
  const room = Math.min(
    width * 0.36,
    20 + 7 * Math.max(...points.map((each) => each.label.length)),
  );
  const end = 14 + 7 * Math.max(...points.map((each) => each.told.length));
  const { low, high } = scaleOf(points.map((each) => each.value));
  const x = (value) => room + ((value - low) / (high - low)) * Math.max(20, width - room - end);
  const marks = points.map((point, at) => {
    const begin = Math.min(x(0), x(point.value));
    const long = Math.max(1, Math.abs(x(point.value) - x(0)));
    return draw(
      "g",
      {},
      hint(point),
      text(room - 10, at * BAR + 19, shortened(point.label, room - 10), { "text-anchor": "end" }),
      draw("rect", {
        class: "mark",
        x: begin,
        y: at * BAR + 5,
        width: long,
        height: BAR - 10,
        rx: 3,
      }),
      text(begin + long + 8, at * BAR + 19, point.told, { class: "value" }),
    );
  });
  return svg(width, points.length * BAR, told, ...marks);
}

function grid(points, width) {
  const scale = scaleOf(points.map((each) => each.value));
  const short = (value) => number(value, { notation: "compact", maximumFractionDigits: 1 });
  const left = 12 + 7 * Math.max(...scale.ticks.map((each) => short(each).length));
  const y = (value) =>
    8 + (1 - (value - scale.low) / (scale.high - scale.low)) * (HEIGHT - BOTTOM - 8);
  const lines = scale.ticks.map((value) =>
    draw(
      "g",
      {},
      draw("line", { class: "grid", x1: left, x2: width, y1: y(value), y2: y(value) }),
      text(left - 8, y(value) + 4, short(value), { "text-anchor": "end" }),
    ),
  );
  const step = (width - left) / points.length;
  const every = Math.ceil((7 * Math.max(...points.map((each) => each.label.length)) + 10) / step);
  const labels = points
    .map((point, at) =>
      at % every
        ? null
        : text(left + (at + 0.5) * step, HEIGHT - 6, point.label, { "text-anchor": "middle" }),
    )
    .filter(Boolean);
  return { left, step, y, frame: [...lines, ...labels] };
}

function upright(points, width, told) {
  const { left, step, y, frame } = grid(points, width);
  const wide = Math.min(48, step * 0.68);
  const marks = points.map((point, at) =>
    draw(
      "rect",
      {
        class: "mark",
        x: left + (at + 0.5) * step - wide / 2,
        y: Math.min(y(0), y(point.value)),
        width: wide,
        height: Math.max(1, Math.abs(y(point.value) - y(0))),
        rx: 3,
      },
      hint(point),
    ),
  );
  return svg(width, HEIGHT, told, ...frame, ...marks);
}

function line(points, width, told) {
  const { left, step, y, frame } = grid(points, width);
  const path = points
    .map(
      (point, at) =>
        `${at ? "L" : "M"}${(left + (at + 0.5) * step).toFixed(1)} ${y(point.value).toFixed(1)}`,
    )
    .join("");
  return svg(width, HEIGHT, told, ...frame, draw("path", { class: "line", d: path }));
}
