// One question with its answer, as it comes or as it was stored.

import { announce } from "./announce.js";
import { linkTo, open, sourceAddress, turnAddress } from "./address.js";
import { address, post, Problem } from "./api.js";
import { chip, quoteOf, sources, withSources } from "./citations.js";
import { openConsidered } from "./considered.js";
import { button, iconButton, make } from "./dom.js";
import { feedback } from "./feedback.js";
import { menu } from "./menu.js";
import { askedChips } from "./options.js";
import { openNothing, openPassage } from "./passage.js";
import { Prose, withCitations } from "./prose.js";
import { resultOf } from "./result.js";
import { copyButton } from "./save.js";
import { sourcesBesides } from "./sources.js";
import { versionsOf } from "./versions.js";
import { number, t } from "./words.js";

const PROGRESS = { documents: "searching", database: "querying", both: "searching" };
const STOPPED = "answer_stopped";
const LONG = 3; // seconds, after which one wants to know how long it takes
const SPOKEN = 600; // characters of an answer that are told to those who listen

export class TurnView {
  constructor({ sessionId, turnId, question, options, ...acts }) {
    this.sessionId = sessionId;
    this.turnId = turnId;
    this.again = acts.again;
    this.retry = acts.retry;
    this.regenerate = acts.regenerate;
    this.edit = acts.edit;
    this.choose = acts.choose;
    this.citations = [];
    this.opener = null; // of the passage that is shown
    this.searchId = null;
    this.considered = null; // opens what the search found
    this.notesOfSearch = [];
    this.route = null;
    this.standalone = null; // the question as it was understood
    this.rows = null;
    this.rating = null;
    this.last = 0; // number of the last event
    this.status = null; // as it is stored, when that is known
    this.head = make("div", { class: "answer-head" });
    this.prose = new Prose();
    this.doing = make("span", {}, t("asking"));
    this.seconds = make("span", { class: "quiet", "aria-hidden": "true" });
    this.progress = make("p", { class: "progress" }, this.doing, " ", this.seconds);
    this.clock = setInterval(() => this.tick(), 1000);
    this.since = performance.now();
    this.attempt = 1; // of the model that is waited for
    this.notes = make("div", { class: "notes" });
    this.waiting = make("p", { class: "quiet", role: "status" }, t("reconnecting"));
    this.after = make("div", { class: "after" });
    this.versions = make("span", { hidden: true });
    this.question = make("h2", { class: "question", dir: "auto" }, question);
    const chips = askedChips(options);
    this.element = make(
      "article",
      { class: "turn", "data-turn": turnId, "aria-busy": "true" },
      this.question,
      chips.length ? make("div", { class: "filter-chips" }, chips) : null,
      make(
        "div",
        { class: "answer" },
        this.head,
        this.progress,
        this.prose.element,
        this.notes,
        this.after,
      ),
    );
  }

  // One method for each event of the stream.
  async show(name, data, number) {
    this.last = number || this.last;
    this.waiting.remove();
    await this[`show_${name}`]?.(data);
  }

  get isOver() {
    return this.element.ariaBusy === "false";
  }

  // So that a model that hangs is seen to.
  tick() {
    const passed = Math.floor((performance.now() - this.since) / 1000);
    if (passed < LONG && this.attempt === 1) return;
    const seconds = number(passed);
    this.seconds.textContent =
      this.attempt > 1
        ? t("waitedAgain", { seconds, n: number(this.attempt) })
        : t("waited", { seconds });
  }

  show_attempt({ attempt }) {
    this.attempt = attempt;
    this.tick();
  }

  // The connection is gone, the answer may be not.
  wait() {
    if (!this.waiting.isConnected) this.notes.append(this.waiting);
  }

  show_route({ route, reason, standalone }) {
    this.head.replaceChildren(this.badge(route, reason));
    this.route = route;
    this.standalone = standalone;
    if (standalone)
      this.question.after(
        make("p", { class: "understood" }, t("understood", { question: standalone })),
      );
    this.doing.textContent = t(PROGRESS[route] ?? "answering");
  }

  show_retrieval({ search, passages }) {
    this.searchId = search.id;
    this.notesOfSearch = search.notes ?? [];
    const opened = (event) => this.showConsidered(event.currentTarget);
    const attributes = { class: "link quiet", title: this.notesOfSearch.join(" ") };
    this.considered = button(t("searchedIn", { n: passages }), opened, attributes);
    this.considered.disabled = !this.isOver; // it is logged with its answer
    this.head.append(this.considered);
    this.doing.textContent = t("answering");
  }

