// What a new chat begins with: questions to choose from, or a place for the first documents.

import { get } from "./api.js";
import { adding } from "./adding.js";
import { make } from "./dom.js";
import { learnSources } from "./sources.js";
import { learnedState, learnState, mayWrite } from "./state.js";
import { suggestions } from "./suggestions.js";
import { t } from "./words.js";

/** @param {(asked: { message: string, source: string }) => void} ask */
export function welcome(ask) {
  const detail = make("p", {}, t("welcomeDetail"));
  const below = make("div", {});
  const element = make("div", { class: "welcome" }, make("h1", {}, t("welcome")), detail, below);
  const show = async () => {
    if (await isEmpty()) await teach(detail, below);
    else below.replaceChildren(await suggested(ask));
  };
  const changed = () => {
    document.removeEventListener("documents-changed", changed);
    if (!element.isConnected) return;
    learnState();
    detail.textContent = t("welcomeDetail");
    show();
  };
  document.addEventListener("documents-changed", changed);
  show();
  return element;
}

async function suggested(ask) {
  const found = await get("api/suggestions").catch(() => []);
  return suggestions(found, t("suggestions"), ask);
}

async function isEmpty() {
  const [{ documents }, sources] = await Promise.all([learnedState(), learnSources()]);
  return documents === 0 && sources.every((each) => each === "documents");
}

async function teach(detail, below) {
  detail.replaceChildren(t("nothingYet"));
  if (await mayWrite()) below.replaceChildren(adding({ samples: true }));
}
