// Where a question is written, and where to look is chosen.

import { get } from "./api.js";
import { icon, make } from "./dom.js";
import { learnSources } from "./sources.js";
import { t } from "./words.js";

const SOURCES = ["auto", "documents", "database", "both"];
const remembered = { source: "auto", profile: "", filters: "" };

export class Composer {
  constructor({ ask, stop }) {
    this.stop = stop;
    this.send = ask;
    this.isBusy = false;
    this.words = make("textarea", {
      id: "question",
      rows: 1,
      "aria-label": t("question"),
      placeholder: t("placeholder"),
      maxlength: 20000,
      enterkeyhint: "send",
      input: () => this.grow(),
      keydown: (event) => this.pressed(event),
    });
    this.button = make("button", { type: "submit", class: "primary icon-button send" });
    this.profile = make("select", { change: () => (remembered.profile = this.profile.value) });
    this.filters = make("input", {
      placeholder: t("filtersHint"),
      autocomplete: "off",
      spellcheck: "false",
      input: () => this.readFilters(),
    });
    this.filters.value = remembered.filters;
    this.element = make(
      "form",
      {
        class: "composer",
        "aria-label": t("question"),
        submit: (event) => this.submitted(event),
        keydown: (event) => event.key === "Escape" && this.isBusy && this.stop(),
      },
      make(
        "div",
        { class: "box" },
        this.words,
        make("div", { class: "tools" }, this.sources(), this.options(), this.button),
      ),
    );
    this.showState();
    this.offerProfiles();
  }

  // One place to look is no choice.
  sources() {
    const choices = SOURCES.map((source) => {
      const input = make("input", {
        type: "radio",
        name: "source",
        value: source,
        checked: source === remembered.source,
        change: () => (remembered.source = source),
      });
      return make("label", {}, input, make("span", {}, t(source)));
    });
    const legend = make("legend", { class: "hidden" }, t("source"));
    const fields = make("fieldset", { class: "choices" }, legend, choices);
    learnSources().then((known) => {
      if (known.length > 1) return;
      remembered.source = "auto";
      fields.remove();
    });
    return fields;
  }

  options() {
    const summary = make(
      "summary",
      { "aria-label": t("options"), title: t("options") },
      icon("filter"),
    );
    const fields = make(
      "div",
      { class: "sheet above" },
      make("label", { class: "field" }, t("profile"), this.profile),
      make("label", { class: "field" }, t("filters"), this.filters),
    );
    const details = make("details", { class: "menu options" }, summary, fields);
    details.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      details.open = false;
      summary.focus();
    });
    details.addEventListener("focusout", (event) => {
      if (event.relatedTarget && !details.contains(event.relatedTarget)) details.open = false;
    });
    return details;
  }

  async offerProfiles() {
    const profiles = await get("api/profiles").catch(() => []);
    const options = profiles.map((each) =>
      make("option", { value: each.name, title: each.description }, each.name),
    );
    this.profile.replaceChildren(...options);
    this.profile.value = remembered.profile || (profiles.find((each) => each.default)?.name ?? "");
  }

  readFilters() {
    remembered.filters = this.filters.value;
    this.filters.setCustomValidity(filtersOf(this.filters.value) ? "" : t("filtersWrong"));
  }

  asked() {
    return {
      message: this.words.value.trim(),
      source: remembered.source,
      profile: remembered.profile || null,
      filters: filtersOf(remembered.filters) ?? {},
    };
  }

  submitted(event) {
    event.preventDefault();
    if (this.isBusy) return this.stop();
    const asked = this.asked();
    if (!asked.message) return this.words.focus();
    this.words.value = "";
    this.grow();
    this.send(asked);
  }

  pressed(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    if (!this.isBusy) this.element.requestSubmit();
  }

  grow() {
    this.words.style.height = "auto";
    this.words.style.height = `${this.words.scrollHeight}px`;
  }

  begin() {
    this.isBusy = true;
    this.showState();
  }

  end() {
    this.isBusy = false;
    this.showState();
  }

  showState() {
    const word = t(this.isBusy ? "stop" : "send");
    this.button.replaceChildren(icon(this.isBusy ? "stop" : "send"));
    this.button.ariaLabel = this.button.title = word;
  }

  placeholder(text) {
    this.words.placeholder = text;
    this.grow();
  }

  // Not on touch screens, where it would bring up the keyboard.
  focus() {
    this.grow();
    if (matchMedia("(hover: hover)").matches) this.words.focus({ preventScroll: true });
  }
}

// key=value, key=value; a key twice means either value. Null when it is not written so.
export function filtersOf(text) {
  const filters = {};
  for (const part of text.split(",").filter((each) => each.trim())) {
    const [, key, value] = part.match(/^\s*([^=\s]+)\s*=\s*(.+?)\s*$/) ?? [];
    if (!key) return null;
    filters[key] = key in filters ? [filters[key], value].flat() : value;
  }
  return filters;
}
