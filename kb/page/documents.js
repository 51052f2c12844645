// The documents: which there are, what became of them, and adding more.

import { address, get, post, remove } from "./api.js";
import { announce } from "./announce.js";
import { dialog } from "./dialog.js";
import { button, make } from "./dom.js";
import { finished } from "./jobs.js";
import { menu } from "./menu.js";
import { originalLink } from "./original.js";
import { learnedState, learnState, mayWrite } from "./state.js";
import { Upload, UPLOADS } from "./upload.js";
import { date, number, t } from "./words.js";

const PAGE = 50;
const COLUMNS = ["name", "status", "passages", "size", "indexedAt"];

export async function showDocuments(main) {
  const list = new DocumentList(mayWrite());
  const detail = make("p", { class: "quiet" }, t("documentsDetail"));
  const head = make("header", {}, make("h1", {}, t("documents")), detail);
  const page = make("div", { class: "documents" }, head, list.element);
  main.replaceChildren(page);
  list.reload();
  list.offerRoots(learnedState());
  if (!(await mayWrite())) return;
  const upload = new Upload(() => list.changed());
  upload.takeDrops(page);
  head.after(upload.element);
}

class DocumentList {
  constructor(mayWrite) {
    this.mayWrite = mayWrite;
    this.turn = 0;
    this.search = make("input", {
      type: "search",
      placeholder: t("searchDocuments"),
      "aria-label": t("searchDocuments"),
      input: () => this.later(),
    });
    this.status = this.filter(
      "status",
      ["anyStatus", ""],
      [
        ["statusIndexed", "indexed"],
        ["statusFailed", "failed"],
      ],
    );
    this.root = this.filter("root", ["anyRoot", ""], []);
    this.count = make("p", { class: "quiet", role: "status" });
    this.body = make("tbody");
    this.note = make("div", { class: "nothing", hidden: true });
    this.more = button(t("more"), () => this.load().catch((error) => this.tell(error)), {
      hidden: true,
    });
    const filters = { class: "filters", role: "search", "aria-label": t("filterDocuments") };
    this.element = make(
      "section",
      { "aria-label": t("documents") },
      make("div", filters, this.search, this.status, this.root, this.count),
      make("table", { class: "document-table" }, headings(), this.body),
      this.note,
      this.more,
    );
  }

  filter(label, all, others) {
    const options = [all, ...others].map(([word, value]) => make("option", { value }, t(word)));
    return make("select", { "aria-label": t(label), change: () => this.reload() }, options);
  }

  later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.reload(), 200);
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
    const chosen = {
      search: this.search.value.trim(),
      status: this.status.value,
      root: this.root.value,
    };
    const query = { ...chosen, offset: this.shown, limit: PAGE };
    const { documents, total } = await get("api/documents", query);
    const isMine = await this.mayWrite;
    if (turn !== this.turn) return;
    const rows = documents.map((each) => this.row(each, isMine));
    if (this.shown) this.body.append(...rows);
    else this.body.replaceChildren(...rows);
    this.shown += documents.length;
    this.more.hidden = this.shown >= total;
    this.count.textContent = t("documentsFound", { n: total });
    const isFiltered = Object.values(chosen).some(Boolean);
    const nothing = t(isFiltered ? "noDocuments" : isMine ? "noDocumentsYet" : "nothingYet");
    this.say(...(total ? [] : [make("p", {}, nothing)]));
  }

  row(document, isMine) {
    const { path, title, root, reason, chunks, size, indexed_at: when } = document;
    const isFailed = document.status === "failed";
    const place = [root, title && title !== path ? path : null].filter(Boolean).join(" / ");
    const name = make(
      "th",
      { scope: "row" },
      originalLink(document, "title", title || path),
      make("span", { class: "quiet" }, place),
      reason ? make("span", { class: "problem" }, reason) : null,
    );
    const cells = [
      ["status", make("span", { class: isFailed ? "failed" : null }, t(stateOf(isFailed)))],
      ["passages", isFailed && !chunks ? "–" : number(chunks)],
      ["size", size == null ? "–" : bytes(size)],
      ["indexedAt", when ? date(when) : "–"],
    ];
    const actions = menu({ label: `${t("actions")}: ${path}`, picture: "more" }, [
      [t("retry"), () => this.retry(document)],
      [t("forget"), () => this.forget(document), "danger"],
    ]);
    return make(
      "tr",
      {},
      name,
      cells.map(([word, text]) => make("td", { class: `of-${word}`, "data-label": t(word) }, text)),
      make("td", { class: "of-actions" }, isMine ? actions : null),
    );
  }

  async retry({ root, path }) {
    const job = await post(`${address("api/documents", root, path)}/retry`);
    announce(t("retrying", { name: path }));
    this.count.textContent = t("retrying", { name: path });
    await finished(job);
    await this.changed();
  }

  async forget({ root, path }) {
    const word = root === UPLOADS ? "deleteUploaded" : "deleteIndexed";
    const body = make("p", {}, t(word, { name: path }));
    const asked = { title: t("deleteDocument"), body, accept: t("forget"), isDangerous: true };
    if (!(await dialog(asked))) return;
    await remove(address("api/documents", root, path));
    await this.changed();
    this.search.focus();
  }
}

function headings() {
  const names = COLUMNS.map((word) => make("th", { scope: "col", class: `of-${word}` }, t(word)));
  const actions = make("span", { class: "hidden" }, t("actions"));
  const last = make("th", { scope: "col", class: "of-actions" }, actions);
  return make("thead", {}, make("tr", {}, names, last));
}

function stateOf(isFailed) {
  return isFailed ? "statusFailed" : "statusIndexed";
}

function bytes(size) {
  const [unit, value] = size < 1e6 ? ["kilobyte", size / 1e3] : ["megabyte", size / 1e6];
  return number(value, { style: "unit", unit, maximumFractionDigits: value < 10 ? 1 : 0 });
}
