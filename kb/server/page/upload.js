// Files that are dropped or chosen: sent with progress, and followed until they are indexed.

import { get, Problem } from "./api.js";
import { announce } from "./announce.js";
import { button, icon, make } from "./dom.js";
import { askForKey, authorization } from "./key.js";
import { t } from "./words.js";

const BEAT = 600; // milliseconds between two looks at a job
const UNAUTHORIZED = 401;

export class Upload {
  constructor(indexed) {
    this.indexed = indexed;
    this.input = make("input", {
      type: "file",
      multiple: true,
      class: "hidden",
      tabindex: "-1",
      "aria-label": t("upload"),
      change: () => this.send(this.input.files),
    });
    this.replace = make("input", { type: "checkbox" });
    this.bars = make("div", { class: "uploads", role: "status" });
    const zone = make(
      "div",
      { class: "drop" },
      icon("upload"),
      make(
        "p",
        {},
        t("dropHere"),
        " ",
        button(t("choose"), () => this.input.click(), { class: "link" }),
      ),
      make("label", {}, this.replace, t("replace")),
      this.input,
    );
    this.element = make("section", { "aria-label": t("upload") }, zone, this.bars);
    this.takeDrops(zone);
  }

  takeDrops(zone) {
    const over = (isOver) => (event) => {
      event.preventDefault();
      zone.classList.toggle("over", isOver);
    };
    zone.addEventListener("dragover", over(true));
    zone.addEventListener("dragleave", over(false));
    zone.addEventListener("drop", (event) => {
      over(false)(event);
      this.send(event.dataTransfer.files);
    });
  }

  async send(files) {
    if (!files.length) return;
    const bar = progress([...files].map((each) => each.name).join(", "));
    this.bars.prepend(bar.element);
    try {
      const { job } = await sent([...files], this.replace.checked, bar.set);
      await this.follow(job, bar);
    } catch (error) {
      bar.end(t("uploadFailed", { reason: error.message }), "problem");
    }
    this.input.value = "";
  }

  async follow({ id }, bar) {
    bar.say(t("queued"));
    for (;;) {
      const job = await get(`api/jobs/${id}`);
      if (job.status === "running") bar.set(job.files, job.total, t("indexing", job));
      if (job.status === "failed") throw new Problem({ title: job.error });
      if (job.status === "done") break;
      await new Promise((resolve) => setTimeout(resolve, BEAT));
    }
    const { report } = await get(`api/jobs/${id}`);
    bar.end(told(report), report.failed.length ? "problem" : "good");
    announce(told(report));
    this.indexed();
  }
}

function told({ added, changed, failed }) {
  const indexed = added + changed;
  const parts = [
    indexed ? t("indexed", { n: indexed }) : null,
    failed.length ? t("indexedFailed", { n: failed.length }) : null,
  ];
  return parts.filter(Boolean).join(" ") || t("unchanged");
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
  for (const [name, value] of Object.entries(authorization()))
    request.setRequestHeader(name, value);
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
