// What stands where: the address after # chooses a chat or the documents.

import { complain } from "./announce.js";
import { Conversation } from "./conversation.js";
import { showDocument } from "./document.js";
import { showDocuments } from "./documents.js";
import { icon, shown } from "./dom.js";
import { takeDrops } from "./drops.js";
import { watchJobs } from "./jobs.js";
import { closePassage, openPassage } from "./passage.js";
import { applyPreferences, offerPreferences } from "./preferences.js";
import { listSessions, markSession, offerSessionSearch } from "./sessions.js";
import { closeSidebar, offerSidebar } from "./sidebar.js";
import { learnState } from "./state.js";
import { listen } from "./tabs.js";
import { offerTray } from "./tray.js";
import { t, translate } from "./words.js";

const MOST_CHARACTERS = 80; // of a title
const main = document.getElementById("main");
const underWay = new Map(); // chats that are answered while something else is shown
let conversation = null;

// #/ a new chat, #/chat/ID one of before, #/documents, #/document/ROOT/PATH, #/passage/ID
function place() {
  const [, page = "", id = ""] = location.hash.match(/^#\/(\w*)\/?(.*)$/) ?? [];
  try {
    return { page, id: decodeURIComponent(id) };
  } catch {
    return { page: "", id: "" };
  }
}

function show() {
  const { page, id } = place();
  if (page === "chat" && conversation?.id === id) return;
  if (conversation?.isBusy) underWay.set(conversation.id, conversation);
  conversation = null;
  closePassage();
  closeSidebar();
  mark(page, id);
  entitle(page === "documents" ? t("documents") : "");
  if (page === "documents") showDocuments(main);
  else if (page === "document") showDocument(main, id, entitle);
  else showConversation(page === "chat" ? id : null);
  if (page === "passage") openPassage({ chunk: id, title: "", excerpt: "" });
}

function showConversation(id) {
  const known = underWay.get(id);
  underWay.delete(id);
  conversation = known ?? new Conversation(id, { begun, titled });
  main.replaceChildren(conversation.element);
  if (known) entitle(known.title);
  else conversation.open();
}

// A chat that was new has its first turn, or one more.
function begun(id, isNew) {
  if (isNew && conversation?.id === id) {
    history.replaceState(null, "", `#/chat/${encodeURIComponent(id)}`);
    mark("chat", id);
  }
  return listSessions();
}

function titled(id, title) {
  if (conversation?.id === id) entitle(title);
}

function mark(page, id) {
  document.getElementById("to-documents").ariaCurrent = page.startsWith("document") ? "page" : null;
  document.getElementById("to-new").ariaCurrent = page === "" ? "page" : null;
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
offerSessionSearch();
window.addEventListener("hashchange", () => {
  main.focus({ preventScroll: true });
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
takeDrops();
offerTray();
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
show();
listSessions();
