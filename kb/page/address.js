// What the address after # names: a chat, a turn of it, what the turn cites; or another page.

// #/ a new chat, #/chat/ID one of before, …/turn/ID a turn of it, …/source/N what it cites under a
// number, …/N/K for the Kth statement behind which that stands; #/verified, #/documents,
// #/document/ROOT/PATH, #/passage/ID
export function readAddress(hash = location.hash) {
  try {
    const [, page = "", id = "", ...rest] = hash.split("/").map(decodeURIComponent);
    if (page !== "chat") return { page, id: [id, ...rest].join("/") };
    const [kind, turn = "", what, source, statement = "1"] = rest;
    if (kind !== "turn" || !turn) return { page, id };
    if (what !== "source") return { page, id, turn };
    return { page, id, turn, source: Number(source), statement: Number(statement) };
  } catch {
    return { page: "", id: "" };
  }
}

export function chatAddress(id) {
  return `#/chat/${encodeURIComponent(id)}`;
}

export function turnAddress(id, turn) {
  return `${chatAddress(id)}/turn/${encodeURIComponent(turn)}`;
}

export function sourceAddress(id, turn, number, statement) {
  return `${turnAddress(id, turn)}/source/${number}/${statement}`;
}

// What somebody can open who may see it, too.
export function linkTo(address) {
  return new URL(address, location.href).href;
}

// Back closes what was opened, however often something else took its place.
export function open(address) {
  const isOpen = readAddress().source !== undefined;
  const state = { isOpened: !isOpen || Boolean(history.state?.isOpened) };
  history[isOpen ? "replaceState" : "pushState"](state, "", address);
  tellChange();
}

export function close() {
  if (history.state?.isOpened) return history.back();
  history.replaceState(null, "", chatAddress(readAddress().id));
  tellChange();
}

function tellChange() {
  window.dispatchEvent(new HashChangeEvent("hashchange"));
}
