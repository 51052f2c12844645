// Where questions can be asked: without tables, of the documents alone, and as the key allows.

import { get } from "./api.js";
import { learnedState } from "./state.js";

const NOT_SET_UP = 409;
let known = ["documents", "database", "both"];
let learning = null;

export function learnSources() {
  learning ??= learnedState().then(({ only }) => {
    if (only) return (known = [only === "tables" ? "database" : only]);
    return get("api/tables").then(
      (tables) => (known = tables.length ? known : ["documents"]),
      (error) => (known = error.status === NOT_SET_UP ? ["documents"] : known),
    );
  });
  return learning;
}

export function sourcesBesides(route) {
  return known.filter((source) => source !== route);
}
