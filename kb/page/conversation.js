// A chat: its turns, and asking the next one.

import { address, events, get, post, Problem } from "./api.js";
import { announce, complain } from "./announce.js";
import { Composer } from "./composer.js";
import { button, make } from "./dom.js";
import { followed } from "./follow.js";
import { suggestions } from "./suggestions.js";
import { beginOptions, restoreOptions } from "./options.js";
import { closePassage } from "./passage.js";
import { asHtml } from "./prose.js";
import { tell } from "./tabs.js";
import { TurnView } from "./turn.js";
import { welcome } from "./welcome.js";
import { t } from "./words.js";

const PAGE = 30; // turns that are read at once
const GONE = 404;
const TITLE_PAUSE = 4000; // milliseconds, in which a model may have named the chat
const BUSY = 500; // from here on a status is about the server, and not about what is asked of it
const UNDER_WAY = "turn_under_way";
const MOST_MISSES = 30; // in a row, some minutes
const MISSES_AT_FIRST = 2; // of a question that the server may never have heard
const LONGEST_PAUSE = 10; // seconds

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
    this.views = new Map(); // by the id of their turn
    this.underWay = new Set(); // views of turns that are being answered
    this.first = 1; // number of the first turn that is shown
    this.options = null; // of the last question
    beginOptions();
    this.turns = make("div", { class: "turns" });
    this.composer = new Composer({
      draftOf: id,
      ask: (asked) => this.ask(asked),
      stop: () => this.stop(),
      recall: () => this.editLast(),
    });
    const scroller = make("div", { class: "scroller" }, this.turns);
    this.scroller = scroller;
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
    return this.underWay.size > 0;
  }

  welcome() {
    this.turns.replaceChildren(welcome((suggested) => this.askSuggested(suggested)));
    this.element.classList.add("new");
    this.composer.focus();
  }

  askSuggested(suggested) {
    return this.ask({ ...this.composer.asked(), ...suggested });
  }

  // The last turns; those before them follow when somebody scrolls up to them.
  async showStored() {
    const session = await this.read({ last: PAGE });
    this.entitle(session.title || this.id);
    this.views.clear();
    const views = await this.makeViews(session.turns);
    this.turns.replaceChildren(
      make("h1", { class: "hidden" }, session.title || this.id),
      ...views.map((view) => view.element),
    );
    this.composer.placeholder(t("placeholderMore"));
    this.composer.focus();
    this.turns.lastChild.scrollIntoView({ block: "start" });
    this.first = session.turns[0]?.number ?? 1;
    if (this.first > 1) this.offerEarlier();
    this.options = session.turns.at(-1).options;
    this.restoreOptions();
    this.suggest(views.at(-1));
  }

  // The next question is asked as the last one.
  restoreOptions() {
    if (this.options) restoreOptions(this.options);
    this.composer.showOptions();
  }

  // What the address names of this chat: a turn, or what one cites.
  async showPlace({ turn, source, statement }) {
    if (source === undefined) closePassage();
    if (!turn || !this.turns.querySelector("h1.hidden")) return;
    const view = await this.reach(turn);
    this.turns.querySelector(".nowhere")?.remove();
    if (!view) {
      const words = t("noSuchTurn");
      const note = make("p", { class: "problem nowhere", role: "alert" }, words);
      this.turns.append(note);
      return note.scrollIntoView({ block: "nearest" });
    }
    if (source !== undefined) view.showSource(source, statement);
    if (!isInView(view.element, this.scroller)) view.element.scrollIntoView({ block: "start" });
  }

  // The view of a turn; those before what is shown are read up to it.
  async reach(id) {
    if (this.views.has(id)) return this.views.get(id);
    try {
      const { number } = await get(address("api/sessions", this.id, "turns", id));
      if (number < this.first) await this.showEarlier(this.first - number + 1);
    } catch (error) {
      if (error.status !== GONE) throw error;
    }
    return this.views.get(id);
  }

  read(query) {
    return get(address("api/sessions", this.id), query);
  }

  async makeViews(turns) {
    const html = await asHtml(turns.map((turn) => turn.answer ?? ""));
    return turns.map((turn, at) => this.showTurn(turn, html[at]));
  }

  // A turn as it is stored; one that is being answered is followed to its end.
  showTurn(turn, html) {
    const view = this.view(turn.question, turn.id, { ...turn.options, message: turn.question });
    if (turn.status === "open") this.take(view, () => this.followOpen(view, turn.versions));
    else view.showStored(turn, html);
    return view;
  }

  async followOpen(view, versions) {
    await this.followStored(view);
    view.showVersions(versions);
  }

  offerEarlier() {
    const mark = make("div", { class: "earlier", "aria-hidden": "true" });
    const observer = new IntersectionObserver(
      ([{ isIntersecting }]) => {
        if (!isIntersecting) return;
        observer.disconnect();
        this.showEarlier().catch(complain);
      },
      { root: this.scroller, rootMargin: "600px" },
    );
    this.turns.querySelector("h1").after(mark);
    observer.observe(mark);
  }

  async showEarlier(last = PAGE) {
    const mark = this.turns.querySelector(".earlier");
    if (!mark) return; // others are reading it
    mark.classList.remove("earlier");
    const { turns } = await this.read({ last, before: this.first });
    const views = await this.makeViews(turns);
    const fromEnd = this.scroller.scrollHeight - this.scroller.scrollTop;
    mark.replaceWith(...views.map((view) => view.element));
    this.scroller.scrollTop = this.scroller.scrollHeight - fromEnd;
    this.first = turns[0]?.number ?? 1;
    if (this.first > 1) this.offerEarlier();
  }

  // What another tab, or another person's page, has asked or ended meanwhile.
  async refresh() {
    if (this.isNew || !this.turns.querySelector("h1.hidden")) return;
    const { turns } = await this.read({ last: PAGE });
    const isThere = turns.some((turn) => turn.id === this.lastView?.turnId);
    if (!this.isBusy && !isThere) return this.showStored(); // another version was chosen
    for (const turn of turns) {
      const shown = this.views.get(turn.id);
      if (shown && (!shown.isOver || shown.status === turn.status)) continue;
      const [view] = await this.makeViews([turn]);
      if (shown) shown.element.replaceWith(view.element);
      else this.turns.append(view.element);
    }
  }

  // What one may want to know next, below the last answer.
  async suggest(view) {
    if (view.status !== "complete") return;
    const path = address("api/sessions", this.id, "turns", view.turnId, "suggestions");
    const found = await get(path).catch(() => []);
    if (this.isBusy || view !== this.lastView || !found.length) return;
    const asked = (suggested) => this.askSuggested(suggested);
    view.element.append(suggestions(found, t("followUps"), asked));
  }

  view(question, turnId, asked) {
    const again = (source = asked.source) => this.ask({ ...asked, message: question, source });
    const view = new TurnView({
      sessionId: this.id,
      turnId,
      question,
      options: asked,
      again,
      retry: () => this.ask({ ...asked, replaces: null, turnId }),
      regenerate: () => this.ask({ ...asked, replaces: turnId }),
      edit: () => this.composer.write(question, turnId),
      choose: (version) => this.choose(version).catch(complain),
    });
    this.views.set(turnId, view);
    return view;
  }

  // Another version of a turn is shown, with what followed it.
  async choose(turnId) {
    await post(`${address("api/sessions", this.id, "turns", turnId)}/choose`);
    await this.showStored();
    (await this.reach(turnId))?.element.scrollIntoView({ block: "start" });
    tell({ session: this.id });
  }

  // What a question takes the place of, with all that follows.
  removeFrom(turnId) {
    const shown = [...this.turns.querySelectorAll("[data-turn]")];
    const at = shown.findIndex((each) => each.dataset.turn === turnId);
    for (const element of at < 0 ? [] : shown.slice(at)) {
      this.views.delete(element.dataset.turn);
      element.remove();
    }
  }

  // Whether there is a last question, which can now be changed and asked again.
  editLast() {
    this.lastView?.edit();
    return Boolean(this.lastView);
  }

  get lastView() {
    const last = [...this.turns.querySelectorAll("[data-turn]")].at(-1);
    return last && this.views.get(last.dataset.turn);
  }

  async ask(asked) {
    if (this.isBusy || !asked.message.trim()) return;
    this.element.classList.remove("new");
    if (!this.turns.querySelector("h1.hidden")) {
      for (const greeting of this.turns.querySelectorAll(".welcome, .instead")) greeting.remove();
      this.turns.prepend(make("h1", { class: "hidden" }, asked.message));
    }
    this.options = asked;
    this.turns.querySelector(".turn .suggestions")?.remove();
    const turnId = asked.turnId ?? randomId();
    if (asked.replaces) this.removeFrom(asked.replaces);
    const former = this.views.get(turnId);
    const view = this.view(asked.message, turnId, asked);
    if (former) former.element.replaceWith(view.element);
    else this.turns.append(view.element);
    view.element.scrollIntoView({ block: "start" });
    announce(t("asking"));
    await this.take(view, () => this.follow(view, asked), former);
    if (asked.replaces) await this.showVersions(view);
  }

  // When nothing came of another version, what was there is shown again.
  async showVersions(view) {
    try {
      const { versions } = await get(address("api/sessions", this.id, "turns", view.turnId));
      view.showVersions(versions);
    } catch (error) {
      if (error.status === GONE) return this.showStored();
      complain(error);
    }
  }

  // Follows a turn to its end, during which nothing else can be asked here.
  async take(view, follow, former = null) {
    this.underWay.add(view);
    this.composer.begin();
    try {
      await follow();
    } catch (error) {
      this.failed(error, view, former);
    } finally {
      this.underWay.delete(view);
      if (!this.isBusy) this.composer.end();
      this.suggest(view);
      if (this.isFirst) setTimeout(() => this.begun(this.id, false), TITLE_PAUSE);
      this.isFirst = false;
    }
  }

  async follow(view, { message, source, profile, model, filters, replaces }) {
    const body = {
      message,
      turn_id: view.turnId,
      replaces: replaces ?? null,
      source: source ?? "auto",
      profile,
      model,
      filters: filters ?? {},
      stream: true,
      html: true,
    };
    const path = `${address("api/sessions", this.id)}/turns`;
    let lost = null;
    try {
      await this.show(view, events("POST", path, body), () => this.hasBegun(message, view.turnId));
    } catch (error) {
      if (!isLost(error) && error.code !== UNDER_WAY) throw error;
      lost = error;
    }
    await this.followStored(view, lost);
    tell({ session: this.id });
  }

  async show(view, stream, begun = () => null) {
    for await (const [name, data, number] of stream) {
      await view.show(name, data, number);
      if (name === "route") begun();
    }
  }

  // The answer goes on without us: it is taken up behind the last event that came.
  async followStored(view, lost = null) {
    const path = address("api/sessions", this.id, "turns", view.turnId);
    const most = lost && !view.last ? MISSES_AT_FIRST : MOST_MISSES;
    let misses = 0;
    while (!view.isOver) {
      try {
        await this.show(view, events("GET", `${path}/events?html=true&after=${view.last}`));
        misses = 0;
      } catch (error) {
        if (!isLost(error) || ++misses > most) throw lost ?? error;
        view.wait();
        await pause(Math.min(misses, LONGEST_PAUSE));
      }
    }
  }

  // What was there before the question was asked again comes back when nothing came of it.
  failed(error, view, former) {
    if (!former || view.prose.text) return view.broken(error);
    this.views.set(view.turnId, former);
    view.element.replaceWith(former.element);
    complain(error);
  }

  hasBegun(question, turnId) {
    const isNew = this.isNew;
    if (isNew) this.entitle(question);
    this.isNew = false;
    this.composer.placeholder(t("placeholderMore"));
    this.begun(this.id, isNew);
    this.isFirst = isNew;
    tell({ session: this.id, turn: turnId });
  }

  entitle(title) {
    this.title = title;
    this.titled(this.id, title);
  }

  // Whoever answers ends the stream then. A turn that has just been asked may not be stored yet.
  async stop() {
    for (const view of this.underWay) {
      const path = `${address("api/sessions", this.id, "turns", view.turnId)}/stop`;
      for (let misses = 0; !view.isOver && misses < MOST_MISSES; misses++)
        try {
          await post(path);
          break;
        } catch (error) {
          if (error.status !== GONE) return complain(error);
          await pause(0.3);
        }
    }
  }
}

function isInView(element, scroller) {
  const { top, bottom } = element.getBoundingClientRect();
  const seen = scroller.getBoundingClientRect();
  return top < seen.bottom && bottom > seen.top;
}

// Whether the server may be there again in a while.
function isLost(error) {
  return error instanceof Problem && (!error.status || error.status >= BUSY);
}

function pause(seconds) {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}
