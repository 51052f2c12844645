// The file that a passage is from, in a tab of its own, at the place of the passage.

import { address, file } from "./api.js";
import { make } from "./dom.js";
import { hasKey } from "./key.js";
import { save } from "./save.js";

const SHOWN = ["application/pdf", "text/plain"]; // by browsers, and without scripts
const MINUTE = 60_000;
const WORDS = 4; // at the begin and at the end of what is looked for

// `excerpt` and `page` say where; both may be unknown.
export function originalLink({ root, path, page, excerpt }, kind, ...words) {
  const target = `${address("api/documents", root, path)}/original`;
  const place = page ? `#page=${page}` : placeOf(excerpt);
  const opened = (event) => {
    if (!hasKey()) return;
    event.preventDefault();
    return open(target, place, path.split("/").pop());
  };
  const attributes = { href: `${target}${place}`, target: "_blank", rel: "noopener" };
  return make("a", { ...attributes, class: kind, click: opened }, words);
}

// Browsers look for the words themselves; those that cannot show the file from its beginning.
export function placeOf(excerpt) {
  const words = (excerpt ?? "").replace(/\s*…$/, "").split(/\s+/).filter(Boolean);
  if (!words.length) return "";
  const isShort = words.length <= 2 * WORDS;
  const parts = isShort ? [words] : [words.slice(0, WORDS), words.slice(-WORDS)];
  return `#:~:text=${parts.map((part) => escaped(part.join(" "))).join(",")}`;
}

function escaped(text) {
  return encodeURIComponent(text).replaceAll("-", "%2D");
}

// A link cannot carry the key. What cannot be shown, or may not be opened, is saved.
async function open(target, place, name) {
  const content = await file(target);
  const url = URL.createObjectURL(content);
  const isShown = SHOWN.includes(content.type.split(";")[0]);
  const tab = isShown ? window.open(`${url}${place}`) : null;
  if (tab) tab.opener = null;
  else save(content, name);
  setTimeout(() => URL.revokeObjectURL(url), MINUTE);
}
