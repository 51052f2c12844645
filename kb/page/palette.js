// Ctrl+K: one field that finds chats, documents and what the page can do.

import { chatAddress } from "./address.js";
import { address, get } from "./api.js";
import { announce } from "./announce.js";
import { make } from "./dom.js";
import { showKeys } from "./keys.js";
import { t } from "./words.js";

const PAUSE = 150; // milliseconds without a key, after which the server is asked
const MOST = 6; // of each kind
const VIEWS = [
  ["new", "#/"],
  ["documents", "#/documents"],
  ["verifiedQueries", "#/verified"],
];

export function offerPalette() {
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey)) return;
    if (
      event.defaultPrevented ||
      event.altKey ||
      event.shiftKey ||
      document.querySelector("dialog[open]")
    )
      return;
    event.preventDefault();
    openPalette();
  });
}

export function openPalette() {
  const list = make("ul", { id: "palette-list", role: "listbox", "aria-label": t("palette") });
  const input = make("input", {
    type: "search",
    role: "combobox",
    autocomplete: "off",
    autofocus: true,
    dir: "auto",
    placeholder: t("palette"),
    "aria-label": t("palette"),
    "aria-controls": "palette-list",
    "aria-expanded": "true",
  });
  const element = make("dialog", { class: "palette", "aria-label": t("palette") }, input, list);
  const choices = new Choices(input, list, () => element.close());
  let timer = null;
  input.addEventListener("input", () => {
    clearTimeout(timer);
    choices.show(commands(input.value));
    timer = setTimeout(() => choices.find(input.value), PAUSE);
  });
  input.addEventListener("keydown", (event) => choices.pressed(event));
  element.addEventListener("click", (event) => event.target === element && element.close());
  element.addEventListener("close", () => {
    clearTimeout(timer);
    element.remove();
  });
  document.body.append(element);
  element.showModal();
  choices.show(commands(""));
  choices.find("");
}

class Choices {
  constructor(input, list, close) {
    this.input = input;
    this.list = list;
    this.close = close;
    this.at = 0;
    this.asked = 0;
  }

  // What the page can do stands first, as it is known at once.
  async find(words) {
    const turn = ++this.asked;
    const found = await Promise.all([findChats(words), findDocuments(words)]);
    if (turn !== this.asked || !this.list.isConnected) return;
    const { at } = this; // somebody may have chosen meanwhile
    this.show([...commands(words), ...found.flat()]);
    this.mark(at);
    announce(t("paletteFound", { n: this.list.children.length }));
  }

  show(found) {
    this.list.replaceChildren(...found.map((each, at) => this.option(each, at)));
    this.mark(0);
  }

  option({ kind, words, run }, at) {
    const chosen = () => {
      this.close();
      run();
    };
    return make(
      "li",
      { role: "option", id: `palette-${at}`, click: chosen, pointermove: () => this.mark(at) },
      make("span", { class: "title" }, words),
      make("span", { class: "quiet" }, kind),
    );
  }

  mark(at) {
    this.at = at;
    for (const [place, option] of [...this.list.children].entries())
      option.ariaSelected = String(place === at);
    const chosen = this.list.children[at];
    if (chosen) this.input.setAttribute("aria-activedescendant", chosen.id);
    else this.input.removeAttribute("aria-activedescendant");
    chosen?.scrollIntoView({ block: "nearest" });
  }

  pressed(event) {
    const count = this.list.children.length;
    if (!count || event.isComposing) return;
    if (event.key === "ArrowDown") this.mark((this.at + 1) % count);
    else if (event.key === "ArrowUp") this.mark((this.at - 1 + count) % count);
    else if (event.key === "Enter") this.list.children[this.at].click();
    else return;
    event.preventDefault();
  }
}

function commands(words) {
  const views = VIEWS.filter(([name]) => isOffered(name)).map(([name, place]) => ({
    kind: t("pages"),
    words: t(name),
    run: () => (location.hash = place),
  }));
  const keys = { kind: t("keys"), words: t("keyHelp"), run: showKeys };
  const wanted = words.trim().toLocaleLowerCase();
  return [...views, keys].filter((each) => each.words.toLocaleLowerCase().includes(wanted));
}

// Where there are no tables there is no page of verified queries.
function isOffered(name) {
  return name !== "verifiedQueries" || !document.getElementById("to-verified").hidden;
}

async function findChats(words) {
  const chats = await get("api/sessions", { search: words.trim() }).catch(() => []);
  return chats.slice(0, MOST).map(({ id, title }) => ({
    kind: t("sessions"),
    words: title || id,
    run: () => (location.hash = chatAddress(id)),
  }));
}

async function findDocuments(words) {
  if (!words.trim()) return [];
  const query = { search: words.trim(), limit: MOST };
  const { documents } = await get("api/documents", query).catch(() => ({ documents: [] }));
  return documents.map(({ root, path, title }) => ({
    kind: t("documents"),
    words: title || path,
    run: () => (location.hash = `#/${address("document", root, path)}`),
  }));
}
