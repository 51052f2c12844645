// Who uses the page, as the foot of the sidebar tells it, and the way out.

import { get, remove } from "./api.js";
import { complain } from "./announce.js";
import { button, make } from "./dom.js";
import { forgetDrafts } from "./drafts.js";
import { t } from "./words.js";

const SCOPES = { read: "scopeRead", write: "scopeWrite", admin: "scopeAdmin" };
const WAYS = { start: "wayStart", key: "wayKey", proxy: "wayProxy", oidc: "wayOidc" };

export async function showMe() {
  const me = await get("api/me");
  const facts = [t(SCOPES[me.scope]), t(WAYS[me.way])];
  if (me.groups?.length) facts.push(t("inGroups", { names: me.groups.join(", ") }));
  const out = button(t("signOut"), () => signOut().catch(complain), { class: "link" });
  document
    .getElementById("me")
    .replaceChildren(
      make("strong", {}, me.name ?? t("nobody")),
      make("span", {}, ` ${facts.join(" · ")} `),
      ...(me.by_cookie ? [out] : []),
    );
}

async function signOut() {
  await remove("api/sign-in");
  forgetDrafts();
  location.reload();
}
