// Times below a chart, no longer than it takes to tell them apart.

import { isDate } from "./columns.js";
import { date, spoken } from "./words.js";

const UTC = { timeZone: "UTC" };

export function shortTimes({ name, type }, values) {
  if (/(^|_)month$/i.test(name) && values.every((value) => value >= 1 && value <= 12))
    return values.map(monthOfYear);
  if (!isDate(type) && !values.every((value) => /^\d{4}-\d{2}$/.test(value)))
    return values.map((value) => String(value ?? "–"));
  const options = { ...UTC, ...partsOf(values, type) };
  return values.map((value) => (value == null ? "–" : date(value, options)));
}

function monthOfYear(value) {
  /** @type {Intl.DateTimeFormatOptions} */
  const options = { ...UTC, month: "short" };
  return new Intl.DateTimeFormat(spoken(), options).format(Date.UTC(2000, value - 1));
}

/** @returns {Intl.DateTimeFormatOptions} */
function partsOf(values, type) {
  const texts = values.filter((value) => value != null);
  /** @type {Intl.DateTimeFormatOptions} */
  const year = new Set(texts.map((text) => text.slice(0, 4))).size > 1 ? { year: "numeric" } : {};
  if (texts.every((text) => /^\d{4}-\d{2}(-01)?(T00:00:00)?$/.test(text)))
    return { month: "short", year: "numeric" };
  const isClock = type === "datetime" && texts.some((text) => !text.endsWith("T00:00:00"));
  /** @type {Intl.DateTimeFormatOptions} */
  const clock = isClock ? { hour: "2-digit", minute: "2-digit" } : {};
  return { ...year, ...clock, month: "short", day: "numeric" };
}
