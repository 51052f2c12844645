// The table of documents: by folder, filtered, in an order, and with what is done to those chosen.

import { address, get } from "./api.js";
import { uploadInto } from "./drops.js";
import { button, icon, make } from "./dom.js";
import { actionsOf, forgetAll, readAllAgain } from "./document_actions.js";
import { foundIn } from "./found.js";
import { originalLink } from "./original.js";
import { learnedState, learnState, mayChange } from "./state.js";
import { UPLOADS } from "./tray.js";
import { bytes, date, number, t } from "./words.js";

const PAGE = 50;
const SORTS = {
  name: "name",
  status: "status",
  passages: "passages",
  size: "size",
  indexedAt: "indexed",
}; // what the server calls them
const MOST_FIRST = ["passages", "size", "indexedAt"];

export class DocumentList {
  constructor() {
    this.turn = 0;
    this.may = { isMine: false, isLimited: false };
    this.sort = { word: "name", descending: false };
    this.folder = "";
    this.chosen = new Map(); // documents by their root and path
    this.search = make("input", {
      type: "search",
      placeholder: t("searchDocuments"),
      "aria-label": t("searchDocuments"),
      input: () => this.later(),
    });
    this.where = this.select("searchIn", [
      ["inNames", "names"],
      ["inContents", "contents"],
    ]);
    this.status = this.select("status", [
      ["anyStatus", ""],
      ["statusIndexed", "indexed"],
      ["statusFailed", "failed"],
    ]);
    this.root = this.select("root", [["anyRoot", ""]]);
    this.root.addEventListener("change", () => (this.folder = ""), { capture: true });
    this.order = this.select(
      "order",
      Object.keys(SORTS).map((word) => [word, word]),
      () => this.sortBy(this.order.value),
    );
    this.count = make("p", { class: "quiet", role: "status" });
    this.path = make("nav", { class: "folder-path", "aria-label": t("folder"), hidden: true });
    this.bulk = make("div", { class: "bulk", hidden: true });
    this.head = make("thead");
    this.body = make("tbody");
    this.table = make("table", { class: "document-table" }, this.head, this.body);
    this.note = make("div", { class: "nothing", hidden: true });
    this.more = button(t("more"), () => this.load().catch((error) => this.tell(error)), {
      hidden: true,
    });
    const filters = { class: "filters", role: "search", "aria-label": t("filterDocuments") };
    const choices = [this.search, this.where, this.status, this.root, this.order, this.count];
    this.element = make(
      "section",
      { "aria-label": t("documents") },
      make("div", filters, choices),
      this.path,
      this.bulk,
      this.table,
      this.note,
      this.more,
    );
    this.order.classList.add("narrow-only");
  }

  select(label, choices, change = () => this.reload()) {
    const options = choices.map(([word, value]) => make("option", { value }, t(word)));
    return make("select", { "aria-label": t(label), change }, options);
  }

  async begin() {
    this.may = await mayChange();
    await Promise.all([this.offerRoots(learnedState()), this.reload()]);
  }

