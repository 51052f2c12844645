// One number, large, with what it is of.

import { isLabel, written } from "./columns.js";
import { make } from "./dom.js";

const MOST_BESIDES = 3; // other cells of its row

// Null unless the rows are a single number, or one among a few words.
export function figureOf(columns, rows) {
  if (rows.length !== 1 || columns.length > 1 + MOST_BESIDES) return null;
  const numbers = columns.filter(({ type, name }) => type === "number" && !isLabel(name));
  if (numbers.length !== 1) return null;
  const [row] = rows;
  const title = ({ name }) => name.replaceAll("_", " ");
  const cell = (column) => {
    const value = row[columns.indexOf(column)];
    return value == null ? "–" : written(value, column);
  };
  const besides = columns
    .filter((column) => column !== numbers[0])
    .map((column) => `${title(column)}: ${cell(column)}`);
  return make(
    "p",
    { class: "figure" },
    make("span", { class: "quiet" }, title(numbers[0])),
    make("strong", {}, cell(numbers[0])),
    besides.length ? make("span", { class: "quiet" }, besides.join(" · ")) : null,
  );
}
