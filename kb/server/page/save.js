// Files to keep, and text to take along.

import { announce } from "./announce.js";
import { make } from "./dom.js";
import { t } from "./words.js";

export function save(blob, name) {
  const url = URL.createObjectURL(blob);
  make("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

// navigator.clipboard is there on https and localhost only.
export async function copy(text) {
  await (navigator.clipboard ? navigator.clipboard.writeText(text) : copyBySelection(text));
  announce(t("copied"));
}

function copyBySelection(text) {
  const area = make("textarea", { class: "hidden" });
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}
