// Tells those who listen what others see happen, and everybody what went wrong.

import { button, make } from "./dom.js";
import { t } from "./words.js";

const SHOWN = 8000; // milliseconds
const LONGER = 20_000; // where there is something to do

export function announce(text) {
  const said = document.getElementById("said");
  said.textContent = said.textContent === text ? `${text}\u00a0` : text;
}

export function complain(error) {
  warn(t("error", { reason: error.message }));
}

export function warn(words) {
  show(make("p", { class: "toast", role: "alert" }, words));
}

// Says what was done, and how to take it back; it stays while somebody is at it.
export function offer(words, label, act) {
  const done = () => {
    note.remove();
    act().catch(complain);
  };
  const way = button(label, done, { class: "link" });
  const note = make("p", { class: "toast done", role: "status" }, words, " ", way);
  show(note, LONGER);
}

function show(note, time = SHOWN) {
  document.querySelector(".toast")?.remove();
  document.body.append(note);
  const away = () =>
    note.matches(":hover, :focus-within") ? setTimeout(away, time) : note.remove();
  setTimeout(away, time);
}
