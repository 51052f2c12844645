// A statement that is kept as verified, for the question that it answers.

import { post } from "./api.js";
import { dialog } from "./dialog.js";
import { make } from "./dom.js";
import { learnedState } from "./state.js";
import { t } from "./words.js";

// The query as it is kept, or null. One with a `name` is there already, and is replaced.
export async function saveVerified({ sql, parameters, question = "", name = null }) {
  const { key } = await learnedState();
  const asked = make("input", { value: question, required: true, maxlength: 1000 });
  const called = make("input", { maxlength: 100 });
  const person = make("input", { maxlength: 100 });
  const field = (word, input) => make("label", { class: "field" }, t(word), input);
  const isWanted = await dialog({
    title: name ? t("verifiedNamed", { name }) : t("saveVerified"),
    body: [
      field("verifiedQuestion", asked),
      name ? null : field("verifiedName", called),
      key ? null : field("verifiedPerson", person),
      make("p", { class: "quiet" }, t("verifiedDetail")),
    ].filter(Boolean),
    accept: t("save"),
  });
  if (!isWanted) return null;
  const given = { name: name ?? called.value.trim(), verified_by: person.value.trim() };
  const named = Object.fromEntries(Object.entries(given).filter(([, value]) => value));
  const body = { question: asked.value, sql, parameters, replace: name !== null, ...named };
  return post("api/verified", body);
}
