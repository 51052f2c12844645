// What is being added, in every view and tab: a row a file, from its way here until it is indexed.

import { address, post } from "./api.js";
import { announce } from "./announce.js";
import { button, icon, iconButton, make } from "./dom.js";
import { followJobs, isUnderWay, watchJobs } from "./jobs.js";
import { sendFile } from "./send.js";
import { learnedState, mayWrite } from "./state.js";
import { t } from "./words.js";

export const UPLOADS = "uploads"; // the directory of what was sent
const AT_ONCE = 3;
const CONFLICT = 409;
const REFUSALS = [413, 422]; // of what the file is, whenever it is sent
const MEGABYTE = 2 ** 20;
const CLEARED = "kb-jobs-cleared"; // when the last job ended that nobody wants to see any more
const UNDER_WAY = ["waiting", "sending", "queued", "running"];
const PROBLEMS = ["failed", "refused"];
const STATES = {
  waiting: "uploadWaiting",
  sending: "uploadSending",
  queued: "queued",
  running: "indexingNow",
  indexed: "statusIndexed",
};

const tray = document.getElementById("tray");
const list = make("ul", { id: "tray-rows", class: "tray-rows" });
const summary = make("span", { class: "tray-summary" });
const total = make("progress", { "aria-label": t("upload"), max: 1 });
const opener = make(
  "button",
  { type: "button", class: "plain tray-head", "aria-controls": "tray-rows", click: () => open() },
  icon("upload"),
  summary,
  total,
);
const clear = iconButton("close", t("clearTray"), clearEnded);
const rows = new Map(); // by what they are of
let sending = 0;
let wasUnderWay = false;

class Row {
  constructor(name, upload = null) {
    this.name = name;
    this.upload = upload; // { file, folder, replace } of what this tab sends
    this.state = "waiting";
    this.job = null;
    this.ended = null; // when its job was over
    this.words = make("span", { class: "tray-state" });
    this.bar = make("progress", { "aria-label": name, max: 1, hidden: true });
    this.actions = make("span", { class: "actions" });
    this.element = make(
      "li",
      { class: "upload" },
      make("span", { class: "tray-name", title: name }, name),
      this.words,
      this.bar,
      this.actions,
    );
  }

  get isUnderWay() {
    return UNDER_WAY.includes(this.state);
  }

  /** @param {string} state @param {{ reason?: string, actions?: Array }} more */
  show(state, { reason = "", actions = [] } = {}) {
    this.state = state;
    this.element.dataset.state = state;
    this.words.textContent = reason || t(STATES[state]);
    this.bar.hidden = state !== "sending";
    this.actions.replaceChildren(
      ...actions.map(([word, act]) =>
        button(t(word), act, { class: "link", "aria-label": `${t(word)}: ${this.name}` }),
      ),
    );
  }
}

export function offerTray() {
  tray.append(make("div", { class: "tray-line" }, opener, clear), list);
  open(false);
  followJobs(showJobs);
  mayWrite().then((may) => may && watchJobs());
  window.addEventListener("beforeunload", (event) => {
    if ([...rows.values()].some(({ state }) => state === "waiting" || state === "sending"))
      event.preventDefault();
  });
}

/** @param {Array<{ file: File, folder: string }>} files */
export async function addFiles(files) {
  if (!files.length) return;
  const { max_upload_mb: most } = await learnedState();
  for (const { file, folder } of files) {
    const path = [folder, file.name].filter(Boolean).join("/");
    const row = new Row(path, { file, folder, replace: false });
    put(`${UPLOADS}/${path}`, row);
    if (most && file.size > most * MEGABYTE)
      row.show("refused", { reason: t("uploadTooLarge", { n: most }) });
    else row.show("waiting");
  }
  open(true);
  summarize();
  sendNext();
}

function put(key, row) {
  rows.get(key)?.element.remove();
  rows.delete(key);
  rows.set(key, row);
  list.append(row.element);
}

function sendNext() {
  for (const row of rows.values()) {
    if (sending >= AT_ONCE) return;
    if (row.state !== "waiting" || !row.upload) continue;
    sending += 1;
    row.show("sending");
    send(row).finally(() => {
      sending -= 1;
      summarize();
      sendNext();
    });
  }
}

async function send(row) {
  const again = () => resend(row, row.upload.replace);
  try {
    const told = await sendFile(row.upload, (sent, all) => {
      row.bar.value = all ? sent / all : 0;
      summarize();
    });
    Object.assign(row, { job: told.job.id, ended: null });
    moveTo(row, `${UPLOADS}/${told.documents[0].path}`);
    row.show("queued");
    watchJobs({ telling: true });
  } catch (error) {
    if (error.status === CONFLICT && error.paths)
      row.show("taken", {
        reason: t("uploadThere", { n: 1 }),
        actions: [
          ["replace", () => resend(row, true)],
          ["cancel", () => cancel(row)],
        ],
      });
    else
      row.show(REFUSALS.includes(error.status) ? "refused" : "failed", {
        reason: t("uploadFailed", { reason: error.message }),
        actions: REFUSALS.includes(error.status) ? [] : [["again", again]],
      });
  }
}

