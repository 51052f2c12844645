// The verified queries: which there are, and those that one may change to change.

import { address, get, remove } from "./api.js";
import { announce, complain } from "./announce.js";
import { dialog } from "./dialog.js";
import { button, icon, make } from "./dom.js";
import { resultOf } from "./result.js";
import { coloured } from "./sql.js";
import { learnedState } from "./state.js";
import { date, t } from "./words.js";

export async function showVerified(main) {
  const list = make("ul", { class: "verified-list" });
  const note = make("div", { class: "nothing", role: "status" }, t("loading"));
  const detail = make("p", { class: "quiet" }, t("verifiedQueriesDetail"));
  const head = make("header", {}, make("h1", {}, t("verifiedQueries")), detail);
  main.replaceChildren(make("div", { class: "documents" }, head, note, list));
  await fill(list, note);
}

async function fill(list, note) {
  const say = (...parts) => {
    note.replaceChildren(...parts);
    note.hidden = !parts.length;
  };
  const reload = () => fill(list, note);
  try {
    const [queries, state] = await Promise.all([get("api/verified"), learnedState()]);
    list.replaceChildren(...queries.map((query) => entryOf(query, state, reload)));
    say(...(queries.length ? [] : [t("noVerified")]));
  } catch (error) {
    say(make("p", { class: "problem" }, error.message), button(t("again"), reload));
  }
}

function mayChange(query, { verifies, key, scope }) {
  const isOwn = key === null || scope === "admin" || query.key === key;
  return query.origin === "saved" && verifies && isOwn;
}

function entryOf(query, state, reload) {
  const { name, question, sql, verified_by: person, verified_at: when } = query;
  const day = date(when, { dateStyle: "long", timeZone: "UTC" });
  const facts = [name, t("verifiedBy", { name: person, date: day })];
  if (query.origin === "file") facts.push(t("verifiedOfFile"));
  const code = make(
    "pre",
    { tabindex: "0", role: "region", "aria-label": t("sql") },
    make("code", {}, coloured(sql)),
  );
  const body = make("div", { class: "statement" }, code);
  const edit = button([icon("pencil"), t("edit")], () => open().catch(complain));
  const forget = button([icon("trash"), t("forget")], () => ask().catch(complain), {
    class: "danger plain",
  });

  async function open() {
    const { editorOf } = await import("./editor.js");
    const editor = await editorOf(
      { ...query, verified: { units: query.units } },
      { resultOf, saved: reload },
    );
    edit.hidden = true;
    body.replaceChildren(editor.element);
    editor.focus();
  }

  async function ask() {
    const detail = make("p", {}, t("forgetVerifiedDetail", { name }));
    const title = t("forgetVerified");
    if (!(await dialog({ title, body: [detail], accept: t("forget"), isDangerous: true }))) return;
    await remove(address("api/verified", name));
    announce(t("forgetVerifiedDetail", { name }));
    await reload();
  }

  const actions = make("div", { class: "actions" }, edit, forget);
  return make(
    "li",
    {},
    make("h2", {}, question),
    make("p", { class: "quiet" }, facts.join(" · ")),
    body,
    mayChange(query, state) ? actions : null,
  );
}
