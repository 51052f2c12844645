// Questions that were answered poorly, until somebody has worked on them.

import { get, post } from "./api.js";
import { complain } from "./announce.js";
import { button, make } from "./dom.js";
import { keepDraft } from "./drafts.js";
import { listOf } from "./figures.js";
import { coloured } from "./sql.js";
import { date, number, t } from "./words.js";

export async function reviewOf() {
  const list = make("div", {});
  const refresh = async () => {
    const items = await get("api/review");
    const heads = ["questionAsked", "asked", "unanswered", "ratedDown", "day", "actions"].map(
      (each) => t(each),
    );
    list.replaceChildren(
      listOf(
        heads,
        items.map((each) => rowOf(each, refresh)),
        t("toReview"),
      ),
    );
  };
  await refresh();
  return [make("p", { class: "quiet" }, t("toReviewDetail")), list];
}

function rowOf(item, refresh) {
  const done = () => post(`api/review/${item.id}/done`).then(refresh).catch(complain);
  const comments = item.comments.map((each) => make("q", {}, each));
  const edited = item.edited_sql.map((sql) =>
    make("pre", { class: "edited", "aria-label": t("editedSql") }, make("code", {}, coloured(sql))),
  );
  return [
    make(
      "div",
      {},
      item.question ?? t("noTexts"),
      comments.length ? make("p", { class: "quiet" }, comments) : null,
      edited,
    ),
    number(item.asked),
    number(item.unanswered),
    number(item.down),
    date(item.last_at),
    make(
      "div",
      { class: "actions" },
      item.question ? button(t("askIt"), () => ask(item.question), { class: "link" }) : null,
      button(t("done"), done, {
        class: "link",
        "aria-label": `${t("done")}: ${item.question ?? item.id}`,
      }),
    ),
  ];
}

// To see what it answers now, and to save the SQL of a better answer.
function ask(question) {
  keepDraft(null, question);
  location.hash = "#/";
}
