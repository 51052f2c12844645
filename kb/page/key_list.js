// The keys of the server: who has one, a new one, the end of one.

import { address, get, post, remove } from "./api.js";
import { complain } from "./announce.js";
import { dialog } from "./dialog.js";
import { button, make } from "./dom.js";
import { listOf } from "./figures.js";
import { namesIn } from "./groups.js";
import { date, number, t } from "./words.js";

const SCOPES = { read: "scopeRead", write: "scopeWrite", admin: "scopeAdmin" };

export async function keysOf() {
  const list = make("div", {});
  const made = make("div", { "aria-live": "polite" });
  const refresh = async () => {
    const keys = await get("api/keys");
    list.replaceChildren(
      listOf(
        heads(),
        keys.map((each) => rowOf(each, refresh)),
        t("apiKeys"),
      ),
    );
  };
  await refresh();
  return [made, list, formOf(made, refresh)];
}

function heads() {
  return ["name", "mayDo", "groups", "limits", "day", "actions"].map((each) => t(each));
}

function rowOf(key, refresh) {
  const limits = [
    key.requests_per_minute && t("perMinute", { n: key.requests_per_minute }),
    key.tokens_per_day && t("perDay", { n: key.tokens_per_day }),
    key.month_budget && t("perMonth", { sum: number(Number(key.month_budget)) }),
  ].filter(Boolean);
  const act = key.revoked
    ? t("revokedOn", { date: date(key.revoked) })
    : button(t("revoke"), () => revoke(key.name, refresh), {
        class: "link",
        "aria-label": `${t("revoke")}: ${key.name}`,
      });
  return [
    key.name,
    t(SCOPES[key.scope]),
    (key.groups ?? []).join(", "),
    limits.join(", "),
    key.created ? date(key.created) : "",
    act,
  ];
}

async function revoke(name, refresh) {
  const body = make("p", {}, t("revokeDetail", { name }));
  if (!(await dialog({ title: t("revokeKey"), body, accept: t("revoke"), isDangerous: true })))
    return;
  try {
    await remove(address("api/keys", name));
    await refresh();
  } catch (error) {
    complain(error);
  }
}

function formOf(made, refresh) {
  const name = make("input", { name: "name", required: true, maxlength: 190, autocomplete: "off" });
  const scope = make(
    "select",
    { name: "scope" },
    Object.entries(SCOPES).map(([each, words]) => make("option", { value: each }, t(words))),
  );
  const groups = make("input", { name: "groups", autocomplete: "off" });
  const rate = make("input", { name: "rate", type: "number", min: 1 });
  const budget = make("input", { name: "budget", type: "number", min: 0.01, step: "any" });
  const field = (label, input) => make("label", { class: "field" }, label, input);
  const form = make(
    "form",
    { class: "new-key", "aria-label": t("newKey") },
    field(t("name"), name),
    field(t("mayDo"), scope),
    field(t("groupsByCommas"), groups),
    field(t("requestsPerMinute"), rate),
    field(t("monthBudget"), budget),
    make("button", { type: "submit", class: "primary" }, t("newKey")),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const inGroups = namesIn(groups.value);
    const wanted = {
      name: name.value.trim(),
      scope: scope.value,
      groups: inGroups.length ? inGroups : null,
      requests_per_minute: Number(rate.value) || null,
      month_budget: Number(budget.value) || null,
    };
    try {
      const { key } = await post("api/keys", wanted);
      const shown = make("input", { value: key, readonly: true, "aria-label": t("key") });
      made.replaceChildren(make("p", {}, t("keyOnce", { name: wanted.name })), shown);
      shown.select();
      form.reset();
      await refresh();
    } catch (error) {
      complain(error);
    }
  });
  return form;
}
