// Where questions can be asked: without tables, of the documents alone.

import { get } from "./api.js";

let known = ["documents", "database", "both"];
let learning = null;

export function learnSources() {
  learning ??= get("api/tables").then(
    (tables) => (known = tables.length ? known : ["documents"]),
    () => (known = ["documents"]),
  );
  return learning;
}

export function sourcesBesides(route) {
  return known.filter((source) => source !== route);
}
