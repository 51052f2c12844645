// What the server holds and what the key allows, as the foot of the sidebar tells it.

import { get } from "./api.js";
import { make } from "./dom.js";
import { forgetKey, hasKey } from "./key.js";
import { t } from "./words.js";

let known = null;

export function learnState() {
  known = get("api/status").then((status) => {
    const model = status.llm ?? t("noModel");
    const line = make("span", {}, t("state", { n: status.documents, model }));
    const parts = hasKey() ? [line, forgetButton(status.key)] : [line];
    document.getElementById("state").replaceChildren(...parts);
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

export async function mayVerify() {
  return (await learnedState()).verifies === true;
}

function forgetButton(name) {
  const attributes = { type: "button", class: "link", click: forgetKey, title: name };
  return make("button", attributes, t("forgetKey"));
}
