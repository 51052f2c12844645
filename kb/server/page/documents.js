// The documents: which there are, what became of them, and adding more.

import { address, file, get, post, remove } from "./api.js";
import { announce } from "./announce.js";
import { dialog } from "./dialog.js";
import { button, make } from "./dom.js";
import { hasKey } from "./key.js";
import { menu } from "./menu.js";
import { originalPath } from "./passage.js";
import { save } from "./save.js";
import { Upload } from "./upload.js";
import { date, number, t } from "./words.js";

const PAGE = 50;
const UPLOADS = "uploads";

export function showDocuments(main) {
  const list = new DocumentList();
  const upload = new Upload(() => list.reload());
  main.replaceChildren(
    make(
      "div",
      { class: "documents" },
      make(
        "header",
        {},
        make("h1", {}, t("documents")),
        make("p", { class: "quiet" }, t("documentsDetail")),
      ),
      upload.element,
      list.element,
    ),
  );
  list.reload();
  list.offerRoots();
}

class DocumentList {
  constructor() {
    const changed = () => this.reload();
    this.search = make("input", {
      type: "search",
      placeholder: t("searchDocuments"),
      "aria-label": t("searchDocuments"),
      input: () => this.later(),
    });
    this.status = make(
      "select",
      { "aria-label": t("status"), change: changed },
      make("option", { value: "" }, t("anyStatus")),
      make("option", { value: "indexed" }, t("statusIndexed")),
      make("option", { value: "failed" }, t("statusFailed")),
    );
    this.root = make(
      "select",
      { "aria-label": t("root"), change: changed },
      make("option", { value: "" }, t("anyRoot")),
    );
    this.count = make("p", { class: "quiet", role: "status" });
    this.body = make("tbody");
    this.more = button(t("more"), () => this.load().catch((error) => this.tell(error)), {
      hidden: true,
    });
    const filters = make(
      "div",
      { class: "filters", role: "search", "aria-label": t("filterDocuments") },
      this.search,
      this.status,
      this.root,
      this.count,
    );
    const names = ["name", "status", "passages", "size", "indexedAt"].map((word) =>
      make("th", { scope: "col", class: `of-${word}` }, t(word)),
    );
    const head = make(
      "thead",
      {},
      make(
        "tr",
        {},
        names,
        make("th", { scope: "col" }, make("span", { class: "hidden" }, t("actions"))),
      ),
    );
    this.element = make(
      "section",
      { "aria-label": t("documents") },
      filters,
      make("table", { class: "document-table" }, head, this.body),
      this.more,
    );
    this.turn = 0;
  }

  later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.reload(), 200);
  }

  async offerRoots() {
    const { roots } = await get("api/status").catch(() => ({ roots: [] }));
    this.root.append(...roots.map((each) => make("option", { value: each.name }, each.name)));
  }

  reload() {
    this.shown = 0;
    return this.load().catch((error) => this.tell(error));
  }

  tell(error) {
    this.count.textContent = t("error", { reason: error.message });
  }

  async load() {
    const turn = ++this.turn;
    const query = {
      search: this.search.value.trim(),
      status: this.status.value,
      root: this.root.value,
      offset: this.shown,
      limit: PAGE,
    };
    const { documents, total } = await get("api/documents", query);
    if (turn !== this.turn) return;
    const rows = documents.map((each) => this.row(each));
    if (this.shown) this.body.append(...rows);
    else this.body.replaceChildren(...rows);
    this.shown += documents.length;
    this.more.hidden = this.shown >= total;
    this.count.textContent = total ? t("documentsFound", { n: total }) : t("noDocuments");
  }

  row(document) {
    const { path, title, root, status, reason, chunks, size, indexed_at: when } = document;
    const name = make(
      "th",
      { scope: "row" },
      original(document),
      make(
        "span",
        { class: "quiet" },
        [root, title && title !== path ? path : null].filter(Boolean).join(" / "),
      ),
      reason ? make("span", { class: "problem" }, reason) : null,
    );
    const state = make(
      "td",
      { class: "of-status" },
      make(
        "span",
        { class: `status ${status}` },
        t(status === "failed" ? "statusFailed" : "statusIndexed"),
      ),
    );
    const cells = [
      ["passages", status === "failed" ? "–" : number(chunks)],
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
      state,
      cells.map(([word, text]) => make("td", { class: `of-${word}`, "data-label": t(word) }, text)),
      make("td", { class: "of-actions" }, actions),
    );
  }

  async retry({ root, path }) {
    await post(`${address("api/documents", root, path)}/retry`);
    announce(t("retrying", { name: path }));
    this.count.textContent = t("retrying", { name: path });
    setTimeout(() => this.reload(), 2500);
  }

  async forget({ root, path }) {
    const body = make(
      "p",
      {},
      t(root === UPLOADS ? "deleteUploaded" : "deleteIndexed", { name: path }),
    );
    if (
      !(await dialog({ title: t("deleteDocument"), body, accept: t("forget"), isDangerous: true }))
    )
      return;
    await remove(address("api/documents", root, path));
    await this.reload();
    this.search.focus();
  }
}

function original({ root, path, title }) {
  const target = originalPath(root, path);
  const label = title || path;
  if (hasKey())
    return button(label, async () => save(await file(target), path.split("/").pop()), {
      class: "link title",
    });
  return make("a", { href: target, target: "_blank", rel: "noopener", class: "title" }, label);
}

function bytes(size) {
  const [unit, value] = size < 1e6 ? ["kilobyte", size / 1e3] : ["megabyte", size / 1e6];
  return number(value, { style: "unit", unit, maximumFractionDigits: value < 10 ? 1 : 0 });
}
