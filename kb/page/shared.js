// A chat that somebody has shared, for who has the link: as it was then, and nothing to do with it.

import { address, get } from "./api.js";
import { fragment, make } from "./dom.js";
import { withCitations } from "./prose.js";
import { date, t } from "./words.js";

/** @param {HTMLElement} main @param {string} token @param {(title: string) => void} entitle */
export async function showShared(main, token, entitle) {
  document.body.classList.add("shared");
  const robots = make("meta", { name: "robots", content: "noindex, nofollow" });
  document.head.append(robots);
  try {
    const chat = await get(address("shared", token));
    entitle(chat.title);
    const when = make("p", { class: "quiet" }, t("sharedOn", { date: date(chat.made_at) }));
    const head = make("header", {}, make("h1", {}, chat.title), when);
    main.replaceChildren(make("div", { class: "shared-chat" }, head, ...chat.turns.map(turnOf)));
  } catch (error) {
    main.replaceChildren(make("p", { class: "problem instead", role: "alert" }, error.message));
  }
}

function turnOf(turn) {
  const { question, html, citations } = turn;
  const prose = make("div", { class: "prose", dir: "auto" }, fragment(html));
  const sources = citations.map(sourceOf);
  withCitations(prose, (number) => {
    const at = citations.findIndex((each) => each.number === number);
    return at < 0 ? null : chipOf(citations[at], sources[at]);
  });
  return make(
    "article",
    { class: "turn" },
    make("h2", { class: "question", dir: "auto" }, question),
    make("div", { class: "answer" }, prose, turn.sql ? rowsOf(turn) : null),
    sources.length
      ? make("section", { "aria-label": t("sources") }, make("h3", {}, t("sources")), sources)
      : null,
  );
}

function chipOf({ number, title, place }, source) {
  const open = () => {
    source.open = true;
    source.querySelector("summary").focus();
  };
  const label = t("openSource", { n: number, title, place });
  return make(
    "button",
    { type: "button", class: "chip", "aria-label": label, click: open },
    `${number}`,
  );
}

function sourceOf({ number, title, document: path, place, html }) {
  const where = [path, place].filter(Boolean).join(" · ");
  return make(
    "details",
    { class: "shared-source" },
    make("summary", {}, `${number}. ${title} `, make("span", { class: "quiet" }, where)),
    make("div", { class: "prose", dir: "auto" }, fragment(html)),
  );
}

function rowsOf({ sql, columns, rows, truncated }) {
  const head = columns.map((each) => make("th", { scope: "col" }, each));
  const lines = rows.map((row) =>
    make(
      "tr",
      {},
      row.map((cell) => make("td", {}, cell === null ? "" : String(cell))),
    ),
  );
  return make(
    "div",
    {},
    make(
      "div",
      { class: "shared-rows", tabindex: "0", role: "region", "aria-label": t("result") },
      make("table", {}, make("thead", {}, make("tr", {}, head)), make("tbody", {}, lines)),
    ),
    truncated ? make("p", { class: "quiet" }, t("rowsCut", { n: rows.length })) : null,
    make("details", {}, make("summary", {}, t("sql")), make("pre", {}, make("code", {}, sql))),
  );
}
