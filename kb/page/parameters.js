// A field for each :name of a statement.

import { make } from "./dom.js";
import { namesIn } from "./sql.js";

const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?$/;

export class ParameterFields {
  constructor(parameters, changed) {
    this.original = parameters;
    this.changed = changed;
    this.inputs = new Map();
    this.names = [];
    this.element = make("div", { class: "values" });
  }

  // What was written for a name is kept while the statement has it not.
  show(sql) {
    const names = namesIn(sql);
    if (names.join() === this.names.join() && this.element.childNodes.length) return;
    this.names = names;
    this.element.hidden = !names.length;
    this.element.replaceChildren(
      ...names.map((name) => make("label", { class: "field" }, `:${name}`, this.input(name))),
    );
  }

  input(name) {
    if (!this.inputs.has(name)) {
      const value = this.original[name] ?? "";
      const input = make("input", { value, spellcheck: "false", input: this.changed });
      this.inputs.set(name, input);
    }
    return this.inputs.get(name);
  }

  restore() {
    for (const [name, input] of this.inputs) input.value = this.original[name] ?? "";
  }

  get areOriginal() {
    return this.names.every((name) => this.input(name).value === String(this.original[name] ?? ""));
  }

  read() {
    return Object.fromEntries(this.names.map((name) => [name, this.valueOf(name)]));
  }

  // What was a number stays one as long as it is written as one.
  valueOf(name) {
    const { value } = this.input(name);
    const text = value.trim();
    const was = this.original[name];
    if (was === null && !text) return null;
    if (was === undefined ? NUMBER.test(text) : typeof was === "number" && isNumber(text))
      return Number(text);
    return value;
  }
}

function isNumber(text) {
  return text !== "" && Number.isFinite(Number(text));
}
