// What columns hold: the server sends decimals and dates as text, so that nothing is lost.

import { number } from "./words.js";

const NUMERIC = /^-?\d{1,15}(\.\d+)?$/;
const DAY = /^\d{4}-\d{2}(-\d{2}([T ]\d{2}:\d{2}.*)?)?$/;
const LABEL = /(^|_)(id|year|month|week|day|quarter|hour|no|number|zip|postcode|code|sku)$/i;

export function isNumeric(value) {
  return typeof value === "number" || (typeof value === "string" && NUMERIC.test(value));
}

function filled(rows, at) {
  return rows.map((row) => row[at]).filter((value) => value != null);
}

export function holdsNumbers(rows, at) {
  const values = filled(rows, at);
  return values.length > 0 && values.every(isNumeric);
}

export function holdsDates(rows, at) {
  const values = filled(rows, at);
  return values.length > 0 && values.every((value) => DAY.test(value));
}

// Numbers that name something rather than count it.
export function isLabel(name) {
  return LABEL.test(name);
}

export function isTime(name, rows, at) {
  return (
    holdsDates(rows, at) ||
    (/(^|_)(year|month|week|day|quarter|hour)$/i.test(name) && holdsNumbers(rows, at))
  );
}

// As the reader's language writes it; what only names something stays as it is.
export function written(value, name, unit) {
  if (!isNumeric(value)) return String(value);
  const digits = String(value).split(".")[1]?.length ?? 0;
  const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  if (/^[A-Z]{3}$/.test(unit ?? ""))
    return number(value, { ...options, style: "currency", currency: unit });
  if (unit === "%") return `${number(value, options)} %`;
  const text =
    digits || unit
      ? number(value, options)
      : isLabel(name)
        ? String(value)
        : number(value, { useGrouping: false });
  return unit ? `${text} ${unit}` : text;
}
