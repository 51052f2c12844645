// For who runs the server: what it costs, how answers were, keys, and questions to work on.

import { get } from "./api.js";
import { make } from "./dom.js";
import { factsOf, listOf } from "./figures.js";
import { keysOf } from "./key_list.js";
import { reviewOf } from "./review.js";
import { date, number, t } from "./words.js";

const DAYS = 30;

/** @param {HTMLElement} main */
export async function showAdmin(main) {
  const page = make("div", { class: "admin" }, make("h1", {}, t("administration")));
  main.replaceChildren(page);
  /** @type {Array<[string, () => Promise<unknown>]>} */
  const parts = [
    ["month", monthOf],
    ["answersByDay", answersOf],
    ["apiKeys", keysOf],
    ["toReview", reviewOf],
    ["slowest", slowOf],
    ["jobs", jobsOf],
    ["health", healthOf],
  ];
  for (const [title, fill] of parts) {
    const heading = make("h2", {}, t(title));
    const section = make("section", { "aria-label": t(title), "aria-busy": "true" }, heading);
    page.append(section);
    fill()
      .then((content) => section.append(...[content].flat()))
      .catch((error) =>
        section.append(make("p", { class: "problem", role: "alert" }, error.message)),
      )
      .finally(() => (section.ariaBusy = "false"));
  }
}

async function monthOf() {
  const { month, currency, uses } = await get("api/cost", { days: DAYS });
  const money = (value) =>
    value === null ? t("unknown") : number(value, currency ? { style: "currency", currency } : {});
  const facts = [
    [t("spent"), money(month.cost)],
    [t("expected"), money(month.expected)],
    [t("budget"), month.budget && `${money(month.budget)} (${percent(month.spent_share)})`],
    [t("modelCalls"), number(month.calls)],
    [t("tokens"), number(month.prompt_tokens + month.completion_tokens)],
  ];
  const byKey = new Map();
  for (const use of uses) {
    const key = use.key ?? t("nobody");
    byKey.set(key, [...(byKey.get(key) ?? []), use]);
  }
  const rows = [...byKey].map(([key, some]) => [
    key,
    number(sum(some, "calls")),
    number(sum(some, "prompt_tokens") + sum(some, "completion_tokens")),
    money(some.every((use) => use.cost === null) ? null : sum(some, "cost")),
  ]);
  return [
    factsOf(facts),
    listOf([t("key"), t("modelCalls"), t("tokens"), t("spent")], rows, t("usesByKey", { n: DAYS })),
  ];
}

async function answersOf() {
  const { total, days } = await get("api/stats", { days: DAYS });
  const facts = [
    [t("answers"), number(total.answers)],
    [t("unanswered"), `${number(total.unanswered)} (${percent(total.unanswered_share)})`],
    [t("failedAnswers"), number(total.failed)],
    [t("rated"), `${number(total.up)} ↑ ${number(total.down)} ↓`],
  ];
  const rows = days.map((day) => [
    date(day.day),
    t(day.route || "nothingSearched"),
    ...[day.answers, day.unanswered, day.failed].map((each) => number(each)),
    seconds(day.p50),
    seconds(day.p95),
  ]);
  const heads = [
    "day",
    "answeredFrom",
    "answers",
    "unanswered",
    "failedAnswers",
    "median",
    "slow95",
  ];
  return [
    factsOf(facts),
    listOf(
      heads.map((each) => t(each)),
      rows,
      t("answersByDay"),
    ),
  ];
}

async function slowOf() {
  const found = await get("api/slow", { days: DAYS, limit: 10 });
  const rows = found.map((each) => [
    each.question ?? t("noTexts"),
    seconds(each.milliseconds),
    each.steps.map(({ step, ms }) => `${step} ${seconds(ms)}`).join(", "),
    date(each.answered_at),
  ]);
  return listOf([t("questionAsked"), t("time"), t("steps"), t("day")], rows, t("slowest"));
}

async function jobsOf() {
  const jobs = await get("api/jobs");
  const rows = jobs
    .slice(0, 10)
    .map((job) => [
      job.root,
      job.status,
      job.error ?? "",
      job.created_at ? date(job.created_at) : "",
    ]);
  return listOf([t("root"), t("status"), t("reason"), t("day")], rows, t("jobs"));
}

async function healthOf() {
  const status = await get("api/status");
  return factsOf([
    [t("server"), status.server],
    [t("embedding"), status.embedding],
    [t("model"), status.llm ?? t("noModel")],
    [t("documents"), number(status.documents)],
    [t("passages"), status.chunks === null ? null : number(status.chunks)],
    [t("statusFailed"), number(status.failed.length)],
  ]);
}

function sum(some, name) {
  return some.reduce((total, each) => total + (each[name] ?? 0), 0);
}

function percent(share) {
  return number(share ?? 0, { style: "percent", maximumFractionDigits: 1 });
}

function seconds(milliseconds) {
  return t("took", { seconds: number(milliseconds / 1000, { maximumFractionDigits: 2 }) });
}
