// The list of chats: found by words and tags, pinned, renamed, exported, deleted one by one or together.

import { chatAddress } from "./address.js";
import { address, file, get, patch, post } from "./api.js";
import { announce, complain, offer } from "./announce.js";
import { dialog } from "./dialog.js";
import { button, make } from "./dom.js";
import { marked } from "./marked.js";
import { menu } from "./menu.js";
import { save } from "./save.js";
import { showLinks } from "./sharing.js";
import { mayShare } from "./state.js";
import { ageOf, date, t } from "./words.js";

const PAGE = 50; // chats that are read at once
const MOST = 1000; // that are read again after a change
const list = document.getElementById("session-list");
const search = /** @type {HTMLInputElement} */ (document.getElementById("session-search"));
const tagged = make("select", {
  "aria-label": t("tags"),
  hidden: true,
  change: () => listSessions(),
});
const bulk = make("div", { class: "bulk-chats", hidden: true });
let current = null;
let asked = 0;
let shown = "";
let sessions = []; // that are listed
let isWhole = false; // no more follow
let canShare = false;
let chosen = null; // ids, while chats are selected

export function offerSessionSearch() {
  let timer = null;
  search.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(listSessions, 200);
  });
  search.after(tagged, bulk);
  mayShare().then((may) => {
    canShare = may;
    if (may && sessions.length) showSessions();
  });
}

export async function listSessions() {
  const turn = ++asked;
  const limit = Math.min(MOST, Math.max(PAGE, sessions.length));
  const [found, tags] = await Promise.all([read({ limit }), get("api/sessions/tags")]);
  if (turn !== asked) return;
  const told = JSON.stringify([search.value, tagged.value, found, tags]);
  if (told === shown) return; // a menu that is open stays so
  shown = told;
  offerTags(tags);
  sessions = found;
  isWhole = found.length < limit;
  showSessions();
  if (words()) announce(found.map((each) => each.title).join(", ") || t("noSessionsFound"));
}

function read(query) {
  return get("api/sessions", { search: words(), tag: tagged.value, ...query });
}

function words() {
  return search.value.trim();
}

function offerTags(tags) {
  const value = tagged.value;
  const options = Object.entries(tags).map(([tag, count]) =>
    make("option", { value: tag }, `${tag} (${count})`),
  );
  tagged.hidden = !options.length;
  tagged.replaceChildren(make("option", { value: "" }, t("allChats")), ...options);
  tagged.value = value in tags ? value : "";
}

function showSessions() {
  const none = t(words() || tagged.value ? "noSessionsFound" : "noSessions");
  const entries = sessions.length ? byAge(sessions) : [make("li", { class: "quiet" }, none)];
  list.replaceChildren(...entries);
  markSession(current);
  showBulk();
  if (!isWhole) offerMore();
}

function offerMore() {
  const end = make("li", { class: "more-chats", "aria-hidden": "true" });
  const observer = new IntersectionObserver(
    ([{ isIntersecting }]) => {
      if (!isIntersecting) return;
      observer.disconnect();
      showMore().catch(complain);
    },
    { root: list, rootMargin: "400px" },
  );
  list.append(end);
  observer.observe(end);
}

async function showMore() {
  const turn = asked;
  const more = await read({ limit: PAGE, after: sessions.at(-1).cursor });
  if (turn !== asked) return; // the list was read anew
  const known = new Set(sessions.map((each) => each.id));
  sessions = [...sessions, ...more.filter((each) => !known.has(each.id))];
  isWhole = more.length < PAGE;
  const { scrollTop } = list;
  showSessions();
  list.scrollTop = scrollTop;
}

export function markSession(id) {
  current = id;
  for (const link of list.querySelectorAll("a"))
    link.ariaCurrent = link.dataset.id === id ? "page" : null;
}

