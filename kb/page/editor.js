// A statement to change, to run again under the guard, and to keep as verified.

import { post } from "./api.js";
import { announce } from "./announce.js";
import { button, icon, make } from "./dom.js";
import { ParameterFields } from "./parameters.js";
import { copyButton } from "./save.js";
import { learnTables, schemaOf } from "./schema.js";
import { SqlField } from "./sqlfield.js";
import { withValues } from "./sql.js";
import { mayVerify } from "./state.js";
import { saveVerified } from "./verifying.js";
import { t } from "./words.js";

// `given` has sql, parameters, and if it is so, question and verified. `resultOf` shows what the
// statement gives, `changed` is told whether it is another one than that of `given`, `saved` that it
// was kept. `given.edited` is told another one that ran.
export async function editorOf(given, { resultOf, changed = null, saved = null }) {
  const tables = await learnTables().catch(() => []);
  return new Editor(given, tables, await mayVerify(), { resultOf, changed, saved });
}

class Editor {
  constructor(given, tables, mayVerify, { resultOf, changed, saved }) {
    this.given = given;
    this.resultOf = resultOf;
    this.changed = changed;
    this.saved = saved;
    this.sent = 0;
    this.field = new SqlField({
      value: given.sql,
      label: t("sqlEditor"),
      tables,
      changed: () => this.compare(),
      run: () => this.send(false),
    });
    this.values = new ParameterFields(given.parameters ?? {}, () => this.compare());
    this.said = make("div", { class: "said", role: "status" });
    this.outcome = make("div", { class: "outcome" });
    this.back = button([icon("retry"), t("toOriginal")], () => this.restore());
    const copied = () => withValues(this.field.value, this.values.read());
    this.element = make(
      "form",
      { class: "editor" },
      this.field.element,
      this.values.element,
      make(
        "div",
        { class: "actions" },
        make("button", { type: "submit", class: "primary" }, t("run")),
        button(t("check"), () => this.send(true)),
        this.back,
        copyButton(t("copySql"), copied, t("copy")),
        mayVerify ? button([icon("check"), t("saveVerified")], () => this.save()) : null,
      ),
      tables.length ? schemaOf(tables, (name) => this.field.insert(name)) : null,
      this.said,
      this.outcome,
    );
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send(false);
    });
    this.compare();
  }

  focus() {
    this.field.focus();
  }

  get isOther() {
    return this.field.value.trim() !== this.given.sql.trim();
  }

  compare() {
    this.values.show(this.field.value);
    this.back.disabled = !this.isOther && this.values.areOriginal;
    this.changed?.(this.isOther);
  }

  restore() {
    this.field.value = this.given.sql;
    this.values.restore();
    this.compare();
    this.focus();
  }

  // What was sent last is what is told, whichever reply comes last.
  async send(isDry) {
    const own = ++this.sent;
    const { isOther } = this;
    const body = { sql: this.field.value, parameters: this.values.read(), dry_run: isDry };
    this.said.replaceChildren(t("running"));
    try {
      const result = await post("api/sql", body);
      if (own !== this.sent) return;
      this.said.replaceChildren(isDry ? t("checked") : "");
      if (!isDry) this.show(result, isOther);
    } catch (error) {
      if (own === this.sent) this.fail(error);
    }
  }

  fail(error) {
    this.said.replaceChildren(make("span", { class: "problem" }, error.message));
  }

  // Nobody has verified what was changed, but its columns still count in the same.
  show(result, isOther) {
    const { question, verified, edited } = this.given;
    if (isOther) edited?.(this.field.value);
    const own = { ...result, question, verified: isOther ? { units: verified?.units } : verified };
    this.outcome.replaceChildren(make("h3", {}, t("yourResult")), this.resultOf(own));
    announce(t("rows", { n: result.rows.length }));
  }

  async save() {
    const statement = { sql: this.field.value, parameters: this.values.read() };
    try {
      const kept = await saveVerified({ ...this.given, ...statement });
      if (!kept) return;
      const link = make("a", { href: "#/verified" }, t("verifiedQueries"));
      this.said.replaceChildren(t("verifiedSaved", { name: kept.name }), " ", link);
      this.saved?.(kept);
    } catch (error) {
      this.fail(error);
    }
  }
}
