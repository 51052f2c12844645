// Series as a picture on a canvas, by Chart.js, in the colours of the page.

import { titleOf } from "./axes.js";
import { written } from "./columns.js";
import { Chart } from "./vendor/chart.js";
import { number } from "./words.js";

export const TYPES = ["bar", "line", "area", "pie", "stacked"];

const COLOURS = 8; // --series-1 and so on: one for each slice of a pie; further series are dashed
const MOST_LYING = 20; // bars with their names beside them; more stand
const MOST_COLUMNS = 31; // of time; more are a line
const MOST_DOTS = 60; // of a line; between more there is no room
const HEIGHT = 280; // pixels
const BAR = 22;
const SHADE = 22; // per cent of a colour below a line
const FRAME = 90; // above, below and between them

export function defaultType({ isOfTime, labels }) {
  return isOfTime && labels.length > MOST_COLUMNS ? "line" : "bar";
}

// A pie shows parts of one whole, a stack parts of several.
export function isPossible(type, { labels, series }) {
  const isWhole = series.length === 1 && series[0].cells.every((cell) => Number(cell) >= 0);
  if (type === "pie") return isWhole && labels.length <= COLOURS;
  return type !== "stacked" || series.length > 1;
}

// `wanted` has type, data of seriesOf, the names of the axes, and whether other measures have an
// axis of their own. The canvas is in an element that it fills.
export function drawn(canvas, wanted) {
  const { type, data } = wanted;
  const isLying = isOfBars(type) && !data.isOfTime && data.labels.length <= MOST_LYING;
  const bars = data.labels.length * (type === "stacked" ? 1 : data.series.length);
  canvas.parentElement.style.height = `${isLying ? Math.max(120, FRAME + BAR * bars) : HEIGHT}px`;
  const look = { ...wanted, isLying, paint: painterOf(canvas) };
  return new Chart(canvas, {
    type: type === "pie" ? "pie" : isOfBars(type) ? "bar" : "line",
    data: {
      labels: data.labels,
      datasets: data.series.map((each, at) => datasetOf(each, at, look)),
    },
    options: optionsOf(look),
    plugins: [{ id: "paper", beforeDraw: (chart) => fill(chart, look.paint("--card")) }],
  });
}

function isOfBars(type) {
  return type === "bar" || type === "stacked";
}

function datasetOf({ name, column, cells }, at, { type, data, hasOwnAxes, isLying, paint }) {
  const isPie = type === "pie";
  const colour = (each, share = 100) => paint(`--series-${(each % COLOURS) + 1}`, share);
  const isSecond = hasOwnAxes && column !== data.series[0].column;
  return {
    label: name,
    data: cells.map((cell) => (cell == null ? null : Number(cell))),
    told: cells.map((cell) => (cell == null ? "–" : written(cell, column))),
    backgroundColor: isPie
      ? () => data.labels.map((_, each) => colour(each))
      : () => colour(at, type === "area" ? SHADE : 100),
    borderColor: () => (isPie ? paint("--card") : colour(at)),
    borderDash: at >= COLOURS ? [6, 4] : [],
    borderWidth: isOfBars(type) ? 0 : 2,
    borderRadius: type === "bar" ? 3 : 0,
    fill: type === "area" ? "origin" : false,
    maxBarThickness: 48,
    pointRadius: data.labels.length > MOST_DOTS ? 0 : 3,
    pointHitRadius: 12,
    ...(isPie || isLying ? {} : { yAxisID: isSecond ? "y2" : "y" }),
  };
}

function optionsOf({ type, data, title, hasOwnAxes, isLying, paint }) {
  const isPie = type === "pie";
  const { series } = data;
  const axis = (words, isOfValues) => ({
    stacked: type === "stacked",
    title: { display: Boolean(words), text: words, color: () => paint("--quiet") },
    grid: { display: isOfValues, color: () => paint("--line") },
    border: { color: () => paint("--edge") },
    ticks: {
      color: () => paint("--quiet"),
      autoSkip: !(isLying && !isOfValues),
      autoSkipPadding: 12,
      maxRotation: data.isOfTime ? 0 : 45,
      ...(isOfValues ? { callback: short } : {}),
    },
    ...(isOfValues ? { beginAtZero: true } : {}),
  });
  const counted = [...new Set(series.map((each) => each.column))].map(unitTitle);
  const values = axis(hasOwnAxes ? counted[0] : counted.join(", "), true);
  const labels = axis(title, false);
  const second = { ...axis(counted.slice(1).join(", "), true), position: "right" };
  const upright = hasOwnAxes
    ? { x: labels, y: values, y2: { ...second, grid: { display: false } } }
    : { x: labels, y: values };
  return {
    animation: false,
    maintainAspectRatio: false,
    indexAxis: isLying ? "y" : "x",
    interaction: { mode: isPie ? "nearest" : "index", intersect: isPie, axis: isLying ? "y" : "x" },
    scales: isPie ? {} : isLying ? { x: values, y: labels } : upright,
    plugins: {
      legend: {
        display: isPie || series.length > 1,
        position: "bottom",
        labels: { color: () => paint("--ink"), boxWidth: 14 },
      },
      tooltip: { callbacks: { label: toldOf } },
    },
  };
}

function unitTitle(column) {
  return column.unit ? `${titleOf(column)} (${column.unit})` : titleOf(column);
}

function toldOf({ dataset, dataIndex, label, chart }) {
  const name = chart.config.type === "pie" ? label : dataset.label;
  return ` ${name}: ${dataset.told[dataIndex]}`;
}

function short(value) {
  return number(value, { notation: "compact", maximumFractionDigits: 1 });
}

function fill({ ctx, width, height }, colour) {
  ctx.save();
  ctx.fillStyle = colour;
  ctx.fillRect(0, 0, width, height);
  ctx.restore();
}

// A colour of the page as it is now: a canvas knows no variables. `share` is its per cent.
function painterOf(canvas) {
  const probe = canvas.parentElement;
  return (name, share = 100) => {
    probe.style.color = `color-mix(in srgb, var(${name}) ${share}%, transparent)`;
    return getComputedStyle(probe).color;
  };
}
