// The SQL that ran: to copy, and to change.

import { complain } from "./announce.js";
import { button, icon, make } from "./dom.js";
import { copyButton } from "./save.js";
import { coloured, withValues } from "./sql.js";
import { t } from "./words.js";

// `resultOf` shows what a changed statement gives; `changed` is told whether it is another one.
export function statement(given, resultOf, changed) {
  const { sql, parameters } = given;
  const code = make(
    "pre",
    { tabindex: "0", role: "region", "aria-label": t("sql") },
    make("code", {}, coloured(sql)),
  );
  const buttons = make(
    "div",
    { class: "actions" },
    copyButton(t("copySql"), () => withValues(sql, parameters), t("copy")),
    button([icon("pencil"), t("edit")], () => edit().catch(complain)),
  );
  const element = make("div", { class: "statement" }, code, told(parameters), buttons);

  async function edit() {
    const { editorOf } = await import("./editor.js");
    const editor = await editorOf(given, { resultOf, changed });
    element.replaceChildren(editor.element);
    editor.focus();
  }

  return element;
}

function told(parameters) {
  const values = Object.entries(parameters ?? {}).map(([name, value]) => `:${name} = ${value}`);
  return values.length
    ? make("p", { class: "quiet" }, t("parameters", { values: values.join(", ") }))
    : null;
}
