// The tables that may be asked, with their columns, to be put into a statement.

import { get } from "./api.js";
import { button, make } from "./dom.js";
import { t } from "./words.js";

let known = null;

export function learnTables() {
  known ??= get("api/tables").catch((error) => {
    known = null;
    throw error;
  });
  return known;
}

// `insert` takes a name as SQL writes it.
export function schemaOf(tables, insert) {
  const entries = tables.map((table) =>
    make(
      "li",
      {},
      nameButton(table.name, table.comment, insert),
      make(
        "ul",
        {},
        table.columns.map(({ name, type, comment }) =>
          make(
            "li",
            {},
            nameButton(name, comment, insert),
            make("span", { class: "quiet" }, type.toLowerCase()),
          ),
        ),
      ),
    ),
  );
  return make(
    "details",
    { class: "schema" },
    make("summary", {}, t("tablesAndColumns")),
    make("ul", {}, entries),
  );
}

function nameButton(name, comment, insert) {
  const label = t("insertName", { name });
  const title = comment ? `${label}: ${comment}` : label;
  return button(name, () => insert(quoted(name)), { class: "link", "aria-label": label, title });
}

// A table of another database has a point in its name.
function quoted(name) {
  const part = (each) => (/^[a-z_]\w*$/i.test(each) ? each : `\`${each.replaceAll("`", "``")}\``);
  return name.split(".").map(part).join(".");
}
