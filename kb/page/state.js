// What the server holds and what the caller may do, as the foot of the sidebar tells it.

import { get } from "./api.js";
import { make } from "./dom.js";
import { t } from "./words.js";

let known = null;

export function learnState() {
  known = get("api/status").then((status) => {
    const model = status.llm ?? t("noModel");
    const line = make("span", {}, t("state", { n: status.documents, model }));
    document.getElementById("state").replaceChildren(line);
    return status;
  });
  return known;
}

export function learnedState() {
  return (known ?? learnState()).catch(() => ({}));
}

export async function mayWrite() {
  return (await learnedState()).scope !== "read";
}

/** Whether the caller may change documents, and whether these can be for some groups alone. */
export async function mayChange() {
  return { isMine: await mayWrite(), isLimited: (await learnedState()).access === true };
}

export async function mayAdminister() {
  return (await learnedState()).scope === "admin";
}

export async function mayShare() {
  return (await learnedState()).share_links === true;
}

export async function mayVerify() {
  return (await learnedState()).verifies === true;
}
