// The file that a passage is from, in a tab of its own, at the place of the passage.

import { address } from "./api.js";
import { make } from "./dom.js";

const WORDS = 4; // at the begin and at the end of what is looked for

// `excerpt` and `page` say where; both may be unknown.
export function originalLink({ root, path, page, excerpt }, kind, ...words) {
  const target = `${address("api/documents", root, path)}/original`;
  const place = page ? `#page=${page}` : placeOf(excerpt);
  const attributes = { href: `${target}${place}`, target: "_blank", rel: "noopener" };
  return make("a", { ...attributes, class: kind }, words);
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
