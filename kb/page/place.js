// Where something stands, as people say it.

import { t } from "./words.js";

export function placeOf({ document, ...spot }) {
  return [document, ...spotsOf(spot)].join(" · ");
}

/** Where in its document; the lines of a sheet are its rows.
 * @param {{ page?: number, lines?: string, sheet?: string }} spot */
export function spotsOf({ page, lines, sheet }) {
  const n = String(lines);
  const rows = lines && (sheet ? t("sheetRows", { sheet, n }) : t("lines", { n }));
  return [page && t("page", { n: String(page) }), rows].filter(Boolean);
}
