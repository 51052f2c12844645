// The key of the server, or the token that `kb serve` put into its address: kept until the tab is
// closed, and nowhere else.

import { dialog } from "./dialog.js";
import { make } from "./dom.js";
import { t } from "./words.js";

const NAME = "kb-key";
const KEY = /kb-[0-9a-f]{12}-[\w-]{43}/;
let asking = null;
takeToken();

// Whoever sends somebody a link shall not have them work under a key of the sender's.
function takeToken() {
  const query = new URLSearchParams(location.search);
  if (!query.has("token")) return;
  const [given, kept] = [query.get("token"), sessionStorage.getItem(NAME) ?? ""];
  if (!KEY.test(given) && !KEY.test(kept)) sessionStorage.setItem(NAME, given);
  query.delete("token");
  const rest = query.size ? `?${query}` : "";
  history.replaceState(null, "", `${location.pathname}${rest}${location.hash}`);
}

export function authorization() {
  const key = sessionStorage.getItem(NAME);
  return key ? { Authorization: `Bearer ${key}` } : {};
}

export function hasKey() {
  return sessionStorage.getItem(NAME) !== null;
}

// One dialog, however many requests were refused at once.
export function askForKey() {
  asking ??= keyFromDialog().finally(() => (asking = null));
  return asking;
}

async function keyFromDialog() {
  const input = make("input", {
    type: "password",
    name: "key",
    required: true,
    autocomplete: "off",
    autofocus: true,
    spellcheck: "false",
  });
  const was = hasKey();
  const isGiven = await dialog({
    title: t("keyTitle"),
    body: [
      make("p", {}, t(was ? "keyRefused" : "keyNeeded")),
      make("label", { class: "field" }, t("key"), input),
    ],
    accept: t("keyUse"),
  });
  if (isGiven) sessionStorage.setItem(NAME, input.value.trim());
  return isGiven;
}

export function forgetKey() {
  sessionStorage.removeItem(NAME);
  location.reload();
}
