// For which groups a document is, beside rules and what its own text demands.

import { address, get, put } from "./api.js";
import { announce, complain } from "./announce.js";
import { dialog } from "./dialog.js";
import { make } from "./dom.js";
import { t } from "./words.js";

/** @param {string} text names with commas between them */
export function namesIn(text) {
  const names = text.split(",").map((each) => each.trim());
  return names.filter(Boolean);
}

export async function changeGroupsOf({ root, path }) {
  const place = `${address("api/documents", root, path)}/groups`;
  try {
    const { groups } = await get(place);
    const names = make("input", { name: "groups", autocomplete: "off", value: groups.join(", ") });
    const isMeant = await dialog({
      title: t("groupsOf", { name: path }),
      body: [
        make("p", {}, t("groupsOfDocument")),
        make("label", { class: "field" }, t("groupsByCommas"), names),
      ],
      accept: t("save"),
    });
    if (!isMeant) return;
    const { groups: given } = await put(place, { groups: namesIn(names.value) });
    const told = { name: path, names: given.join(", ") };
    announce(given.length ? t("groupsGiven", told) : t("groupsTakenBack", told));
  } catch (error) {
    complain(error);
  }
}
