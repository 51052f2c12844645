// Where questions can be asked: without tables, of the documents alone, and as the key allows.

import { get } from "./api.js";
import { learnedState } from "./state.js";

const NOT_SET_UP = 409;
let known = ["documents", "database", "both"];
let learning = null;

export function learnSources() {
  learning ??= findSources().then((sources) => {
    known = sources;
    return known;
  });
  return learning;
}

async function findSources() {
  const { only } = await learnedState();
  if (only) return [only === "tables" ? "database" : only];
  try {
    return (await get("api/tables")).length ? known : ["documents"];
  } catch (error) {
    return error.status === NOT_SET_UP ? ["documents"] : known;
  }
}

export function sourcesBesides(route) {
  return known.filter((source) => source !== route);
}