// Names are made harmless by the server: from here on the row is of what it is called there.
function moveTo(row, key) {
  if (rows.get(key) === row) return;
  for (const [former, each] of rows) if (each === row) rows.delete(former);
  rows.get(key)?.element.remove();
  rows.set(key, row);
}

function resend(row, replace) {
  row.upload.replace = replace;
  row.ended = null;
  row.show("waiting");
  summarize();
  sendNext();
}

function drop(row) {
  row.element.remove();
  for (const [key, each] of rows) if (each === row) rows.delete(key);
}

function cancel(row) {
  drop(row);
  summarize();
  opener.focus();
}

// The newest job of a file says what became of it; those of another tab, or person, come in too.
function showJobs(jobs) {
  const cleared = learnCleared(jobs);
  const known = new Set();
  let hasEnded = false;
  for (const job of jobs)
    for (const path of job.only_files ?? [null]) {
      const key = path === null ? job.path : `${job.path}/${path}`;
      if (known.has(key)) continue;
      known.add(key);
      const isOf = rows.get(key)?.job === job.id;
      if (!isOf && !isUnderWay(job) && Date.parse(job.ended) <= cleared) continue;
      if (!isOf && isAhead(rows.get(key), job)) continue;
      if (!rows.has(key)) put(key, new Row(path ?? job.path));
      hasEnded = showJob(rows.get(key), job, path) || hasEnded;
    }
  removeCleared(cleared);
  summarize();
  if (hasEnded) document.dispatchEvent(new Event("documents-changed"));
}

// At the first visit nobody wants to see what ended before.
function learnCleared(jobs) {
  if (!localStorage.getItem(CLEARED)) clearUntil(jobs.map((job) => job.ended));
  return Date.parse(localStorage.getItem(CLEARED));
}

function clearUntil(times) {
  const known = [localStorage.getItem(CLEARED) ?? "1970-01-01", ...times].filter(Boolean);
  known.sort((one, other) => Date.parse(one) - Date.parse(other));
  localStorage.setItem(CLEARED, known.at(-1));
}

// What this tab sends, or has just sent, is newer than the jobs that were listed meanwhile.
function isAhead(row, job) {
  return Boolean(row?.upload) && !row.ended && !isUnderWay(job);
}

/** Returns whether it has ended just now. */
function showJob(row, job, path) {
  const wasOver = row.job === job.id && !row.isUnderWay;
  Object.assign(row, { job: job.id, ended: job.ended });
  if (wasOver) return false;
  if (isUnderWay(job)) {
    if (row.state !== job.status || !row.words.textContent) row.show(job.status);
    return false;
  }
  const failure = job.report?.failed.find((each) => each.path === path);
  const reason = job.error ?? failure?.reason;
  const again = path === null ? [] : [["again", () => readAgain(row, job.path, path)]];
  if (reason) row.show("failed", { reason, actions: again });
  else row.show("indexed");
  return true;
}

async function readAgain(row, root, path) {
  row.show("queued");
  row.ended = null;
  summarize();
  try {
    const job = await post(`${address("api/documents", root, path)}/retry`);
    row.job = job.id;
    watchJobs({ telling: true });
  } catch (error) {
    row.show("failed", {
      reason: error.message,
      actions: [["again", () => readAgain(row, root, path)]],
    });
    summarize();
  }
}

// In this tab and in the others.
function clearEnded() {
  clearUntil([...rows.values()].map((row) => row.ended));
  for (const row of [...rows.values()]) if (!row.isUnderWay && !row.ended) drop(row);
  removeCleared(Date.parse(localStorage.getItem(CLEARED)));
  summarize();
  watchJobs({ telling: true });
  document.getElementById("main").focus({ preventScroll: true });
}

function removeCleared(cleared) {
  for (const row of [...rows.values()])
    if (!row.isUnderWay && row.ended && Date.parse(row.ended) <= cleared) drop(row);
}

function open(isOpen = list.hidden) {
  list.hidden = !isOpen;
  opener.ariaExpanded = String(isOpen);
}

function summarize() {
  const all = [...rows.values()];
  const active = all.filter((row) => row.isUnderWay).length;
  const problems = all.filter((row) => PROBLEMS.includes(row.state)).length;
  const taken = all.filter((row) => row.state === "taken").length;
  tray.hidden = !all.length;
  total.hidden = !active;
  total.value = all.length ? all.reduce((sum, row) => sum + shareOf(row), 0) / all.length : 0;
  clear.hidden = active === all.length;
  const words = active
    ? t("trayUnderWay", { n: all.length, done: all.length - active })
    : told(all.length - problems - taken, problems, taken);
  if (summary.textContent !== words) summary.textContent = words;
  if (wasUnderWay && !active && all.length) announce(words);
  wasUnderWay = active > 0;
}

function shareOf(row) {
  if (row.state === "sending") return row.bar.value / 2;
  return { waiting: 0, queued: 0.5, running: 0.7 }[row.state] ?? 1;
}

function told(indexed, failed, taken) {
  const parts = [
    indexed ? t("indexed", { n: indexed }) : null,
    failed ? t("indexedFailed", { n: failed }) : null,
    taken ? t("uploadThere", { n: taken }) : null,
  ];
  return parts.filter(Boolean).join(" ");
}
