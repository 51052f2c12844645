// How documents are searched: the profile, and which of them; both stay until they are changed.

import { get } from "./api.js";
import { icon, make } from "./dom.js";
import { operators } from "./operators.js";
import { spoken, t } from "./words.js";

const chosen = { profile: null, filters: {}, only: null };

export function searchOptions() {
  return { profile: chosen.profile, filters: { ...chosen.filters, ...chosen.only?.filters } };
}

/** The document that alone is asked, until somebody asks all of them again.
 * @returns {{ name: string, filters: object } | null} */
export function onlyDocument() {
  return chosen.only;
}

/** @param {{ name: string, filters: object } | null} only */
export function askOnly(only) {
  chosen.only = only;
}

export function offerOptions() {
  const summary = make("summary", {}, icon("filter"));
  const fields = make("div", { class: "sheet above" });
  const details = make("details", { class: "menu options" }, summary, fields);
  const changed = () => mark(summary);
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
  changed();
  return details;
}

// What was chosen is seen while the options are closed, as it changes all that is asked.
function mark(summary) {
  const count = Object.keys(chosen.filters).length + (chosen.profile ? 1 : 0);
  const label = count ? t("optionsChosen", { n: count }) : t("options");
  summary.classList.toggle("chosen", count > 0);
  summary.ariaLabel = summary.title = label;
}

async function offered(changed) {
  const [profiles, filters] = await Promise.all([
    get("api/profiles").catch(() => []),
    get("api/filters").catch(() => []),
  ]);
  const selects = filters.map((each) => filterBy(each, changed));
  changed();
  const legend = make("legend", {}, t("filters"));
  return [
    profileOf(profiles, changed),
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
