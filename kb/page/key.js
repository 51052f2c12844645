// The key of the server, or the token that `kb serve` put into its address, is exchanged for a cookie
// that no script can read; the page forgets it at once.

import { dialog } from "./dialog.js";
import { make } from "./dom.js";
import { spoken, t } from "./words.js";

const KEY = /kb-[0-9a-f]{12}-[\w-]{43}/;
let asking = null;

/** Requests wait until the token of the address was exchanged. */
export const ready = takeToken();

// Whoever sends somebody a link shall not have them work under a key of the sender's. The token of a
// start replaces no key: it opens nothing as soon as there is one.
async function takeToken() {
  const query = new URLSearchParams(location.search);
  if (!query.has("token")) return;
  const given = query.get("token");
  query.delete("token");
  const rest = query.size ? `?${query}` : "";
  history.replaceState(null, "", `${location.pathname}${rest}${location.hash}`);
  if (!KEY.test(given)) await signIn(given).catch(() => null);
}

// Resolves to why the server refuses the key, null when it takes it.
async function signIn(key) {
  const headers = { "Accept-Language": spoken(), Authorization: `Bearer ${key}` };
  const response = await fetch("api/sign-in", { method: "POST", headers });
  if (response.ok) return null;
  const { code, detail } = await response.json().catch(() => ({}));
  return code === "key_needed" || !detail ? t("keyRefused") : detail;
}

// One dialog, however many requests were refused at once.
export function askForKey() {
  asking ??= keyFromDialog().finally(() => (asking = null));
  return asking;
}

async function keyFromDialog(refusal = null) {
  const input = make("input", {
    type: "password",
    name: "key",
    required: true,
    autocomplete: "off",
    autofocus: true,
    spellcheck: "false",
  });
  const ways = await fetch("sign-in").then(
    (reply) => reply.json(),
    () => ({}),
  );
  const elsewhere = make(
    "a",
    { class: "button primary", href: "sign-in/provider" },
    t("keyProvider"),
  );
  const isGiven = await dialog({
    title: t("keyTitle"),
    body: [
      ways.provider ? elsewhere : "",
      make("p", {}, refusal ?? t("keyNeeded")),
      make("label", { class: "field" }, t("key"), input),
    ],
    accept: t("keyUse"),
  });
  if (!isGiven) return false;
  const refused = await signIn(input.value.trim()).catch(() => t("offline"));
  return refused === null || keyFromDialog(refused);
}
