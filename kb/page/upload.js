// Files that are dropped or chosen: sent with progress, and followed until they are indexed.

import { get, Problem } from "./api.js";
import { announce } from "./announce.js";
import { button, icon, make, shown } from "./dom.js";
import { finished } from "./jobs.js";
import { askForKey, authorization } from "./key.js";
import { spoken, t } from "./words.js";

export const UPLOADS = "uploads"; // the directory of what was sent
const PAGE = 1000;
const UNAUTHORIZED = 401;
const CONFLICT = 409;

export class Upload {
  constructor(indexed) {
    this.indexed = indexed;
    this.input = make("input", {
      type: "file",
      multiple: true,
      class: "hidden",
      tabindex: "-1",
      "aria-label": t("upload"),
      change: () => this.send([...this.input.files]),
    });
    this.bars = make("div", { class: "uploads", role: "status" });
    const choose = button(t("choose"), () => this.input.click(), { class: "link" });
    this.zone = make(
      "div",
      { class: "drop" },
      icon("upload"),
      make("p", {}, t("dropHere"), " ", choose),
      this.input,
    );
    this.element = make("section", { "aria-label": t("upload") }, this.zone, this.bars);
  }

  // Anywhere on `page`.
  takeDrops(page) {
    const over = (isOver) => (event) => {
      event.preventDefault();
      this.zone.classList.toggle("over", isOver);
    };
    page.addEventListener("dragover", over(true));
    page.addEventListener("dragleave", over(false));
    page.addEventListener("drop", (event) => {
      over(false)(event);
      this.take([...event.dataTransfer.items]);
    });
  }

  // Of a directory browsers give a file that cannot be read.
  take(items) {
    const dropped = items.filter((each) => each.kind === "file");
    const isDirectory = (each) => each.webkitGetAsEntry()?.isDirectory;
    for (const each of dropped.filter(isDirectory)) {
      const bar = progress(shown(each.getAsFile().name));
      bar.end(t("noDirectories"), "problem");
      this.bars.prepend(bar.element);
    }
    this.send(dropped.filter((each) => !isDirectory(each)).map((each) => each.getAsFile()));
  }

  async send(files, replace = false) {
    if (!files.length) return;
    this.input.value = "";
    const bar = progress(shown(files.map((each) => each.name).join(", ")));
    this.bars.prepend(bar.element);
    try {
      await this.follow(await sent(files, replace, bar.set), bar);
    } catch (error) {
      if (error.status === CONFLICT && error.paths) return this.offerReplacing(files, error, bar);
      bar.end(t("uploadFailed", { reason: error.message }), "problem");
    }
  }

  offerReplacing(files, { paths }, bar) {
    bar.end(t("uploadThere", { n: paths.length }), "asking");
    const replace = () => {
      bar.element.remove();
      this.send(files, true);
    };
    bar.element.append(
      button(t("replace"), replace),
      button(t("cancel"), () => bar.element.remove(), { class: "plain" }),
    );
  }

  async follow({ job, documents, passed_over: passedOver, reasons }, bar) {
    bar.say(t("queued"));
    await finished(job, ({ files, total }) =>
      bar.set(files, total, t("indexing", { files, total })),
    );
    const unread = passedOver.map((path) => ({ path, reason: reasons[path] ?? t("notRead") }));
    const failures = [...(await failuresAmong(documents.map((each) => each.path))), ...unread];
    const all = documents.length + unread.length;
    const words = told(all - failures.length, failures.length);
    bar.end(words, failures.length ? "problem" : "good");
    bar.list(failures.map(({ path, reason }) => `${path}: ${reason}`));
    announce(words);
    this.indexed();
  }
}

// What the list says of them, as a file may have been indexed or removed by others since.
async function failuresAmong(paths) {
  const known = new Map();
  for (let offset = 0, total = 1; offset < total; offset += PAGE) {
    const page = await get("api/documents", { root: UPLOADS, offset, limit: PAGE });
    total = page.total;
    for (const document of page.documents) known.set(document.path, document);
  }
  return paths
    .map((path) => ({ path, ...(known.get(path) ?? { status: "none", reason: t("notRead") }) }))
    .filter((each) => each.status !== "indexed");
}

function told(indexed, failed) {
  const parts = [
    indexed ? t("indexed", { n: indexed }) : null,
    failed ? t("indexedFailed", { n: failed }) : null,
  ];
  return parts.filter(Boolean).join(" ");
}

function progress(names) {
  const label = make("span", {}, t("uploading", { names }));
  const bar = make("progress", { "aria-label": names });
  const element = make("div", { class: "upload" }, label, bar);
  const say = (words) => (label.textContent = `${names}: ${words}`);
  return {
    element,
    say,
    set(done, total, words = null) {
      if (total) Object.assign(bar, { value: done, max: total });
      if (words) say(words);
    },
    end(words, kind) {
      bar.remove();
      say(words);
      element.classList.add(kind);
    },
    list(lines) {
      if (lines.length)
        element.append(
          make(
            "ul",
            {},
            lines.map((line) => make("li", {}, line)),
          ),
        );
    },
  };
}

// fetch does not tell how much of a body has been sent; the older interface does.
async function sent(files, replace, tell) {
  const response = await sentOnce(files, replace, tell);
  if (response.status === UNAUTHORIZED && (await askForKey())) return sent(files, replace, tell);
  if (response.status >= 400) throw new Problem({ title: response.statusText, ...response.body });
  return response.body;
}

function sentOnce(files, replace, tell) {
  const form = new FormData();
  for (const each of files) form.append("files", each);
  form.append("replace", replace);
  const request = new XMLHttpRequest();
  request.open("POST", "api/documents");
  const headers = { "Accept-Language": spoken(), ...authorization() };
  for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
  request.responseType = "json";
  request.upload.addEventListener("progress", (event) => tell(event.loaded, event.total));
  return new Promise((resolve, reject) => {
    request.addEventListener("load", () =>
      resolve({
        status: request.status,
        statusText: request.statusText,
        body: request.response ?? {},
      }),
    );
    request.addEventListener("error", () => reject(new Problem({ title: t("offline") })));
    request.send(form);
  });
}