  later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.reload(), 250);
  }

  async offerRoots(state) {
    const { roots = [] } = await state;
    const chosen = this.root.value;
    const options = roots.map((each) => make("option", { value: each.name }, each.name));
    this.root.replaceChildren(this.root.options[0], ...options);
    this.root.value = chosen;
  }

  changed() {
    this.offerRoots(learnState());
    return this.reload();
  }

  reload() {
    this.shown = 0;
    return this.load().catch((error) => this.tell(error));
  }

  tell(error) {
    const words = t("error", { reason: error.message });
    this.say(
      make("p", { class: "problem", role: "alert" }, words),
      button(t("again"), () => this.reload()),
    );
  }

  say(...parts) {
    this.note.replaceChildren(...parts);
    this.note.hidden = !parts.length;
  }

  async load() {
    const turn = ++this.turn;
    const words = this.search.value.trim();
    const isOfContents = this.where.value === "contents" && words !== "";
    const isFoldered = this.root.value !== "" && !words && !this.status.value;
    uploadInto(isFoldered && this.root.value === UPLOADS ? this.folder : "");
    this.showPath(isFoldered);
    this.table.hidden = isOfContents;
    if (isOfContents) return this.showFound(words, turn);
    const chosen = { search: words, status: this.status.value, root: this.root.value };
    const { documents, folders, total } = await get("api/documents", {
      ...chosen,
      sort: SORTS[this.sort.word],
      descending: this.sort.descending,
      offset: this.shown,
      limit: PAGE,
      ...(isFoldered ? { folder: `/${this.folder}` } : {}),
    });
    if (turn !== this.turn) return;
    if (!this.shown) this.showFirst(documents, folders);
    this.body.append(...documents.map((each) => this.row(each)));
    this.shown += documents.length;
    this.more.hidden = this.shown >= total;
    this.count.textContent = t("documentsFound", { n: total });
    const isFiltered = Object.values(chosen).some(Boolean);
    const nothing = t(
      isFiltered ? "noDocuments" : this.may.isMine ? "noDocumentsYet" : "nothingYet",
    );
    this.say(...(total || folders.length ? [] : [make("p", {}, nothing)]));
  }

  // What is selected stays so while something else changes the list.
  showFirst(documents, folders) {
    const keys = new Set(documents.map(keyOf));
    for (const key of this.chosen.keys()) if (!keys.has(key)) this.chosen.delete(key);
    this.showChosen();
    this.head.replaceChildren(this.headings());
    this.body.replaceChildren(...folders.map((each) => this.folderRow(each)));
  }

  async showFound(words, turn) {
    const found = await foundIn(words, this.root.value);
    if (turn !== this.turn) return;
    this.chosen.clear();
    this.showChosen();
    this.more.hidden = true;
    this.count.textContent = t("documentsFound", { n: found.length });
    const list = make("ul", { class: "found" }, found);
    this.say(...(found.length ? [list] : [make("p", {}, t("noDocuments"))]));
  }

  // The way down to the folder that is shown.
  showPath(isFoldered) {
    this.path.hidden = !isFoldered || !this.folder;
    const parts = this.folder.split("/");
    const steps = [
      [this.root.value, ""],
      ...parts.map((name, at) => [name, parts.slice(0, at + 1).join("/")]),
    ];
    const shown = steps.map(([name, folder], at) =>
      make(
        "li",
        {},
        at === steps.length - 1
          ? make("span", { "aria-current": "location" }, name)
          : button(name, () => this.enter(folder), { class: "link" }),
      ),
    );
    this.path.replaceChildren(make("ol", {}, shown));
  }

  async enter(folder) {
    this.folder = folder;
    await this.reload();
    this.table.querySelector("button")?.focus();
  }

  folderRow({ name, documents }) {
    const folder = [this.folder, name].filter(Boolean).join("/");
    const link = button(name, () => this.enter(folder), { class: "link title" });
    link.prepend(icon("folder"));
    const head = make("th", { scope: "row", class: "of-name" }, link);
    const count = make("td", { class: "quiet", colspan: 5 }, t("documentsFound", { n: documents }));
    return make(
      "tr",
      { class: "folder" },
      this.may.isMine ? make("td", { class: "of-choice" }) : null,
      head,
      count,
    );
  }

  headings() {
    const names = Object.keys(SORTS).map((word) => {
      const isSorted = this.sort.word === word;
      const direction = this.sort.descending ? "descending" : "ascending";
      const mark = isSorted ? icon(this.sort.descending ? "falling" : "rising") : null;
      const sort = button(t(word), () => this.sortBy(word), { class: "plain sort" });
      sort.append(mark ?? "");
      return make(
        "th",
        { scope: "col", class: `of-${word}`, "aria-sort": isSorted ? direction : "none" },
        sort,
      );
    });
    const all = make("input", {
      type: "checkbox",
      "aria-label": t("chooseAll"),
      change: () => {
        for (const box of this.boxes()) if (box.checked !== all.checked) box.click();
      },
    });
    const last = make("th", { scope: "col", class: "of-actions" }, hidden(t("actions")));
    return make(
      "tr",
      {},
      this.may.isMine && make("th", { scope: "col", class: "of-choice" }, all),
      names,
      last,
    );
  }

  boxes() {
    return /** @type {NodeListOf<HTMLInputElement>} */ (
      this.body.querySelectorAll("input[type=checkbox]")
    );
  }

  sortBy(word) {
    const isSame = this.sort.word === word;
    const descending = isSame ? !this.sort.descending : MOST_FIRST.includes(word);
    this.sort = { word, descending };
    this.order.value = word;
    return this.reload().then(() => this.head.querySelector(`.of-${word} button`)?.focus());
  }

  row(document) {
    const { path, title, root, reason, chunks, size, indexed_at: when } = document;
    const isFailed = document.status === "failed";
    const place = [root, title && title !== path ? path : null].filter(Boolean).join(" / ");
    const name = make(
      "th",
      { scope: "row", class: "of-name" },
      make("a", { class: "title", href: linkTo(document) }, title || path),
      make("span", { class: "quiet" }, place),
      reason ? make("span", { class: "problem" }, reason) : null,
    );
    const cells = [
      [
        "status",
        make(
          "span",
          { class: isFailed ? "failed" : null },
          t(isFailed ? "statusFailed" : "statusIndexed"),
        ),
      ],
      ["passages", isFailed && !chunks ? "–" : number(chunks)],
      ["size", size == null ? "–" : bytes(size)],
      ["indexedAt", when ? date(when) : "–"],
    ];
    const original = originalLink(
      document,
      "plain icon-button",
      icon("open"),
      hidden(`${t("original")}: ${path}`),
    );
    return make(
      "tr",
      {},
      this.may.isMine && make("td", { class: "of-choice" }, this.choice(document)),
      name,
      cells.map(([word, text]) => make("td", { class: `of-${word}`, "data-label": t(word) }, text)),
      make("td", { class: "of-actions" }, original, actionsOf(document, this.may)),
    );
  }

  choice(document) {
    const key = keyOf(document);
    const box = make("input", {
      type: "checkbox",
      checked: this.chosen.has(key),
      "aria-label": t("chooseDocument", { name: document.path }),
      change: () => {
        if (box.checked) this.chosen.set(key, document);
        else this.chosen.delete(key);
        this.showChosen();
      },
    });
    return box;
  }

  showChosen() {
    this.bulk.hidden = !this.chosen.size;
    if (!this.chosen.size) return this.bulk.replaceChildren();
    const chosen = [...this.chosen.values()];
    const say = (words) => (this.bulk.firstChild.textContent = words);
    this.bulk.replaceChildren(
      make("p", { role: "status" }, t("documentsChosen", { n: chosen.length })),
      button(t("retry"), () => readAllAgain(chosen)),
      button(t("forget"), () => this.forget(chosen, say), { class: "danger" }),
      button(t("chooseNone"), () => this.chooseNone(), { class: "plain" }),
    );
  }

  async forget(chosen, say) {
    if (!(await forgetAll(chosen, say))) return;
    await this.changed();
    this.search.focus();
  }

  chooseNone() {
    for (const box of this.boxes()) box.checked = false;
    this.head.querySelector("input").checked = false;
    this.chosen.clear();
    this.showChosen();
  }
}

function keyOf({ root, path }) {
  return address(root, path);
}

function hidden(words) {
  return make("span", { class: "hidden" }, words);
}

export function linkTo({ root, path }) {
  return `#/document/${keyOf({ root, path })}`;
}
