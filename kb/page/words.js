// What the page says, in the reader's language, and how that language writes numbers and dates.

import { TEXTS } from "./texts.js";

const SOURCE = "en"; // what TEXTS are in
// Of which the server has a catalogue.
export const LANGUAGES = (document.documentElement.dataset.languages ?? SOURCE).split(" ");

const DAY = 86_400_000; // milliseconds
let language = SOURCE;
let region = SOURCE;
let translations = {}; // the forms of a text, by the first one in English

// Numbers and dates are written as in the reader's region, when it speaks the language.
export async function speak(chosen) {
  language = LANGUAGES.includes(chosen) ? chosen : SOURCE;
  region = navigator.languages.find((each) => each.startsWith(`${language}-`)) ?? language;
  document.documentElement.lang = language;
  document.documentElement.dir = directionOf(language);
  translations = language === SOURCE ? {} : await translationsInto(language);
}

function directionOf(code) {
  const locale = /** @type {any} */ (new Intl.Locale(code)); // TypeScript knows no textInfo yet
  return (locale.getTextInfo?.() ?? locale.textInfo)?.direction ?? "ltr";
}

export function nameOfLanguage(code, spokenIn = code) {
  const name = new Intl.DisplayNames(spokenIn, { type: "language" }).of(code);
  return name[0].toLocaleUpperCase(spokenIn) + name.slice(1);
}

// Without them the page speaks English.
async function translationsInto(chosen) {
  try {
    const response = await fetch(new URL(`texts/${chosen}.json`, import.meta.url));
    return response.ok ? await response.json() : {};
  } catch {
    return {};
  }
}

export function spoken() {
  return language;
}

// `n` chooses the plural form, and is written as the language writes numbers.
export function t(key, values = {}) {
  const english = TEXTS[key] ?? [key];
  const forms = translations[english[0]] ?? english;
  const isCounted = "n" in values && typeof values.n === "number";
  const text = forms[isCounted ? formOf(values.n, forms) : 0];
  return text.replace(/\{(\w+)\}/g, (_, name) => written(values[name]));
}

function formOf(n, forms) {
  const isOne = new Intl.PluralRules(language).select(n) === "one";
  return isOne ? 0 : forms.length - 1;
}

function written(value) {
  return typeof value === "number" ? number(value) : value;
}

export function number(value, options = {}) {
  return new Intl.NumberFormat(region, options).format(value);
}

export function bytes(size) {
  const [unit, value] = size < 1e6 ? ["kilobyte", size / 1e3] : ["megabyte", size / 1e6];
  return number(value, { style: "unit", unit, maximumFractionDigits: value < 10 ? 1 : 0 });
}

// The server's times are UTC, with or without saying so.
/** @param {string} text @param {Intl.DateTimeFormatOptions} options */
export function date(text, options = { dateStyle: "medium" }) {
  const zoned = /T.*(Z|[+-]\d\d:\d\d)$/.test(text) || !text.includes("T") ? text : `${text}Z`;
  return new Intl.DateTimeFormat(region, options).format(new Date(zoned));
}

// A day that is near, a week, or a month.
export function ageOf(text) {
  const day = new Date(text).setHours(0, 0, 0, 0);
  const days = Math.round((new Date().setHours(0, 0, 0, 0) - day) / DAY);
  if (days > 7) return date(text, { month: "long", year: "numeric" });
  if (days > 1) return t("week");
  return new Intl.RelativeTimeFormat(language, { numeric: "auto" }).format(-days, "day");
}

// The words of the parts that stand in index.html.
export function translate(root) {
  for (const each of root.querySelectorAll("[data-word]")) each.textContent = t(each.dataset.word);
  for (const each of root.querySelectorAll("[data-label]")) {
    each.setAttribute("aria-label", t(each.dataset.label));
    if (each.matches("button, a")) each.title = t(each.dataset.label);
  }
  for (const each of root.querySelectorAll("[data-placeholder]"))
    each.placeholder = t(each.dataset.placeholder);
}
