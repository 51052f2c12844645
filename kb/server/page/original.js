// The file that a passage is from, in a tab of its own.

import { address, file } from "./api.js";
import { make } from "./dom.js";
import { hasKey } from "./key.js";
import { save } from "./save.js";

const SHOWN = ["application/pdf", "text/plain"]; // by browsers, and without scripts
const MINUTE = 60_000;

export function originalLink({ root, path, page }, kind, ...words) {
  const target = `${address("api/documents", root, path)}/original`;
  const place = page ? `#page=${page}` : "";
  const opened = (event) => {
    if (!hasKey()) return;
    event.preventDefault();
    return open(target, place, path.split("/").pop());
  };
  const attributes = { href: `${target}${place}`, target: "_blank", rel: "noopener" };
  return make("a", { ...attributes, class: kind, click: opened }, words);
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
