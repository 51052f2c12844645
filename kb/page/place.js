// Where something stands, as people say it.

import { t } from "./words.js";

export function placeOf({ document, ...spot }) {
  return [document, ...spotsOf(spot)].join(" · ");
}

/** Where in its document.
 * @param {{ page?: number, lines?: string }} spot */
export function spotsOf({ page, lines }) {
  const spots = [page && t("page", { n: String(page) }), lines && t("lines", { n: String(lines) })];
  return spots.filter(Boolean);
}