// A line before the pinned ones, and before the first chat of each day or month.
function byAge(some) {
  const ages = some.map((each) => (each.is_pinned ? t("pinned") : ageOf(each.updated)));
  return some.flatMap((session, at) =>
    ages[at] === ages[at - 1]
      ? [entry(session)]
      : [make("li", { class: "age" }, ages[at]), entry(session)],
  );
}

function entry(session) {
  const title = session.title || session.id;
  const tags = session.tags.map((tag) => make("span", { class: "tag" }, tag));
  const link = make(
    "a",
    {
      href: chatAddress(session.id),
      "data-id": session.id,
      title: `${title}\n${date(session.updated)}`,
    },
    make("span", { class: "title" }, marked(title, words())),
    session.excerpt ? make("span", { class: "excerpt" }, marked(session.excerpt, words())) : null,
    tags.length ? make("span", { class: "tags" }, tags) : null,
  );
  if (chosen) return make("li", { class: "choosing" }, choice(session, title), link);
  const actions = menu({ label: t("sessionActions", { title }), picture: "more" }, [
    [t(session.is_pinned ? "unpin" : "pin"), () => change(session, { pinned: !session.is_pinned })],
    [t("rename"), () => rename(session)],
    [t("tags"), () => retag(session)],
    [t("exportMarkdown"), () => exportAs(session, "markdown", "md")],
    [t("exportJson"), () => exportAs(session, "json", "json")],
    ...(canShare ? [[t("share"), () => showLinks(session).catch(complain)]] : []),
    [t("selectChats"), () => select([session.id])],
    [t("delete"), () => forget([session]), "danger"],
  ]);
  return make("li", {}, link, actions);
}

function choice(session, title) {
  const box = make("input", {
    type: "checkbox",
    "aria-label": t("chooseChat", { title }),
    checked: chosen.has(session.id),
    change: () => {
      chosen[box.checked ? "add" : "delete"](session.id);
      showBulk();
    },
  });
  return box;
}

function select(ids) {
  chosen = ids && new Set(ids);
  showSessions();
  const first = /** @type {HTMLElement} */ (list.querySelector("input:checked"));
  first?.focus();
}

function showBulk() {
  bulk.hidden = !chosen;
  if (!chosen) return;
  const some = sessions.filter((each) => chosen.has(each.id));
  const all = () => select(sessions.map((each) => each.id));
  const away = () => forget(some).then(() => select(null));
  bulk.replaceChildren(
    make("span", { role: "status" }, t("chatsChosen", { n: some.length })),
    button(t("chooseAllChats"), all, { class: "link" }),
    button(t("delete"), away, { class: "danger", disabled: !some.length }),
    button(t("cancel"), () => select(null), { class: "plain" }),
  );
}

function change(session, values) {
  return patch(address("api/sessions", session.id), values).then(listSessions, complain);
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
  if (await dialog({ title: t("rename"), body, accept: t("save") }))
    await change(session, { title: input.value });
}

async function retag(session) {
  const input = make("input", { value: session.tags.join(", "), maxlength: 1000, autofocus: true });
  const body = make("label", { class: "field" }, t("tagsByCommas"), input);
  if (!(await dialog({ title: t("tags"), body, accept: t("save") }))) return;
  const tags = input.value.split(",").map((each) => each.trim());
  await change(session, { tags: tags.filter(Boolean) });
}

async function exportAs(session, format, ending) {
  const name = (session.title || session.id).replace(/[^\p{L}\p{N}]+/gu, "-").slice(0, 60);
  save(
    await file(`${address("api/sessions", session.id)}/export?format=${format}`),
    `${name}.${ending}`,
  );
}

// At once, and for a while they can be brought back.
async function forget(some) {
  const ids = some.map((each) => each.id);
  await post("api/sessions/delete", { ids });
  if (ids.includes(current)) location.hash = "#/";
  await listSessions();
  search.focus();
  offer(t("chatsDeleted", { n: ids.length }), t("undo"), async () => {
    await post("api/sessions/restore", { ids });
    await listSessions();
  });
}
