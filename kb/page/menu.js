// A button that opens a few actions. Arrow keys move, Escape closes.

import { button, icon, make } from "./dom.js";

/** @param {{ label: string, picture?: string, words?: string, kind?: string }} look */
export function menu({ label, picture, words, kind = "plain icon-button" }, actions, head = []) {
  const opener = make(
    "button",
    {
      type: "button",
      class: kind,
      "aria-label": label,
      title: label,
      "aria-haspopup": "menu",
      "aria-expanded": "false",
    },
    words ?? icon(picture),
  );
  const items = actions.map(([words, act, style = ""]) =>
    button(words, () => done(act), { role: "menuitem", class: `plain ${style}` }),
  );
  const list = make("div", { role: "menu", "aria-label": label }, items);
  const sheet = make("div", { class: "sheet", hidden: true }, head, list);
  const element = make("div", { class: "menu" }, opener, sheet);

  function toggle(isOpen) {
    sheet.hidden = !isOpen;
    opener.ariaExpanded = String(isOpen);
    document[isOpen ? "addEventListener" : "removeEventListener"]("pointerdown", outside);
    if (!isOpen) return;
    place(sheet);
    items[0]?.focus();
  }

  function outside(event) {
    if (!element.contains(event.target)) toggle(false);
  }

  function done(act) {
    toggle(false);
    opener.focus();
    act();
  }

  opener.addEventListener("click", () => toggle(sheet.hidden));
  element.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !sheet.hidden) {
      event.stopPropagation();
      toggle(false);
      opener.focus();
    }
    step(event, items);
  });
  element.addEventListener("focusout", (event) => {
    if (event.relatedTarget && !element.contains(event.relatedTarget)) toggle(false);
  });
  return element;
}

// Above its button where there is no room below, so that nothing is cut off.
function place(sheet) {
  sheet.classList.remove("above");
  sheet.classList.toggle("above", sheet.getBoundingClientRect().bottom > innerHeight - 8);
}

function step(event, items) {
  const at = items.indexOf(document.activeElement);
  const steps = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 };
  if (at < 0 || !(event.key in steps)) return;
  event.preventDefault();
  items[(steps[event.key] + items.length) % items.length].focus();
}
