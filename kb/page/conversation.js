// A chat: its turns, and asking the next one.

import { address, events, get, Problem } from "./api.js";
import { announce, complain } from "./announce.js";
import { Composer } from "./composer.js";
import { button, make } from "./dom.js";
import { followed } from "./follow.js";
import { asHtml } from "./prose.js";
import { learnSources } from "./sources.js";
import { learnedState } from "./state.js";
import { TurnView } from "./turn.js";
import { t } from "./words.js";

const MOST_SUGGESTIONS = 4;
const GONE = 404;

function randomId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");
}

export class Conversation {
  constructor(id, { begun, titled }) {
    this.isNew = id === null;
    this.id = id ?? randomId();
    this.begun = begun;
    this.titled = titled;
    this.title = "";
    this.abort = null;
    this.turns = make("div", { class: "turns" });
    this.composer = new Composer({ ask: (asked) => this.ask(asked), stop: () => this.stop() });
    const scroller = make("div", { class: "scroller" }, this.turns);
    this.element = make(
      "div",
      { class: "conversation" },
      scroller,
      make("div", { class: "below" }, followed(scroller, this.turns), this.composer.element),
    );
  }

  async open() {
    if (this.isNew) return this.welcome();
    try {
      await this.showStored();
    } catch (error) {
      const isGone = error.status === GONE;
      const words = isGone ? t("noSuchChat") : t("error", { reason: error.message });
      this.turns.replaceChildren(
        make("p", { class: "problem instead", role: "alert" }, words),
        isGone ? "" : button(t("again"), () => this.open(), { class: "instead" }),
      );
    }
  }

  get isBusy() {
    return this.abort !== null;
  }

  welcome() {
    const suggestions = make("ul", { class: "suggestions", "aria-label": t("suggestions") });
    const head = make("h1", {}, t("welcome"));
    const detail = make("p", {}, t("welcomeDetail"));
    this.turns.replaceChildren(make("div", { class: "welcome" }, head, detail, suggestions));
    this.element.classList.add("new");
    this.composer.focus();
    isEmpty().then((isNothing) => isNothing && detail.replaceChildren(...whatToDo()));
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
    this.entitle(session.title || this.id);
    const html = await asHtml(session.turns.map((turn) => turn.answer ?? ""));
    const views = session.turns.map((turn) => this.view(turn.question, turn.id));
    this.turns.replaceChildren(
      make("h1", { class: "hidden" }, session.title || this.id),
      ...views.map((view) => view.element),
    );
    for (const [at, view] of views.entries()) view.showStored(session.turns[at], html[at]);
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
      edit: () => this.composer.write(question),
    });
  }

  async ask(asked) {
    if (this.isBusy || !asked.message.trim()) return;
    this.element.classList.remove("new");
    if (!this.turns.querySelector("h1.hidden")) {
      for (const greeting of this.turns.querySelectorAll(".welcome, .instead")) greeting.remove();
      this.turns.prepend(make("h1", { class: "hidden" }, asked.message));
    }
    const turnId = asked.turnId ?? randomId();
    const former = this.turns.querySelector(`[data-turn="${turnId}"]`);
    const view = this.view(asked.message, turnId, asked);
    if (former) former.replaceWith(view.element);
    else this.turns.append(view.element);
    view.element.scrollIntoView({ block: "start" });
    this.composer.begin();
    announce(t("asking"));
    this.abort = new AbortController();
    try {
      await this.follow(view, asked, turnId);
    } catch (error) {
      this.failed(error, view, former);
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
    const path = `${address("api/sessions", this.id)}/turns`;
    for await (const [name, data] of events(path, body, this.abort.signal)) {
      await view.show(name, data);
      if (name === "route") this.hasBegun(message);
    }
    view.ended();
  }

  // What was there before the question was asked again comes back when nothing came of it.
  failed(error, view, former) {
    const isStopped = error.name === "AbortError";
    const reason = error instanceof Problem ? error : new Error(t("interrupted"));
    if (!former || view.prose.text) return view.broken(isStopped ? null : reason);
    view.element.replaceWith(former);
    if (!isStopped) complain(reason);
  }

  hasBegun(question) {
    const isNew = this.isNew;
    if (isNew) this.entitle(question);
    this.isNew = false;
    this.composer.placeholder(t("placeholderMore"));
    this.begun(this.id, isNew);
  }

  entitle(title) {
    this.title = title;
    this.titled(this.id, title);
  }

  stop() {
    this.abort?.abort();
  }
}

async function isEmpty() {
  const [{ documents }, sources] = await Promise.all([learnedState(), learnSources()]);
  return documents === 0 && sources.every((each) => each === "documents");
}

function whatToDo() {
  return [t("nothingYet"), " ", make("a", { href: "#/documents" }, t("addDocuments"))];
}

async function suggested() {
  const verified = await get("api/verified");
  const language = document.documentElement.lang;
  const own = verified.filter((each) => each.language === language);
  return (own.length ? own : verified).slice(0, MOST_SUGGESTIONS).map((each) => each.question);
}
