// What columns hold, as the server tells it: number, date, datetime or text.

import { date, number, spoken } from "./words.js";

const MONTH = /^\d{4}-\d{2}$/;
const PERIOD = /(^|_)(year|month|week|day|quarter|hour)$/i;
const STYLES = {
  date: { dateStyle: "medium", timeZone: "UTC" },
  datetime: { dateStyle: "medium", timeStyle: "short", timeZone: "UTC" },
};
const MOST_DIGITS = 21;
const LABEL = /(^|_)(id|year|month|week|day|quarter|hour|no|number|zip|postcode|code|sku|phone)$/i;

// Numbers that name something rather than count it.
export function isLabel(name) {
  return LABEL.test(name);
}

export function isTime(name, type, rows, at) {
  if (type === "number") return PERIOD.test(name);
  return isDate(type) || (rows.length > 0 && rows.every((row) => MONTH.test(row[at])));
}

export function isDate(type) {
  return type === "date" || type === "datetime";
}

// As the reader's language writes it; what only names something stays as it is.
export function written(value, { name, type, unit }) {
  if (isDate(type)) return date(value, STYLES[type]);
  if (type !== "number") return String(value);
  const digits = String(value).match(/\.(\d+)$/)?.[1].length ?? 0;
  const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  if (/^[A-Z]{3}$/.test(unit ?? ""))
    return number(value, { ...options, style: "currency", currency: unit });
  if (isLabel(name) && !unit) return String(value);
  const whole = { useGrouping: "min2", maximumSignificantDigits: MOST_DIGITS };
  const text = number(value, digits ? options : whole);
  const space = unit === "%" && spoken() === "en" ? "" : "\u00a0";
  return unit ? `${text}${space}${unit}` : text;
}

const DECIMAL = /^(-?)(\d+)(?:\.(\d+))?$/;

// To the last digit, where all are written out; what is empty counts for nothing.
export function sumOf(values) {
  const given = values.filter((value) => value != null);
  const parts = given.map((value) => String(value).match(DECIMAL));
  if (parts.includes(null)) return given.reduce((sum, value) => sum + Number(value), 0);
  const places = Math.max(0, ...parts.map(([, , , digits = ""]) => digits.length));
  const whole = parts.reduce(
    (sum, [, sign, before, digits = ""]) =>
      sum + BigInt(sign + before + digits.padEnd(places, "0")),
    0n,
  );
  return withPoint(whole, places);
}

function withPoint(whole, places) {
  if (!places) return String(whole);
  const digits = String(whole < 0n ? -whole : whole).padStart(places + 1, "0");
  return `${whole < 0n ? "-" : ""}${digits.slice(0, -places)}.${digits.slice(-places)}`;
}
