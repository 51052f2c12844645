// Keys that work wherever nothing is being written: one to ask, one that tells of them all.

import { make } from "./dom.js";
import { t } from "./words.js";

const WRITTEN_IN = "input, textarea, select, [contenteditable]";
const CHOICE = "kb-single-keys"; // "off" for who speaks to the computer, which writes letters
const KEYS = {
  "/": "keyAsk",
  "↑": "keyLast",
  Enter: "keySend",
  "Shift+Enter": "keyLine",
  Escape: "keyEscape",
  "Ctrl+K": "keyPalette",
  "?": "keyHelp",
};

export function offerKeys() {
  document.addEventListener("keydown", (event) => {
    const isOther = event.ctrlKey || event.altKey || event.metaKey || event.isComposing;
    if (isOther || isWriting(event) || document.querySelector("dialog[open]")) return;
    if (localStorage.getItem(CHOICE) === "off") return;
    if (event.key === "/") goAsking();
    else if (event.key === "?") showKeys();
    else return;
    event.preventDefault();
  });
}

// The SQL editor stands in a shadow root, so the target alone would not tell.
function isWriting(event) {
  const [target] = event.composedPath();
  return target instanceof Element && target.closest(WRITTEN_IN) !== null;
}

// A new chat takes the focus by itself.
function goAsking() {
  const question = document.getElementById("question");
  if (question) question.focus();
  else location.hash = "#/";
}

export function showKeys() {
  const rows = Object.entries(KEYS).map(([key, text]) =>
    make("div", {}, make("dt", {}, make("kbd", {}, key)), make("dd", {}, t(text))),
  );
  const single = make("input", {
    type: "checkbox",
    checked: localStorage.getItem(CHOICE) !== "off",
    change: () => localStorage.setItem(CHOICE, single.checked ? "on" : "off"),
  });
  const close = make("button", { type: "submit", class: "primary" }, t("close"));
  const element = make(
    "dialog",
    { class: "keys", "aria-labelledby": "keys-title", close: () => element.remove() },
    make(
      "form",
      { method: "dialog" },
      make("h2", { id: "keys-title" }, t("keys")),
      make("dl", {}, rows),
      make("label", { class: "single-keys" }, single, t("keysSingle")),
      make("div", { class: "actions" }, close),
    ),
  );
  document.body.append(element);
  element.showModal();
}
