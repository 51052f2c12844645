// One question with its answer, as it comes or as it was stored.

import { announce } from "./announce.js";
import { button, iconButton, make } from "./dom.js";
import { feedback } from "./feedback.js";
import { menu } from "./menu.js";
import { openPassage } from "./passage.js";
import { Prose, withCitations } from "./prose.js";
import { resultOf } from "./result.js";
import { copy } from "./save.js";
import { sourcesBesides } from "./sources.js";
import { number, t } from "./words.js";

const PROGRESS = { documents: "searching", database: "querying", both: "searching" };

export class TurnView {
  constructor({ sessionId, turnId, question, again, retry }) {
    Object.assign(this, { sessionId, turnId, again, retry });
    this.citations = [];
    this.searchId = null;
    this.rows = null;
    this.head = make("div", { class: "answer-head" });
    this.prose = new Prose();
    this.progress = make("p", { class: "progress" }, t("asking"));
    this.notes = make("div", { class: "notes" });
    this.after = make("div", { class: "after" });
    this.answer = make(
      "div",
      { class: "answer" },
      this.head,
      this.progress,
      this.prose.element,
      this.notes,
      this.after,
    );
    this.question = make("h2", { class: "question" }, question);
    this.element = make(
      "article",
      { class: "turn", "data-turn": turnId, "aria-busy": "true" },
      this.question,
      this.answer,
    );
  }

  // One method for each event of the stream.
  async show(name, data) {
    await this[`show_${name}`]?.(data);
  }

  show_route({ route, reason, standalone }) {
    this.head.replaceChildren(this.badge(route, reason));
    if (standalone)
      this.question.after(
        make("p", { class: "understood" }, t("understood", { question: standalone })),
      );
    this.progress.textContent = t(PROGRESS[route] ?? "answering");
  }

  show_retrieval({ search, passages }) {
    this.searchId = search.id;
    const note = make(
      "span",
      { class: "quiet", title: search.notes?.join(" ") },
      t("searchedIn", { n: passages }),
    );
    this.head.append(note);
    this.progress.textContent = t("answering");
  }

  show_token({ text }) {
    this.progress.hidden = true;
    this.prose.add(text);
  }

  show_citations(citations) {
    this.citations = citations ?? [];
  }

  show_rows(rows) {
    this.rows = rows;
  }

  async show_done({ answer, errors, timings, turn_id: turnId }) {
    this.turnId = turnId ?? this.turnId;
    await this.finish(answer, errors, timings);
    announce(
      t("answerReady", {
        n: this.citations.length,
        text: this.prose.element.textContent.slice(0, 600),
      }),
    );
  }

  show_error({ problem }) {
    this.broken(new Error([problem.title, problem.detail].filter(Boolean).join(". ")));
  }

  // The stream is over; when it told no end, something was lost on the way.
  ended() {
    if (this.element.ariaBusy === "true") this.broken(new Error(t("interrupted")));
  }

  // `reason` is null when the user stopped it.
  async broken(reason) {
    this.settle();
    if (this.prose.text) await this.finish(this.prose.text);
    const told = reason
      ? t(this.prose.text ? "cut" : "failed", { reason: reason.message })
      : t("stopped");
    const attributes = { class: reason ? "problem" : "quiet", role: reason ? "alert" : "status" };
    this.notes.append(
      make(
        "p",
        attributes,
        told,
        " ",
        button(t("again"), () => (reason ? this.retry() : this.again()), { class: "link" }),
      ),
    );
  }

  showStored(turn, html) {
    const { evidence } = turn;
    this.show_route({
      route: evidence.route,
      reason: evidence.route_reason,
      standalone: turn.standalone,
    });
    if (evidence.search)
      this.show_retrieval({ search: evidence.search, passages: evidence.search.candidates });
    this.citations = evidence.citations ?? [];
    this.rows = evidence.sql ? evidence : null;
    if (turn.answer) this.finish(turn.answer, evidence.errors, evidence.timings, html);
    this.settle();
    if (turn.status !== "complete") this.showState(turn);
  }

  showState({ status, error }) {
    const told =
      status === "open"
        ? t("unanswered")
        : t(status === "partial" ? "cut" : "failed", { reason: error ?? "" });
    this.notes.append(
      make(
        "p",
        { class: "quiet" },
        told,
        " ",
        button(t("again"), () => this.again(), { class: "link" }),
      ),
    );
  }

  async finish(text, errors = {}, timings = {}, html = null) {
    await this.prose.finish(text, html);
    withCitations(this.prose.element, (number) => this.chip(number));
    for (const [branch, reason] of Object.entries(errors ?? {}).filter(
      ([, reason]) => !text.includes(reason),
    ))
      this.notes.append(
        make("p", { class: "problem" }, t("branchFailed", { branch: t(branch), reason })),
      );
    const result = this.rows && resultOf(this.rows);
    const twin = result && tableOfRows(this.prose.element, this.rows.columns);
    if (twin) twin.replaceWith(result);
    this.after.replaceChildren(
      ...[twin ? null : result, this.sources(), this.actions(timings ?? {})].filter(Boolean),
    );
    this.settle();
  }

  settle() {
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

  chip(number) {
    const citation = this.citations.find((each) => each.number === number);
    if (!citation) return null;
    const label = t("openSource", {
      n: String(number),
      title: citation.title,
      place: placeOf(citation),
    });
    return button(String(number), (event) => this.open(citation, event.currentTarget), {
      class: "chip",
      "aria-label": label,
      title: citation.title,
    });
  }

  sources() {
    if (!this.citations.length) return null;
    const entries = this.citations.map((citation) =>
      make(
        "li",
        {},
        button(
          [
            make("span", { class: "number", "aria-hidden": "true" }, String(citation.number)),
            make("span", { class: "title" }, citation.title),
            make("span", { class: "quiet" }, placeOf(citation)),
          ],
          (event) => this.open(citation, event.currentTarget),
          {
            class: "source",
            title: citation.excerpt,
            "aria-label": t("openSource", {
              n: String(citation.number),
              title: citation.title,
              place: placeOf(citation),
            }),
          },
        ),
      ),
    );
    return make(
      "section",
      { class: "sources", "aria-label": t("sources") },
      make("h3", {}, t("sources")),
      make("ol", {}, entries),
    );
  }

  open(citation, opener) {
    openPassage(citation, { opener, searchId: this.searchId });
  }

  actions(timings) {
    const seconds = Object.values(timings).reduce((sum, each) => sum + each, 0) / 1000;
    return make(
      "footer",
      { class: "turn-actions" },
      feedback(this.sessionId, this.turnId),
      iconButton("copy", t("copyAnswer"), () => copy(this.prose.text)),
      seconds >= 0.05 &&
        make(
          "span",
          { class: "quiet" },
          t("took", { seconds: number(seconds, { maximumFractionDigits: 1 }) }),
        ),
    );
  }
}

export function placeOf({ document, page, lines }) {
  return [
    document,
    page && t("page", { n: String(page) }),
    lines && t("lines", { n: String(lines) }),
  ]
    .filter(Boolean)
    .join(" · ");
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
