// ‹ 2/3 ›: what was asked in the place of a turn, one after the other.

import { iconButton, make } from "./dom.js";
import { t } from "./words.js";

/** @param {string[]} versions @param {string} current @param {(id: string) => void} choose */
export function versionsOf(versions, current, choose) {
  const at = versions.indexOf(current);
  const step = (by) => () => choose(versions[at + by]);
  const before = iconButton("back", t("versionBefore"), step(-1), { disabled: at === 0 });
  const after = iconButton("forth", t("versionAfter"), step(1), {
    disabled: at === versions.length - 1,
  });
  const where = t("versionOf", { at: at + 1, all: versions.length });
  const numbers = make("span", { "aria-hidden": "true" }, `${at + 1}/${versions.length}`);
  return make(
    "span",
    { class: "versions", role: "group", "aria-label": where },
    before,
    numbers,
    after,
  );
}
