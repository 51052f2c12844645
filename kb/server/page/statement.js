// The SQL that ran: to copy, to change, and to run again under the guard.

import { post } from "./api.js";
import { announce } from "./announce.js";
import { button, icon, make } from "./dom.js";
import { copy } from "./save.js";
import { coloured, withValues } from "./sql.js";
import { t } from "./words.js";

// `resultOf` shows what a changed statement gives.
export function statement({ sql, parameters }, resultOf) {
  const own = withValues(sql, parameters);
  const code = make(
    "pre",
    { tabindex: "0", role: "region", "aria-label": t("sql") },
    make("code", {}, coloured(sql)),
  );
  const buttons = make(
    "div",
    { class: "actions" },
    button([icon("copy"), t("copy")], () => copy(own)),
    button([icon("code"), t("edit")], () => edit()),
  );
  const element = make("div", { class: "statement" }, code, valuesOf(parameters), buttons);

  function edit() {
    const editor = editorOf(own, resultOf);
    element.replaceChildren(editor);
    editor.querySelector("textarea").focus();
  }

  return element;
}

function valuesOf(parameters) {
  const values = Object.entries(parameters ?? {}).map(([name, value]) => `:${name} = ${value}`);
  return values.length
    ? make("p", { class: "quiet" }, t("parameters", { values: values.join(", ") }))
    : null;
}

function editorOf(sql, resultOf) {
  const text = make("textarea", {
    "aria-label": t("sqlEditor"),
    spellcheck: "false",
    autocapitalize: "off",
    rows: Math.min(16, sql.split("\n").length + 1),
  });
  text.value = sql;
  const said = make("div", { class: "said", role: "status" });
  const outcome = make("div", { class: "outcome" });
  const run = make("button", { type: "submit", class: "primary" }, t("run"));
  const form = make(
    "form",
    { class: "editor" },
    text,
    make(
      "div",
      { class: "actions" },
      run,
      button(t("check"), () => send(true)),
      button([icon("copy"), t("copy")], () => copy(text.value)),
    ),
    said,
    outcome,
  );

  async function send(isDry) {
    said.replaceChildren(t("running"));
    try {
      const result = await post("api/sql", { sql: text.value, dry_run: isDry });
      said.replaceChildren(isDry ? t("checked") : "");
      if (!isDry) show(result);
    } catch (error) {
      said.replaceChildren(
        make("span", { class: "problem" }, t("error", { reason: error.message })),
      );
    }
  }

  function show(result) {
    outcome.replaceChildren(
      make("h3", {}, t("yourResult")),
      resultOf({ ...result, verified: null }),
    );
    announce(t("rows", { n: result.rows.length }));
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(false);
  });
  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send(false);
  });
  return form;
}
