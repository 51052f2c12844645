// One document: what became of it, what it says, what is known of it, and what it answered.

import { address, get } from "./api.js";
import { actionsOf, askOnlyOf } from "./document_actions.js";
import { button, icon, make } from "./dom.js";
import { originalLink } from "./original.js";
import { spotsOf } from "./place.js";
import { mayChange } from "./state.js";
import { bytes, date, number, t } from "./words.js";

const PAGE = 50; // passages
const GONE = 404;
const KNOWN = [
  "root",
  "path",
  "title",
  "headings",
  "page",
  "lines",
  "size",
  "modified",
  "media_type",
]; // told otherwise

export async function showDocument(main, id, entitle) {
  const [root, ...parts] = id.split("/");
  const path = parts.join("/");
  const page = make("div", { class: "documents document" });
  main.replaceChildren(page);
  const show = async () => {
    try {
      const [document, may] = await Promise.all([passagesOf(root, path, 0), mayChange()]);
      if (!page.isConnected) return;
      entitle(document.title || path);
      page.replaceChildren(...partsOf(document, may));
    } catch (error) {
      const words =
        error.status === GONE ? t("noSuchDocument") : t("error", { reason: error.message });
      page.replaceChildren(back(), make("p", { class: "problem", role: "alert" }, words));
    }
  };
  const changed = () => {
    if (page.isConnected) show();
    else document.removeEventListener("documents-changed", changed);
  };
  document.addEventListener("documents-changed", changed);
  await show();
}

function passagesOf(root, path, offset) {
  return get(`${address("api/documents", root, path)}/passages`, { offset, limit: PAGE });
}

function back() {
  return make("a", { href: "#/documents", class: "back" }, t("allDocuments"));
}

function partsOf(document, may) {
  const { root, path, title, reason } = document;
  const asking = button(t("askOnly"), () => askOnlyOf(document), { class: "primary" });
  const original = originalLink(document, "original", icon("open"), t("original"));
  return [
    make(
      "header",
      {},
      back(),
      make("h1", {}, title || path),
      make("p", { class: "quiet" }, `${root} / ${path}`),
      reason ? make("p", { class: "problem" }, reason) : null,
      make(
        "div",
        { class: "actions" },
        document.chunks ? asking : null,
        original,
        actionsOf(document, may),
      ),
    ),
    factsOf(document),
    questionsOf(document),
    textOf(document),
  ];
}

function factsOf(document) {
  const { status, chunks, size, indexed_at: when, modified_at: modified, passages } = document;
  const type = document.media_type;
  const facts = [
    [t("status"), t(status === "failed" ? "statusFailed" : "statusIndexed")],
    [t("passages"), number(chunks)],
    [t("size"), size == null ? null : bytes(size)],
    [t("indexedAt"), when && date(when)],
    [t("modified"), modified && date(modified)],
    [t("kind"), type],
    ...Object.entries(passages[0]?.metadata ?? {})
      .filter(([name]) => !KNOWN.includes(name))
      .map(([name, value]) => [name.replaceAll("_", " "), written(value)]),
  ];
  const entries = facts
    .filter(([, value]) => value)
    .map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value)));
  return make(
    "section",
    { "aria-label": t("facts") },
    make("h2", {}, t("facts")),
    make("dl", { class: "facts" }, entries),
  );
}

function written(value) {
  if (Array.isArray(value)) return value.map(written).join(", ");
  return value && typeof value === "object" ? JSON.stringify(value) : String(value ?? "");
}

// They come later, if there are any.
function questionsOf({ root, path }) {
  const list = make("ul", { class: "asked" });
  const section = make(
    "section",
    { "aria-label": t("questionsAnswered"), hidden: true },
    make("h2", {}, t("questionsAnswered")),
    list,
  );
  get(`${address("api/documents", root, path)}/questions`).then(
    (questions) => {
      section.hidden = !questions.length;
      list.append(
        ...questions.map(({ session_id: session, question, asked_at: when }) =>
          make(
            "li",
            {},
            make("a", { href: `#/chat/${encodeURIComponent(session)}` }, question),
            " ",
            make("span", { class: "quiet" }, date(when)),
          ),
        ),
      );
    },
    () => null,
  );
  return section;
}

function textOf(document) {
  const list = make("ol", { class: "passages" }, document.passages.map(passage));
  const more = button(t("more"), load, { hidden: document.passages.length >= document.chunks });

  async function load() {
    const { root, path } = document;
    const { passages } = await passagesOf(root, path, list.childElementCount);
    list.append(...passages.map(passage));
    more.hidden = !passages.length || list.childElementCount >= document.chunks;
  }

  const nothing = document.passages.length ? null : make("p", { class: "quiet" }, t("noText"));
  return make(
    "section",
    { "aria-label": t("text") },
    make("h2", {}, t("text")),
    nothing,
    list,
    more,
  );
}

function passage({ text, metadata, sheet }) {
  const { page, lines, headings } = metadata;
  const where = [headings, ...spotsOf({ page, lines, sheet })].filter(Boolean).join(" · ");
  return make("li", {}, make("p", { class: "where" }, where), make("p", { class: "tail" }, text));
}
