// Thumbs, and a comment for who wants to say more.

import { post } from "./api.js";
import { announce } from "./announce.js";
import { button, iconButton, make } from "./dom.js";
import { t } from "./words.js";

// `given` is the rating of before, if there is one.
export function feedback(sessionId, turnId, given = null) {
  const rate = (rating) =>
    post("api/feedback", { session_id: sessionId, turn_id: turnId, ...rating });
  const words = make("input", {
    "aria-label": t("comment"),
    placeholder: t("comment"),
    maxlength: 5000,
  });
  const form = make(
    "form",
    { class: "comment", hidden: true },
    words,
    make("button", { type: "submit" }, t("sendComment")),
    button(t("cancel"), close, { class: "plain" }),
  );
  const thumbs = [thumb("up", "good", 1), thumb("down", "bad", -1)];
  let rating = given;
  press();

  function thumb(picture, word, value) {
    return iconButton(picture, t(word), () => chosen(value).catch(tell), {
      "aria-pressed": "false",
    });
  }

  async function chosen(value) {
    rating = value;
    await rate({ rating });
    press();
    form.hidden = false;
    words.focus();
    announce(t("thanks"));
  }

  function press() {
    for (const [at, thumb] of thumbs.entries()) thumb.ariaPressed = String(rating === [1, -1][at]);
  }

  function close() {
    form.hidden = true;
    thumbs[rating === 1 ? 0 : 1].focus();
  }

  async function commented(event) {
    event.preventDefault();
    if (words.value.trim()) await rate({ rating, comment: words.value.trim() });
    form.replaceChildren(make("span", { class: "quiet" }, t("thanks")));
    announce(t("thanks"));
  }

  function tell(error) {
    form.hidden = false;
    form.replaceChildren(
      make("span", { class: "problem", role: "alert" }, t("error", { reason: error.message })),
    );
  }

  form.addEventListener("submit", (event) => commented(event).catch(tell));
  return make("div", { class: "feedback" }, thumbs, form);
}
