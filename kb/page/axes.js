// Which columns of rows are a chart: what is counted, of what, and what tells its series apart.

import { isLabel, isTime } from "./columns.js";
import { shown } from "./dom.js";
import { shortTimes } from "./times.js";

const MOST_SERIES = 20;
const LONGEST = 1_000; // characters; what is longer names nothing
const MOST_CHARACTERS = 80; // of a label, as it is shown

// Null when nothing is counted for each of something; otherwise what may be chosen, and a choice.
export function axesOf(columns, rows) {
  if (rows.length < 2) return null;
  const all = columns.map((_, at) => at);
  const measures = all.filter((at) => columns[at].type === "number" && !isLabel(columns[at].name));
  if (!measures.length) return null;
  const others = all.filter((at) => !measures.includes(at) && isShort(rows, at));
  const labels = others.filter((at) => isDistinct(rows, [at]) || splitsOf(rows, others, at).length);
  const label = bestLabel(columns, rows, labels);
  if (label === undefined) return null;
  const told =
    measures.find((at) => columns[at].unit) ?? measures.find((at) => isOrdered(rows, at));
  return { others, labels, label, measures, measure: told ?? measures[0] };
}

// What may tell the series of a label apart: a column that makes each row of a label another one.
export function splitsOf(rows, others, label) {
  if (isDistinct(rows, [label])) return [];
  const groups = others.filter((at) => at !== label && countOf(rows, at) <= MOST_SERIES);
  return groups.filter((at) => isDistinct(rows, [label, at]));
}

// The labels in their order, and for each series its values along them. The chosen columns are those
// of `label`, of `measures`, and of `split`, which may be none.
export function seriesOf(columns, rows, { label, measures, split }) {
  const isOfTime = isTime(columns[label].name, columns[label].type, rows, label);
  const inOrder = isOfTime
    ? [...rows].sort((one, other) => compared(one[label], other[label]))
    : rows;
  const keys = [...new Set(inOrder.map((row) => row[label]))];
  const places = new Map(keys.map((key, at) => [key, at]));
  const groups = split === null ? [null] : [...new Set(rows.map((row) => row[split]))];
  const series = groups.flatMap((group) => {
    const own = split === null ? inOrder : inOrder.filter((row) => row[split] === group);
    return measures.map((at) => {
      const cells = new Array(keys.length).fill(null);
      for (const row of own) cells[places.get(row[label])] = row[at];
      return { name: nameOf(columns, measures, at, split, group), column: columns[at], cells };
    });
  });
  const labels = isOfTime
    ? shortTimes(columns[label], keys)
    : keys.map((key) => shortened(key ?? "–"));
  return { isOfTime, labels, series };
}

export function titleOf({ name }) {
  return shortened(name.replaceAll("_", " "));
}

function nameOf(columns, measures, at, split, group) {
  if (split === null) return titleOf(columns[at]);
  const name = shortened(group ?? "–");
  return measures.length > 1 ? `${name}, ${titleOf(columns[at])}` : name;
}

// A time, or what people call things rather than their numbers; best one that is there once.
function bestLabel(columns, rows, labels) {
  const isOfTime = (at) => isTime(columns[at].name, columns[at].type, rows, at);
  const once = labels.filter((at) => isDistinct(rows, [at]));
  for (const candidates of [once, labels]) {
    const words = candidates.filter((at) => !isLabel(columns[at].name));
    const found =
      candidates.find(isOfTime) ??
      words.find((at) => /name|title|label/i.test(columns[at].name)) ??
      words[0] ??
      candidates[0];
    if (found !== undefined) return found;
  }
  return undefined;
}

function isOrdered(rows, at) {
  const values = rows.map((row) => Number(row[at]));
  return values.every((value, each) => !each || value <= values[each - 1]);
}

function isDistinct(rows, places) {
  const keys = rows.map((row) => JSON.stringify(places.map((at) => row[at])));
  return new Set(keys).size === rows.length;
}

function isShort(rows, at) {
  return rows.every((row) => String(row[at] ?? "").length <= LONGEST);
}

function countOf(rows, at) {
  return new Set(rows.map((row) => row[at])).size;
}

function compared(one, other) {
  return typeof one === "number"
    ? one - other
    : String(one).localeCompare(String(other), "en", { numeric: true });
}

function shortened(value) {
  const text = shown(String(value));
  return text.length > MOST_CHARACTERS ? `${text.slice(0, MOST_CHARACTERS)}…` : text;
}