  showConsidered(opener) {
    const question = this.standalone ?? this.question.textContent;
    openConsidered({ searchId: this.searchId, notes: this.notesOfSearch, question, opener });
  }

  show_token({ text }) {
    this.progress.hidden = true;
    this.prose.add(text);
  }

  show_html({ html, from, until }) {
    this.prose.addBlocks(html, from, until);
  }

  show_citations(citations) {
    this.citations = citations ?? [];
  }

  show_rows(rows) {
    this.rows = rows;
  }

  async show_done({ answer, errors, timings, html, status }) {
    this.status = status;
    await this.finish(answer, errors, timings, html);
    announce(t("answerReady", { n: this.citations.length, text: this.spoken() }));
  }

  // Without the buttons of a result.
  spoken() {
    const parts = [...this.prose.element.children].filter((each) => !each.matches(".result"));
    const text = parts.map((each) => each.textContent).join(" ");
    const rows = this.rows ? ` ${t("rows", { n: this.rows.rows.length })}` : "";
    return `${text.slice(0, SPOKEN)}${rows}`;
  }

  async show_error({ problem }) {
    const { code, reason } = problem; // which the stored turn tells, too
    const told = reason ? { ...problem, title: reason, detail: "" } : problem;
    await this.broken(code === STOPPED ? null : new Problem(told));
  }

  // `reason` is null when the user stopped it.
  async broken(reason) {
    this.settle();
    this.waiting.remove();
    if (this.prose.text) await this.finish(this.prose.text);
    const again = () => this.again();
    if (!reason) return this.note(t(this.prose.text ? "stopped" : "stoppedAtOnce"), again);
    this.noteEnd(this.prose.text ? "cut" : "failed", reason.message, "alert");
    this.offerOthers();
  }

  // An answer that is cut stays until the one that goes on takes its place.
  noteEnd(word, reason, role = "status") {
    const offer = t(word === "cut" ? "goOn" : "again");
    this.note(t(word, { reason }), () => this.retry(), { class: "problem", role }, offer);
  }

  note(words, again, attributes = { class: "quiet", role: "status" }, offer = t("again")) {
    const link = button(offer, again, { class: "link" });
    this.notes.append(make("p", attributes, words, " ", link));
  }

  showStored(turn, html) {
    const { evidence } = turn;
    this.status = turn.status;
    this.show_route({
      route: evidence.route,
      reason: evidence.route_reason,
      standalone: turn.standalone,
    });
    if (evidence.search)
      this.show_retrieval({ search: evidence.search, passages: evidence.search.candidates });
    this.citations = evidence.citations ?? [];
    this.rows = evidence.sql ? evidence : null;
    this.rating = turn.rating;
    this.showVersions(turn.versions);
    const errors = turn.status === "complete" ? evidence.errors : {}; // else its state tells
    if (turn.answer) this.finish(turn.answer, errors, evidence.timings, html);
    this.settle();
    if (turn.status !== "complete") this.showState(turn);
  }

  showVersions(versions) {
    this.versions.hidden = versions.length < 2;
    this.versions.replaceChildren(versionsOf(versions, this.turnId, this.choose));
    if (!this.versions.isConnected && versions.length > 1) this.notes.append(this.versions);
  }

  showState({ status, error }) {
    this.noteEnd(status === "partial" ? "cut" : "failed", error ?? "");
    this.offerOthers();
  }

  async finish(text, errors = {}, timings = {}, html = null) {
    await this.prose.finish(text, html);
    const times = {}; // that each number was met
    withCitations(this.prose.element, (number) => {
      times[number] = (times[number] ?? 0) + 1;
      return this.chip(number, times[number]);
    });
    // A branch is "documents", "database" or "model".
    for (const [branch, reason] of Object.entries(errors ?? {}).filter(
      ([, reason]) => !text.includes(reason),
    ))
      this.notes.append(
        make("p", { class: "problem" }, t("branchFailed", { branch: t(branch), reason })),
      );
    const question = this.question.textContent;
    const edited = (sql) => this.tellEdited(sql);
    const result = this.rows && resultOf({ ...this.rows, question, edited });
    const twin = result && tableOfRows(this.prose.element, this.rows.columns);
    if (twin) twin.replaceWith(result);
    const below = [
      twin ? null : result,
      sources(this.citations, this.opened),
      this.nextSteps(Boolean(this.rows)),
    ];
    this.after.replaceChildren(...below.filter(Boolean), this.actions(timings ?? {}));
    this.settle();
  }

