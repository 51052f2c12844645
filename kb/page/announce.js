// Tells those who listen what others see happen, and everybody what went wrong.

import { make } from "./dom.js";
import { t } from "./words.js";

const SHOWN = 8000; // milliseconds

export function announce(text) {
  const said = document.getElementById("said");
  said.textContent = said.textContent === text ? `${text}\u00a0` : text;
}

export function complain(error) {
  warn(t("error", { reason: error.message }));
}

export function warn(words) {
  document.querySelector(".toast")?.remove();
  const note = make("p", { class: "toast", role: "alert" }, words);
  document.body.append(note);
  setTimeout(() => note.remove(), SHOWN);
}
