// The passages that a search found, ranked: what an answer was made of, or could not be.

import { complain } from "./announce.js";
import { address, get, post } from "./api.js";
import { button, make } from "./dom.js";
import { openBeside, openPassage } from "./passage.js";
import { mayAdminister } from "./state.js";
import { number, t } from "./words.js";

// `notes` are the reasons of the search, `question` chooses the excerpts.
export async function openConsidered({ searchId, notes, question, opener }) {
  const show = openBeside(t("considered"), opener);
  try {
    const [found, isReviewed] = await Promise.all([
      get(address("api/searches", searchId), { question }),
      mayAdminister(),
    ]);
    show(listOf(found, notes, opener, isReviewed ? question : null));
  } catch (error) {
    show(make("p", { class: "problem", role: "alert" }, error.message));
  }
}

// With a `question` passages can be marked as right for it.
function listOf(found, notes, opener, question) {
  const reasons = notes.map((note) => make("p", { class: "quiet", lang: "en" }, note));
  const items = found.map((each) => entry(each, opener, question));
  return make("div", { class: "passage-body" }, ...reasons, make("ol", { class: "ranked" }, items));
}

function entry({ score, citation, passage }, opener, question) {
  const told = [t("score", { score: number(score, { maximumFractionDigits: 2 }) })];
  if (citation) told.push(t("citedAs", { n: String(citation) }));
  if (!passage) return make("li", {}, make("p", { class: "quiet" }, t("noLongerThere")));
  const { id, path, title, excerpt } = passage;
  const open = () => openPassage({ chunk: id, title: title || path, excerpt }, { opener });
  return make(
    "li",
    {},
    button(title || path, open, { class: "link" }),
    make("span", { class: "quiet" }, told.join(" · ")),
    make("p", {}, excerpt),
    question && markOf(question, id),
  );
}

// By what is marked here searches are measured later.
function markOf(question, chunk) {
  const marked = () =>
    element.replaceWith(make("p", { class: "quiet", role: "status" }, t("marked")));
  const mark = () => post("api/marks", { question, chunk }).then(marked).catch(complain);
  const element = button(t("markRight"), mark, { class: "link" });
  return element;
}
