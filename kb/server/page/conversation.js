// A chat: its turns, and asking the next one.

import { address, events, get, Problem } from "./api.js";
import { announce } from "./announce.js";
import { Composer } from "./composer.js";
import { button, make } from "./dom.js";
import { asHtml } from "./prose.js";
import { TurnView } from "./turn.js";
import { t } from "./words.js";

const MOST_SUGGESTIONS = 4;

export function randomId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");
}

export class Conversation {
  constructor(id, begun) {
    this.isNew = id === null;
    this.id = id ?? randomId();
    this.begun = begun;
    this.abort = null;
    this.turns = make("div", { class: "turns" });
    this.composer = new Composer({ ask: (asked) => this.ask(asked), stop: () => this.stop() });
    this.element = make(
      "div",
      { class: "conversation" },
      make("div", { class: "scroller" }, this.turns),
      this.composer.element,
    );
  }

  async open() {
    if (this.isNew) return this.welcome();
    try {
      await this.showStored();
    } catch (error) {
      this.turns.replaceChildren(
        make("p", { class: "problem", role: "alert" }, t("error", { reason: error.message })),
      );
    }
  }

  get isBusy() {
    return this.abort !== null;
  }

  welcome() {
    const suggestions = make("ul", { class: "suggestions", "aria-label": t("suggestions") });
    const head = make("h1", {}, t("welcome"));
    this.turns.replaceChildren(
      make("div", { class: "welcome" }, head, make("p", {}, t("welcomeDetail")), suggestions),
    );
    this.element.classList.add("new");
    this.composer.focus();
    suggested().then(
      (questions) => suggestions.append(...questions.map((each) => this.suggestion(each))),
      () => null,
    );
  }

  suggestion(question) {
    return make(
      "li",
      {},
      button(question, () => this.ask({ ...this.composer.asked(), message: question })),
    );
  }

  async showStored() {
    const session = await get(address("api/sessions", this.id));
    document.title = titled(session.title || this.id);
    const html = await asHtml(session.turns.map((turn) => turn.answer ?? ""));
    const views = session.turns.map((turn) => this.view(turn.question, turn.id));
    this.turns.replaceChildren(
      make("h1", { class: "hidden" }, session.title || this.id),
      ...views.map((view) => view.element),
    );
    views.forEach((view, at) => view.showStored(session.turns[at], html[at]));
    this.composer.placeholder(t("placeholderMore"));
    this.composer.focus();
    this.turns.lastChild.scrollIntoView({ block: "start" });
  }

  view(question, turnId, asked = { message: question }) {
    const again = (source) => this.ask({ ...asked, message: question, source });
    return new TurnView({
      sessionId: this.id,
      turnId,
      question,
      again,
      retry: () => this.ask({ ...asked, turnId }),
    });
  }

  async ask(asked) {
    if (this.isBusy || !asked.message.trim()) return;
    this.element.classList.remove("new");
    this.turns
      .querySelector(".welcome")
      ?.replaceWith(make("h1", { class: "hidden" }, asked.message));
    const turnId = asked.turnId ?? randomId();
    const view = this.view(asked.message, turnId, asked);
    this.turns.querySelector(`[data-turn="${turnId}"]`)?.remove();
    this.turns.append(view.element);
    view.element.scrollIntoView({ block: "start" });
    this.composer.begin();
    announce(t("asking"));
    this.abort = new AbortController();
    try {
      await this.follow(view, asked, turnId);
    } finally {
      this.abort = null;
      this.composer.end();
    }
  }

  async follow(view, { message, source, profile, filters }, turnId) {
    const body = {
      message,
      turn_id: turnId,
      source: source ?? "auto",
      profile,
      filters: filters ?? {},
      stream: true,
    };
    try {
      for await (const [name, data] of events(
        `${address("api/sessions", this.id)}/turns`,
        body,
        this.abort.signal,
      )) {
        await view.show(name, data);
        if (name === "route") this.hasBegun(message);
      }
      view.ended();
    } catch (error) {
      view.broken(
        error.name === "AbortError"
          ? null
          : error instanceof Problem
            ? error
            : new Error(t("interrupted")),
      );
    }
  }

  hasBegun(question) {
    const isNew = this.isNew;
    if (isNew) document.title = titled(question);
    this.isNew = false;
    this.composer.placeholder(t("placeholderMore"));
    this.begun(this.id, isNew);
  }

  stop() {
    this.abort?.abort();
  }
}

function titled(title) {
  return `${title.slice(0, 80)} · kb`;
}

async function suggested() {
  const verified = await get("api/verified");
  const language = document.documentElement.lang;
  const own = verified.filter((each) => each.language === language);
  return (own.length ? own : verified).slice(0, MOST_SUGGESTIONS).map((each) => each.question);
}
