// Points as a picture: lying bars, upright ones, or a line. A point is {label, value, told}.

import { draw } from "./dom.js";
import { scaleOf } from "./scale.js";
import { number } from "./words.js";

const BAR = 30; // pixels, with the space below it
const WIDEST = 48; // of an upright bar
const HEIGHT = 240;
const TOP = 22; // holds what a point tells that is pointed at
const BOTTOM = 24;
const LETTER = 7; // of 12 pixels height, about

export function bars(points, width, told) {
  const longest = (name) => LETTER * Math.max(...points.map((each) => each[name].length));
  const room = Math.min(width * 0.36, 20 + longest("label"));
  const end = 14 + longest("told");
  const { low, high } = scaleOf(valuesOf(points));
  const x = (value) => room + ((value - low) / (high - low)) * Math.max(20, width - room - end);
  const marks = points.map((point, at) => {
    const begin = Math.min(x(0), x(point.value ?? 0));
    const long = Math.abs(x(point.value ?? 0) - x(0));
    const y = at * BAR + 19;
    return draw(
      "g",
      {},
      draw("title", {}, `${point.label}: ${point.told}`),
      text(room - 10, y, shortened(point.label, room - 10), { "text-anchor": "end" }),
      point.value === null ? null : bar(begin, y - 14, Math.max(1, long), BAR - 10),
      text(begin + long + 8, y, point.told, { class: "value" }),
    );
  });
  return svg(width, points.length * BAR, told, ...marks);
}

export function upright(points, width, told) {
  const { step, x, y, frame } = grid(points, width);
  const wide = Math.min(WIDEST, step * 0.68);
  const marks = points.map((point, at) => {
    if (point.value === null) return null;
    const top = Math.min(y(0), y(point.value));
    const high = Math.max(1, Math.abs(y(point.value) - y(0)));
    return bar(x(at) - wide / 2, top, wide, high);
  });
  return svg(width, HEIGHT, told, ...frame, ...telling(points, width, x, step, marks));
}

export function line(points, width, told) {
  const { step, x, y, frame } = grid(points, width);
  const isGap = (at) => at < 0 || points[at].value === null;
  const path = points
    .map((point, at) =>
      isGap(at)
        ? ""
        : `${isGap(at - 1) ? "M" : "L"}${x(at).toFixed(1)} ${y(point.value).toFixed(1)}`,
    )
    .join("");
  const dots = points.map((point, at) =>
    isGap(at) ? null : draw("circle", { class: "dot", cx: x(at), cy: y(point.value), r: 4 }),
  );
  const drawn = draw("path", { class: "line", d: path });
  return svg(width, HEIGHT, told, ...frame, drawn, ...telling(points, width, x, step, dots));
}

// Each mark with a strip around it: what it stands for is told where the strip is pointed at.
function telling(points, width, x, step, marks) {
  return points.map(({ label, told }, at) => {
    const words = `${label}: ${told}`;
    const half = (LETTER * words.length) / 2;
    const middle = Math.max(half, Math.min(width - half, x(at)));
    const strip = { class: "strip", x: x(at) - step / 2, y: 0, width: step, height: HEIGHT };
    const attributes = { class: "told", "text-anchor": "middle" };
    return draw("g", {}, draw("rect", strip), marks[at], text(middle, 12, words, attributes));
  });
}

function grid(points, width) {
  const { low, high, ticks } = scaleOf(valuesOf(points));
  const short = (value) => number(value, { notation: "compact", maximumFractionDigits: 1 });
  const left = 12 + LETTER * Math.max(...ticks.map((each) => short(each).length));
  const step = (width - left) / points.length;
  const x = (at) => left + (at + 0.5) * step;
  const y = (value) => TOP + (1 - (value - low) / (high - low)) * (HEIGHT - BOTTOM - TOP);
  const lines = ticks.map((value) =>
    draw(
      "g",
      {},
      draw("line", { class: lineOf(value, low), x1: left, x2: width, y1: y(value), y2: y(value) }),
      text(left - 8, y(value) + 4, short(value), { "text-anchor": "end" }),
    ),
  );
  return { step, x, y, frame: [...lines, ...below(points, width, x, step)] };
}

function lineOf(value, low) {
  return value === 0 && low < 0 ? "grid zero" : "grid";
}

// As many labels as there is room for.
function below(points, width, x, step) {
  const half = (LETTER * Math.max(...points.map((each) => each.label.length))) / 2;
  const every = Math.ceil((2 * half + 10) / step);
  return points.map((point, at) =>
    at % every || x(at) + half > width + LETTER
      ? null
      : text(x(at), HEIGHT - 6, point.label, { "text-anchor": "middle" }),
  );
}

function valuesOf(points) {
  return points.map((each) => each.value ?? 0);
}

function bar(x, y, width, height) {
  return draw("rect", { class: "mark", x, y, width, height, rx: 3 });
}

function svg(width, height, told, ...children) {
  const box = { width, height, viewBox: `0 0 ${width} ${height}` };
  return draw("svg", { ...box, role: "img", "aria-label": told }, ...children);
}

function text(x, y, words, attributes = {}) {
  return draw("text", { x, y, ...attributes }, words);
}

// What long names differ in is often at their end.
function shortened(words, pixels) {
  const most = Math.max(6, Math.floor(pixels / LETTER));
  const end = Math.floor(most / 3);
  return words.length > most ? `${words.slice(0, most - end - 1)}…${words.slice(-end)}` : words;
}
