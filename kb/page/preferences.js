// Language and theme: as the browser says, until somebody chooses.

import { make } from "./dom.js";
import { LANGUAGES, nameOfLanguage, speak, spoken } from "./words.js";

const choice = (name) => localStorage.getItem(`kb-${name}`);

export async function applyPreferences() {
  document.documentElement.dataset.theme = choice("theme") ?? "auto";
  const wished = navigator.languages.map((each) => each.slice(0, 2));
  await speak(choice("language") ?? wished.find((each) => LANGUAGES.includes(each)));
}

export function offerPreferences() {
  document
    .getElementById("language")
    .append(
      ...LANGUAGES.map((each) => make("option", { value: each, lang: each }, nameOfLanguage(each))),
    );
  offer("language", spoken(), () => location.reload());
  offer("theme", choice("theme") ?? "auto", applyPreferences);
}

function offer(name, value, changed) {
  const select = /** @type {HTMLSelectElement} */ (document.getElementById(name));
  select.value = value;
  select.addEventListener("change", () => {
    localStorage.setItem(`kb-${name}`, select.value);
    changed();
  });
}
