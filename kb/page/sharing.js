// Links to a chat: made, copied and revoked.

import { linkTo } from "./address.js";
import { address, get, post, remove } from "./api.js";
import { complain } from "./announce.js";
import { button, make } from "./dom.js";
import { copy } from "./save.js";
import { date, t } from "./words.js";

export async function showLinks(session) {
  const path = `${address("api/sessions", session.id)}/shares`;
  const list = make("ul", { class: "links" });
  const made = make("div", {});
  const refresh = async () => {
    const links = await get(path);
    list.replaceChildren(...links.map((each) => linkOf(each, path, refresh)));
  };
  const share = async () => {
    try {
      const { address: place } = await post(path);
      made.replaceChildren(fieldOf(linkTo(place)));
      await refresh();
    } catch (error) {
      complain(error);
    }
  };
  const close = make("button", { type: "submit", class: "plain" }, t("close"));
  const element = make(
    "dialog",
    { "aria-labelledby": "links-title", close: () => element.remove() },
    make(
      "form",
      { method: "dialog" },
      make("h2", { id: "links-title" }, t("share")),
      make("p", {}, t("shareDetail")),
      made,
      list,
      make("div", { class: "actions" }, close, button(t("makeLink"), share, { class: "primary" })),
    ),
  );
  document.body.append(element);
  element.showModal();
  await refresh().catch(complain);
}

// It is shown once: the server keeps its digest alone.
function fieldOf(link) {
  const input = make("input", { value: link, readonly: true, "aria-label": t("link") });
  const copyLink = async () => {
    await copy(link).catch(complain);
    input.select();
  };
  return make("div", { class: "link-field" }, input, button(t("copy"), copyLink));
}

function linkOf({ id, made_at: when }, path, refresh) {
  const words = t("linkOf", { date: date(when, { dateStyle: "medium", timeStyle: "short" }) });
  const revoke = () => remove(`${path}/${id}`).then(refresh).catch(complain);
  return make("li", {}, words, " ", button(t("revoke"), revoke, { class: "link" }));
}
