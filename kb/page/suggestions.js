// Questions that somebody may want to ask, as buttons that ask them.

import { button, make } from "./dom.js";

/** @param {Array<{ question: string, source: string }>} found */
export function suggestions(found, label, ask) {
  if (!found.length) return "";
  const items = found.map(({ question, source }) =>
    make(
      "li",
      {},
      button(question, () => ask({ message: question, source })),
    ),
  );
  return make("ul", { class: "suggestions", "aria-label": label }, items);
}
