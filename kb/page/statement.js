// The SQL that ran: to copy, to change, and to run again under the guard.

import { post } from "./api.js";
import { announce } from "./announce.js";
import { button, icon, make } from "./dom.js";
import { copyButton } from "./save.js";
import { coloured, withValues } from "./sql.js";
import { t } from "./words.js";

// `resultOf` shows what a changed statement gives.
export function statement(given, resultOf) {
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
    button([icon("pencil"), t("edit")], () => edit()),
  );
  const element = make("div", { class: "statement" }, code, told(parameters), buttons);

  function edit() {
    const editor = editorOf(given, resultOf);
    element.replaceChildren(editor);
    editor.querySelector("textarea").focus();
  }

  return element;
}

function told(parameters) {
  const values = Object.entries(parameters ?? {}).map(([name, value]) => `:${name} = ${value}`);
  return values.length
    ? make("p", { class: "quiet" }, t("parameters", { values: values.join(", ") }))
    : null;
}

function editorOf({ sql, parameters, verified }, resultOf) {
  const text = make("textarea", {
    "aria-label": t("sqlEditor"),
    spellcheck: "false",
    autocapitalize: "off",
    rows: Math.min(16, sql.split("\n").length + 1),
  });
  text.value = sql;
  const values = valuesOf(parameters ?? {});
  const said = make("div", { class: "said", role: "status" });
  const outcome = make("div", { class: "outcome" });
  const run = make("button", { type: "submit", class: "primary" }, t("run"));
  const form = make(
    "form",
    { class: "editor" },
    text,
    values.element,
    make(
      "div",
      { class: "actions" },
      run,
      button(t("check"), () => send(true)),
      copyButton(t("copySql"), () => withValues(text.value, values.read()), t("copy")),
    ),
    said,
    outcome,
  );

  // What was sent last is what is told, whichever reply comes last.
  let sent = 0;
  async function send(isDry) {
    const own = ++sent;
    said.replaceChildren(t("running"));
    const body = { sql: text.value, parameters: values.read(), dry_run: isDry };
    try {
      const result = await post("api/sql", body);
      if (own !== sent) return;
      said.replaceChildren(isDry ? t("checked") : "");
      if (!isDry) show(result);
    } catch (error) {
      if (own !== sent) return;
      said.replaceChildren(make("span", { class: "problem" }, error.message));
    }
  }

  // Nobody has verified what was changed, but its columns still count in the same.
  function show(result) {
    const changed = { ...result, verified: { units: verified?.units } };
    outcome.replaceChildren(make("h3", {}, t("yourResult")), resultOf(changed));
    announce(t("rows", { n: result.rows.length }));
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(false);
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send(false);
  });
  return form;
}

// A field for each :name; what was a number stays one as long as it is written as one.
function valuesOf(parameters) {
  const inputs = Object.entries(parameters).map(([name, value]) => {
    const input = make("input", { value: value ?? "", spellcheck: "false" });
    return { name, value, input };
  });
  const fields = inputs.map(({ name, input }) =>
    make("label", { class: "field" }, `:${name}`, input),
  );
  return {
    element: fields.length ? make("div", { class: "values" }, fields) : null,
    read: () => Object.fromEntries(inputs.map((each) => [each.name, inputValue(each)])),
  };
}

function inputValue({ value, input }) {
  const text = input.value.trim();
  if (value === null && !text) return null;
  const isNumber = typeof value === "number" && text && Number.isFinite(Number(text));
  return isNumber ? Number(text) : input.value;
}
