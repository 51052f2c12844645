// How documents are searched: the profile, and which of them, as a chat keeps it.

import { get } from "./api.js";
import { icon, iconButton, make } from "./dom.js";
import { operators } from "./operators.js";
import { spoken, t } from "./words.js";

const chosen = { profile: null, model: null, filters: {}, only: null };
let next = null; // document, which alone a new chat asks

export function searchOptions() {
  const { profile, model, filters, only } = chosen;
  return { profile, model, filters: { ...filters, ...only?.filters } };
}

/** The document that alone is asked, until somebody asks all of them again.
 * @returns {{ name: string, filters: object } | null} */
export function onlyDocument() {
  return chosen.only;
}

/** In the chat that is begun next.
 * @param {{ name: string, filters: object } | null} only */
export function askOnly(only) {
  next = only;
}

export function beginOptions() {
  Object.assign(chosen, { profile: null, model: null, filters: {}, only: next });
  next = null;
}

// What the last question of a chat was asked with.
export function restoreOptions(asked) {
  Object.assign(chosen, read(asked));
}

/** @typedef {{ profile?: string | null, model?: string | null, filters?: Record<string, unknown> }} Asked */

/** @param {Asked} asked */
function read({ profile = null, model = null, filters = {} }) {
  if (!filters.path) return { profile, model, filters: { ...filters }, only: null };
  const { root, path, ...others } = filters;
  const only = { name: [path].flat()[0], filters: { root, path } };
  return { profile, model, filters: others, only };
}

/** What narrowed the search of a question, as chips.
 * @param {Asked} asked */
export function askedChips(asked) {
  return chipsOf(read(asked));
}

export function chosenChips(changed) {
  return chipsOf(chosen, (remove) => {
    remove();
    changed();
  });
}

// `taken` is called with what takes a part out of what is asked for.
function chipsOf(asked, taken = null) {
  const { profile, model, filters, only } = asked;
  const own = (name) => () => (asked[name] = null);
  const parts = Object.entries(filters).map(([key, value]) => [
    () => delete filters[key],
    `${titleOf(key)}: ${[value]
      .flat()
      .map((each) => nameOf(key, each))
      .join(", ")}`,
  ]);
  if (model) parts.unshift([own("model"), `${t("languageModel")}: ${model}`]);
  if (profile) parts.unshift([own("profile"), `${t("profile")}: ${profile}`]);
  if (only) parts.unshift([own("only"), t("askingOnly", { name: only.name }), t("askAll")]);
  return parts.map(([remove, words, label = t("askWithout", { filter: words })]) =>
    chipOf(words, label, taken && (() => taken(remove))),
  );
}

export function chipOf(words, label, remove) {
  const taken = remove && iconButton("close", label, remove);
  return make("span", { class: "filter-chip" }, make("span", {}, words), taken);
}

// `changed` is called for each choice; it shows what is chosen by `markOptions`.
export function offerOptions(changed) {
  const summary = make("summary", {}, icon("filter"));
  const fields = make("div", { class: "sheet above" });
  const details = make("details", { class: "menu options" }, summary, fields);
  const outside = (event) => {
    if (!details.contains(event.target)) details.open = false;
  };
  details.addEventListener("toggle", async () => {
    document[details.open ? "addEventListener" : "removeEventListener"]("pointerdown", outside);
    if (details.open) fields.replaceChildren(...(await offered(changed)));
  });
  details.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !details.open) return;
    event.stopPropagation();
    details.open = false;
    summary.focus();
  });
  details.addEventListener("focusout", (event) => {
    if (event.relatedTarget && !details.contains(event.relatedTarget)) details.open = false;
  });
  return details;
}

// What was chosen is seen while the options are closed, as it changes all that is asked.
export function markOptions(details) {
  const summary = details.querySelector("summary");
  const others = [chosen.profile, chosen.model].filter(Boolean);
  const count = Object.keys(chosen.filters).length + others.length;
  const label = count ? t("optionsChosen", { n: count }) : t("options");
  summary.classList.toggle("chosen", count > 0);
  summary.ariaLabel = summary.title = label;
}

async function offered(changed) {
  const [profiles, models, filters] = await Promise.all([
    get("api/profiles").catch(() => []),
    get("api/models").catch(() => []),
    get("api/filters").catch(() => []),
  ]);
  const selects = filters.map((each) => filterBy(each, changed));
  changed();
  const legend = make("legend", {}, t("filters"));
  return [
    profileOf(profiles, changed),
    models.length > 1 ? modelOf(models, changed) : "",
    selects.length ? make("fieldset", { class: "filter-by" }, legend, selects) : "",
    operators(),
  ];
}

function profileOf(profiles, changed) {
  const choices = profiles.map(({ name, default: isUsual, description }) => [
    isUsual ? null : name,
    name,
    description,
  ]);
  return select(t("profile"), choices, chosen.profile, (name) => {
    chosen.profile = name;
    changed();
  });
}

// The one without a name answers when none is named; without a model documents are quoted.
function modelOf(models, changed) {
  const choices = models.map(({ name, model }) => [
    name,
    name ?? model ?? t("withoutModel"),
    name && model,
  ]);
  return select(t("languageModel"), choices, chosen.model, (name) => {
    chosen.model = name;
    changed();
  });
}

function filterBy({ key, values }, changed) {
  const choices = values.map(({ value, documents }) => [
    value,
    `${nameOf(key, value)} (${documents})`,
  ]);
  const all = [[null, t("any")], ...choices];
  if (!values.some(({ value }) => value === chosen.filters[key])) delete chosen.filters[key];
  return select(titleOf(key), all, chosen.filters[key] ?? null, (value) => {
    if (value === null) delete chosen.filters[key];
    else chosen.filters[key] = value;
    changed();
  });
}

// Choices are [value, words, hint]; values may be numbers, which options are not.
function select(label, choices, value, choose) {
  const options = choices.map(([, words, hint], at) =>
    make("option", { value: at, title: hint }, words),
  );
  const element = make("select", { change: () => choose(choices[element.value][0]) }, options);
  element.value = String(
    Math.max(
      0,
      choices.findIndex(([each]) => each === value),
    ),
  );
  return make("label", { class: "field" }, label, element);
}

function titleOf(key) {
  if (key === "language") return t("language");
  const words = key.replaceAll("_", " ");
  return words[0].toUpperCase() + words.slice(1);
}

function nameOf(key, value) {
  if (key !== "language") return String(value);
  try {
    return new Intl.DisplayNames(spoken(), { type: "language" }).of(value);
  } catch {
    return String(value); // no code of a language
  }
}
