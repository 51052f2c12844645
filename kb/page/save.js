// Files to keep, and text to take along.

import { postForFile } from "./api.js";
import { announce, complain, warn } from "./announce.js";
import { icon, make } from "./dom.js";
import { t } from "./words.js";

const SHOWN = 1500; // milliseconds
const BYTE_ORDER = "\ufeff"; // by which spreadsheets know UTF-8

export function save(blob, name) {
  const url = URL.createObjectURL(blob);
  make("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

// All rows of a statement, which the server runs again; `kind` is csv or xlsx.
export async function saveRows(sql, parameters, kind) {
  announce(t("running"));
  const options = kind === "csv" ? { escape_formulas: true } : {};
  const body = { sql, parameters: parameters ?? {}, ...options };
  const { blob, headers } = await postForFile(`api/sql.${kind}`, body);
  save(kind === "csv" ? new Blob([BYTE_ORDER, blob]) : blob, `rows.${kind}`);
  const n = Number(headers.get("X-Rows"));
  if (headers.get("X-Truncated") === "true") warn(t("fileCut", { n }));
  else announce(t("fileSaved", { n }));
}

// A button that shows for a moment that it has copied; `words` stand beside its icon.
export function copyButton(label, textOf, words = null, picture = "copy") {
  const attributes = { type: "button", "aria-label": label, title: label };
  const kind = words ? null : "plain icon-button";
  const element = make("button", { ...attributes, class: kind, click: clicked });
  const show = (name, said) => element.replaceChildren(icon(name), words ? said : "");

  async function clicked() {
    try {
      await copy(textOf());
      show("check", t("copied"));
      setTimeout(() => show(picture, words), SHOWN);
    } catch (error) {
      complain(error);
    }
  }

  show(picture, words);
  return element;
}

// navigator.clipboard is there on https and localhost only, and may be refused where it is.
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    copyBySelection(text);
  }
  announce(t("copied"));
}

// The text stands in the open dialog, as nothing outside of it can be selected then.
function copyBySelection(text) {
  const focused = document.activeElement;
  const area = make("textarea", { class: "hidden" });
  area.value = text;
  (document.querySelector("dialog:modal") ?? document.body).append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (focused instanceof HTMLElement) focused.focus();
  if (!done) throw new Error(t("notCopied"));
}
