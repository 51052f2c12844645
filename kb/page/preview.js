// What a citation says, beside it while it is pointed at.

import { make } from "./dom.js";

const PATIENCE = 200; // milliseconds
const GAP = 8; // pixels
let shown = null;
let timer = null;

// `parts` makes what is shown. Those who do not point open the citation.
export function previewed(element, parts) {
  element.addEventListener("pointerenter", (event) => {
    if (event.pointerType !== "touch") timer = setTimeout(() => show(element, parts()), PATIENCE);
  });
  for (const name of ["pointerleave", "click"]) element.addEventListener(name, hide);
  return element;
}

function show(element, parts) {
  hide();
  if (!element.isConnected) return;
  shown = make("div", { class: "preview", "aria-hidden": "true" }, parts);
  document.body.append(shown);
  const place = element.getBoundingClientRect();
  const { width, height } = shown.getBoundingClientRect();
  const left = Math.max(GAP, Math.min(place.left, innerWidth - width - GAP));
  const below = place.bottom + GAP;
  const top = below + height < innerHeight ? below : place.top - height - GAP;
  Object.assign(shown.style, { left: `${left}px`, top: `${Math.max(GAP, top)}px` });
}

function hide() {
  clearTimeout(timer);
  shown?.remove();
  shown = null;
}

for (const name of ["scroll", "keydown", "hashchange"]) window.addEventListener(name, hide, true);
