// What can be written in a question besides words, as a list.

import { make } from "./dom.js";
import { t } from "./words.js";

const WRITTEN = [
  ['"…"', "exactWords"],
  ["title:…", "onlyWith"],
  ["-language:fr", "onlyWithout"],
  ["after:2024", "onlyAfter"],
  ["before:2025-06", "onlyBefore"],
];

export function operators() {
  const entries = WRITTEN.flatMap(([written, meaning]) => [
    make("dt", {}, make("code", {}, written)),
    make("dd", {}, t(meaning)),
  ]);
  const title = make("p", { class: "menu-title" }, t("operators"));
  return make("div", {}, title, make("dl", { class: "operators" }, entries));
}
