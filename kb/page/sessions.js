// The list of chats: search, rename, delete, export.

import { chatAddress } from "./address.js";
import { address, file, get, patch, remove } from "./api.js";
import { announce } from "./announce.js";
import { dialog } from "./dialog.js";
import { make } from "./dom.js";
import { menu } from "./menu.js";
import { save } from "./save.js";
import { ageOf, date, t } from "./words.js";

const list = document.getElementById("session-list");
const search = /** @type {HTMLInputElement} */ (document.getElementById("session-search"));
let current = null;
let asked = 0;
let shown = "";

export function offerSessionSearch() {
  let timer = null;
  search.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(listSessions, 200);
  });
}

export async function listSessions() {
  const turn = ++asked;
  const words = search.value.trim();
  const sessions = await get("api/sessions", { search: words });
  if (turn !== asked) return;
  const told = JSON.stringify([words, sessions]);
  if (told === shown) return; // a menu that is open stays so
  shown = told;
  const empty = t(words ? "noSessionsFound" : "noSessions");
  list.replaceChildren(
    ...(sessions.length ? byAge(sessions) : [make("li", { class: "quiet" }, empty)]),
  );
  if (words) announce(sessions.length ? sessions.map((each) => each.title).join(", ") : empty);
  markSession(current);
}

export function markSession(id) {
  current = id;
  for (const link of list.querySelectorAll("a"))
    link.ariaCurrent = link.dataset.id === id ? "page" : null;
}

// A line before the first chat of each day or month.
function byAge(sessions) {
  const ages = sessions.map((each) => ageOf(each.updated));
  return sessions.flatMap((session, at) =>
    ages[at] === ages[at - 1]
      ? [entry(session)]
      : [make("li", { class: "age" }, ages[at]), entry(session)],
  );
}

function entry(session) {
  const title = session.title || session.id;
  const link = make(
    "a",
    {
      href: chatAddress(session.id),
      "data-id": session.id,
      title: `${title}\n${date(session.updated)}`,
    },
    make("span", { class: "title" }, title),
    session.excerpt ? make("span", { class: "excerpt" }, session.excerpt) : null,
  );
  const actions = menu({ label: t("sessionActions", { title }), picture: "more" }, [
    [t("rename"), () => rename(session)],
    [t("exportMarkdown"), () => exportAs(session, "markdown", "md")],
    [t("exportJson"), () => exportAs(session, "json", "json")],
    [t("delete"), () => forget(session, title), "danger"],
  ]);
  return make("li", {}, link, actions);
}

async function rename(session) {
  const input = make("input", {
    value: session.title,
    required: true,
    maxlength: 255,
    autofocus: true,
  });
  input.addEventListener("focus", () => input.select());
  const body = make("label", { class: "field" }, t("title"), input);
  if (!(await dialog({ title: t("rename"), body, accept: t("save") }))) return;
  await patch(address("api/sessions", session.id), { title: input.value });
  await listSessions();
}

async function exportAs(session, format, ending) {
  const name = (session.title || session.id).replace(/[^\p{L}\p{N}]+/gu, "-").slice(0, 60);
  save(
    await file(`${address("api/sessions", session.id)}/export?format=${format}`),
    `${name}.${ending}`,
  );
}

async function forget(session, title) {
  const body = make("p", {}, t("deleteSessionDetail", { title }));
  if (!(await dialog({ title: t("deleteSession"), body, accept: t("delete"), isDangerous: true })))
    return;
  await remove(address("api/sessions", session.id));
  if (session.id === current) location.hash = "#/";
  await listSessions();
  search.focus();
}
