// What stands where: the address after # chooses a chat or the documents.

import { chatAddress, readAddress } from "./address.js";
import { showAdmin } from "./admin.js";
import { complain } from "./announce.js";
import { Conversation } from "./conversation.js";
import { showDocument } from "./document.js";
import { showDocuments } from "./documents.js";
import { icon, shown } from "./dom.js";
import { takeDrops } from "./drops.js";
import { watchJobs } from "./jobs.js";
import { offerKeys } from "./keys.js";
import { offerPalette } from "./palette.js";
import { closePassage, openPassage } from "./passage.js";
import { applyPreferences, offerPreferences } from "./preferences.js";
import { showMe } from "./me.js";
import { listSessions, markSession, offerSessionSearch } from "./sessions.js";
import { closeSidebar, offerSidebar } from "./sidebar.js";
import { showShared } from "./shared.js";
import { learnSources } from "./sources.js";
import { learnState, mayAdminister } from "./state.js";
import { listen } from "./tabs.js";
import { offerTray } from "./tray.js";
import { showVerified } from "./verified.js";
import { t, translate } from "./words.js";

const MOST_CHARACTERS = 80; // of a title
const TITLES = { documents: "documents", verified: "verifiedQueries", admin: "administration" };
const main = document.getElementById("main");
const underWay = new Map(); // chats that are answered while something else is shown
let conversation = null;

function show() {
  const { page, id, ...where } = readAddress();
  if (page === "chat" && conversation?.id === id) return conversation.showPlace(where);
  if (conversation?.isBusy) underWay.set(conversation.id, conversation);
  conversation = null;
  closePassage();
  closeSidebar();
  mark(page, id);
  entitle(page in TITLES ? t(TITLES[page]) : "");
  if (page === "documents") showDocuments(main);
  else if (page === "verified") showVerified(main);
  else if (page === "document") showDocument(main, id, entitle);
  else if (page === "admin") showAdmin(main);
  else if (page === "shared") showShared(main, id, entitle);
  else showConversation(page === "chat" ? id : null, where);
  if (page === "passage") openPassage({ chunk: id, title: "", excerpt: "" });
}

function showConversation(id, where) {
  const known = underWay.get(id);
  underWay.delete(id);
  conversation = known ?? new Conversation(id, { begun, titled });
  main.replaceChildren(conversation.element);
  const chosen = conversation;
  if (known) {
    entitle(known.title);
    known.restoreOptions();
  }
  const opening = known ? Promise.resolve() : chosen.open();
  if (where.turn) opening.then(() => chosen === conversation && chosen.showPlace(where));
}

// A chat that was new has its first turn, or one more.
function begun(id, isNew) {
  if (isNew && conversation?.id === id) {
    history.replaceState(null, "", chatAddress(id));
    mark("chat", id);
  }
  return listSessions();
}

function titled(id, title) {
  if (conversation?.id === id) entitle(title);
}

function mark(page, id) {
  const here = {
    "to-documents": page.startsWith("document"),
    "to-verified": page === "verified",
    "to-admin": page === "admin",
    "to-new": page === "",
  };
  for (const [link, isHere] of Object.entries(here))
    document.getElementById(link).ariaCurrent = isHere ? "page" : null;
  markSession(page === "chat" ? id : null);
}

function entitle(title) {
  const words = shown(title).slice(0, MOST_CHARACTERS);
  document.title = words ? `${words} · kb` : "kb";
  document.getElementById("place").textContent = words;
}

await applyPreferences();
translate(document);
for (const element of document.querySelectorAll("[data-icon]"))
  element.prepend(icon(element.getAttribute("data-icon")));
offerPreferences();
offerSidebar();
window.addEventListener("hashchange", () => {
  if (readAddress().id !== conversation?.id) main.focus({ preventScroll: true });
  show();
});
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
window.addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  complain(event.reason);
});
show();
// Who only has a link to a chat needs no key, and is offered nothing else.
if (readAddress().page !== "shared") offerEverything();

function offerEverything() {
  offerSessionSearch();
  takeDrops();
  offerTray();
  offerKeys();
  offerPalette();
  // Another tab, or another machine, may have asked meanwhile.
  listen(({ session, jobs }) => {
    if (jobs) return watchJobs();
    if (session === conversation?.id) conversation.refresh();
    listSessions();
  });
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") conversation?.refresh();
  });
  learnState();
  showMe();
  mayAdminister().then((may) => (document.getElementById("to-admin").hidden = !may));
  learnSources().then((sources) => {
    document.getElementById("to-verified").hidden = !sources.includes("database");
  });
  listSessions();
}
