// What stands where: the address after # chooses a chat or the documents.

import { complain } from "./announce.js";
import { get } from "./api.js";
import { Conversation } from "./conversation.js";
import { showDocuments } from "./documents.js";
import { icon, make } from "./dom.js";
import { forgetKey, hasKey } from "./key.js";
import { closePassage } from "./passage.js";
import { applyPreferences, offerPreferences } from "./preferences.js";
import { listSessions, markSession, offerSessionSearch } from "./sessions.js";
import { closeSidebar, offerSidebar } from "./sidebar.js";
import { t, translate } from "./words.js";

const main = document.getElementById("main");
const underWay = new Map(); // chats that are answered while something else is shown
let conversation = null;

// #/ a new chat, #/chat/ID one of before, #/documents
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
  if (page === "documents") showDocuments(main);
  else showConversation(page === "chat" ? id : null);
  mark(page, id);
}

function showConversation(id) {
  const known = underWay.get(id);
  underWay.delete(id);
  conversation = known ?? new Conversation(id, begun);
  main.replaceChildren(conversation.element);
  if (!known) conversation.open();
}

// A chat that was new has its first turn, or one more.
function begun(id, isNew) {
  if (isNew && conversation?.id === id) {
    history.replaceState(null, "", `#/chat/${encodeURIComponent(id)}`);
    mark("chat", id);
  }
  return listSessions();
}

function mark(page, id) {
  document.getElementById("to-documents").ariaCurrent = page === "documents" ? "page" : null;
  document.getElementById("to-new").ariaCurrent = page === "" ? "page" : null;
  markSession(page === "chat" ? id : null);
  if (page !== "chat") document.title = page === "documents" ? `${t("documents")} · kb` : "kb";
  document.getElementById("place").textContent = page === "documents" ? t("documents") : "";
}

async function tellState() {
  const status = await get("api/status");
  const told = t("state", { n: status.documents, model: status.llm ?? t("noModel") });
  document.getElementById("state").replaceChildren(told);
  if (hasKey()) document.getElementById("state").append(" · ", forgetButton(status.key));
}

function forgetButton(name) {
  return make(
    "button",
    { type: "button", class: "link", click: forgetKey, title: name },
    t("forgetKey"),
  );
}

applyPreferences();
translate(document);
for (const each of document.querySelectorAll("[data-icon]")) each.prepend(icon(each.dataset.icon));
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
show();
tellState();
listSessions();
