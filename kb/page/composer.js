// Where a question is written, and where to look is chosen.

import { icon, make } from "./dom.js";
import { keepDraft, readDraft } from "./drafts.js";
import {
  chipOf,
  chosenChips,
  markOptions,
  offerOptions,
  onlyDocument,
  searchOptions,
} from "./options.js";
import { learnSources } from "./sources.js";
import { t } from "./words.js";

const SOURCES = ["auto", "documents", "database", "both"];
let source = "auto";

export class Composer {
  constructor({ draftOf, ask, stop, recall }) {
    this.draftOf = draftOf;
    this.replaces = null; // the turn of which the question is another version
    this.stop = stop;
    this.recall = recall;
    this.send = ask;
    this.isBusy = false;
    this.words = make("textarea", {
      id: "question",
      rows: 1,
      dir: "auto",
      "aria-label": t("question"),
      placeholder: t("placeholder"),
      maxlength: 20000,
      enterkeyhint: "send",
      input: () => {
        this.grow();
        if (!this.replaces) keepDraft(this.draftOf, this.words.value);
      },
      keydown: (event) => this.pressed(event),
    });
    this.button = make("button", { type: "submit", class: "primary icon-button send" });
    this.options = offerOptions(() => this.showOptions());
    this.chips = make("div", { class: "filter-chips" });
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
        this.chips,
        this.words,
        make("div", { class: "tools" }, choices(), this.options, this.button),
      ),
    );
    this.words.value = readDraft(draftOf);
    this.showState();
    this.showOptions();
  }

  // What narrows the search is seen, and is taken out by a click.
  showOptions() {
    const removed = () => {
      this.showOptions();
      this.words.focus();
    };
    const besides = () => {
      this.replaces = null;
      removed();
    };
    this.chips.replaceChildren(
      ...(this.replaces ? [chipOf(t("replacing"), t("askBesides"), besides)] : []),
      ...chosenChips(removed),
    );
    markOptions(this.options);
  }

  asked() {
    return {
      message: this.words.value.trim(),
      source: onlyDocument() ? "documents" : source,
      ...searchOptions(),
      replaces: this.replaces,
    };
  }

  submitted(event) {
    event.preventDefault();
    if (this.isBusy) return this.stop();
    const asked = this.asked();
    if (!asked.message) return this.words.focus();
    this.words.value = "";
    this.replaces = null;
    keepDraft(this.draftOf, "");
    this.showOptions();
    this.grow();
    this.send(asked);
  }

  pressed(event) {
    if (event.key === "ArrowUp" && !this.words.value && this.recall()) event.preventDefault();
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    if (!this.isBusy) this.element.requestSubmit();
  }

  // To be changed, and asked in the place of a turn.
  write(question, replaces) {
    this.words.value = question;
    this.replaces = replaces;
    this.showOptions();
    this.grow();
    this.words.focus();
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

// One place to look is no choice.
function choices() {
  const labels = SOURCES.map((each) => {
    const input = make("input", {
      type: "radio",
      name: "source",
      value: each,
      checked: each === source,
      change: () => (source = each),
    });
    return make("label", {}, input, make("span", {}, t(each)));
  });
  const legend = make("legend", { class: "hidden" }, t("source"));
  const fields = make("fieldset", { class: "choices" }, legend, labels);
  learnSources().then((known) => {
    if (known.length > 1) return;
    source = "auto";
    fields.remove();
  });
  return fields;
}