  // What somebody made of the SQL is to be seen by whoever works on poor answers.
  tellEdited(sql) {
    const about = { session_id: this.sessionId, turn_id: this.turnId };
    post("api/feedback", { ...about, edited_sql: sql }).catch(() => null);
  }

  // Below a question that nothing came of, where else it can be asked.
  offerOthers() {
    if (this.prose.text) return;
    const steps = this.nextSteps(false);
    if (steps) this.after.replaceChildren(steps);
  }

  // What can be done about an answer that rests on nothing.
  nextSteps(hasRows) {
    if (hasRows || this.citations.length || !this.route) return null;
    const others = sourcesBesides(this.route).map((source) =>
      button(t("askSource", { source: t(source) }), () => this.again(source)),
    );
    const show = (event) => this.showConsidered(event.currentTarget);
    const nearest = this.searchId && button(t("showNearest"), show);
    return make("p", { class: "next-steps" }, nearest, others);
  }

  settle() {
    clearInterval(this.clock);
    if (this.considered) this.considered.disabled = false;
    this.progress.hidden = true;
    this.element.ariaBusy = "false";
  }

  badge(route, reason) {
    const name = route ? t(route) : t("nothingSearched");
    const others = sourcesBesides(route);
    const head = [
      reason ? make("p", { class: "why", lang: "en" }, t("why", { reason })) : null,
      others.length ? make("p", { class: "menu-title" }, t("askInstead")) : null,
    ];
    const actions = others.map((source) => [t(source), () => this.again(source)]);
    const label = t("routeBy", { route: name });
    return menu({ label, words: name, kind: `badge route-${route ?? "none"}` }, actions, head);
  }

  chip(number, statement) {
    const citation = this.citations.find((each) => each.number === number);
    return citation ? chip(citation, statement, this.opened) : null;
  }

  opened = (number, statement, opener) => {
    this.opener = opener;
    if (this.searchId)
      post("api/feedback", { search_id: this.searchId, clicked: number }).catch(() => null);
    open(sourceAddress(this.sessionId, this.turnId, number, statement));
  };

  // What the address names.
  showSource(number, statement) {
    const citation = this.citations.find((each) => each.number === number);
    if (!citation) return openNothing(t("noSuchSource"));
    const chips = `.chip[data-source="${number}"]`;
    const own = `${chips}[data-statement="${statement}"]`;
    const find = (name) => /** @type {HTMLElement} */ (this.element.querySelector(name));
    const path = address("api/sessions", this.sessionId, "turns", this.turnId);
    openPassage(citation, {
      opener: this.opener ?? find(own) ?? find(chips) ?? find("button"),
      quote: quoteOf(citation, statement),
      kept: `${path}/citations/${number}`,
      link: sourceAddress(this.sessionId, this.turnId, number, statement),
      again: () => this.again(),
    });
    this.opener = null;
  }

  link() {
    return linkTo(turnAddress(this.sessionId, this.turnId));
  }

  actions(timings) {
    const seconds = Object.values(timings).reduce((sum, each) => sum + each, 0) / 1000;
    const rounded = number(seconds, { maximumFractionDigits: 1 });
    return make(
      "footer",
      { class: "turn-actions" },
      feedback(this.sessionId, this.turnId, this.rating),
      copyButton(t("copyAnswer"), () => withSources(this.prose.text, this.citations)),
      copyButton(t("copyLink"), () => this.link(), null, "link"),
      iconButton("pencil", t("editQuestion"), this.edit),
      iconButton("retry", t("regenerate"), this.regenerate),
      this.versions,
      seconds >= 0.05 && make("span", { class: "quiet" }, t("took", { seconds: rounded })),
    );
  }
}

// Where the answer is a table of the rows themselves, the table that can be sorted takes its place.
function tableOfRows(root, columns) {
  const plain = (name) => name.replaceAll("_", " ").trim().toLowerCase();
  const wanted = columns.map(plain).join("\n");
  return [...root.querySelectorAll("table")].find(
    (table) =>
      [...table.querySelectorAll("th")].map((each) => plain(each.textContent)).join("\n") ===
      wanted,
  );
}
