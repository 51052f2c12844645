// Language and theme: as the browser says, until somebody chooses.

import { speak, spoken } from "./words.js";

const choice = (name) => localStorage.getItem(`kb-${name}`);

export function applyPreferences() {
  speak(choice("language") ?? navigator.languages.map((each) => each.slice(0, 2)).find(isSpoken));
  document.documentElement.dataset.theme = choice("theme") ?? "auto";
}

function isSpoken(language) {
  return ["en", "fr"].includes(language);
}

export function offerPreferences() {
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
