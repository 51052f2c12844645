// What is done to documents: asked alone, read again, forgotten.

import { address, get, post, remove } from "./api.js";
import { announce, complain } from "./announce.js";
import { dialog } from "./dialog.js";
import { make } from "./dom.js";
import { changeGroupsOf } from "./groups.js";
import { watchJobs } from "./jobs.js";
import { menu } from "./menu.js";
import { askOnly } from "./options.js";
import { forEachOf } from "./parallel.js";
import { UPLOADS } from "./tray.js";
import { t } from "./words.js";

const AT_ONCE = 3;
const MOST_NAMED = 5;
const MOST_PASSAGES = 1000;

// `isMine` says that the caller may change documents, `isLimited` that these may be for some groups.
export function actionsOf(document, { isMine, isLimited }) {
  const { path } = document;
  const asking = document.chunks ? [[t("askOnly"), () => askOnlyOf(document)]] : [];
  const changing = [
    [t("retry"), () => readAllAgain([document])],
    ...(isLimited ? [[t("changeGroups"), () => changeGroupsOf(document)]] : []),
    [t("forget"), () => forgetAll([document]).then(tellChange), "danger"],
  ];
  const all = [...asking, ...(isMine ? changing : [])];
  return all.length ? menu({ label: `${t("actions")}: ${path}`, picture: "more" }, all) : null;
}

// An archive is several files, whose passages have paths of their own.
export async function askOnlyOf({ root, path, title }) {
  const { passages } = await get(`${address("api/documents", root, path)}/passages`, {
    limit: MOST_PASSAGES,
  });
  const paths = new Set(passages.map((each) => each.metadata.path));
  askOnly({ name: title || path, filters: { root, path: [...paths] } });
  location.hash = "#/";
}

export async function readAllAgain(documents) {
  const failures = [];
  await forEachOf(documents, AT_ONCE, ({ root, path }) =>
    post(`${address("api/documents", root, path)}/retry`).catch((error) => failures.push(error)),
  );
  watchJobs({ telling: true });
  if (failures.length) complain(failures[0]);
  else announce(t("retrying", { name: documents.map((each) => each.path).join(", ") }));
}

/** Returns whether something was forgotten; `say` is told how far it is. */
export async function forgetAll(documents, /** @type {(words: string) => void} */ say = announce) {
  if (!(await isMeant(documents))) return false;
  const failures = [];
  let done = 0;
  await forEachOf(documents, AT_ONCE, async ({ root, path }) => {
    await remove(address("api/documents", root, path)).catch((error) => failures.push(error));
    say(t("forgetting", { n: documents.length, done: ++done }));
  });
  if (failures.length) complain(failures[0]);
  return failures.length < documents.length;
}

function isMeant(documents) {
  const [{ root, path: name }] = documents;
  const isOne = documents.length === 1;
  const word = root === UPLOADS ? "deleteUploaded" : "deleteIndexed";
  const names = documents.slice(0, MOST_NAMED).map((each) => make("li", {}, each.path));
  const rest = documents.length - names.length;
  return dialog({
    title: isOne ? t("deleteDocument") : t("deleteDocuments", { n: documents.length }),
    body: isOne
      ? make("p", {}, t(word, { name }))
      : [
          make("ul", { class: "names" }, names),
          rest ? make("p", {}, t("andMore", { n: rest })) : "",
          make("p", {}, t("deleteSeveral")),
        ],
    accept: t("forget"),
    isDangerous: true,
  });
}

function tellChange(isChanged) {
  if (isChanged) document.dispatchEvent(new Event("documents-changed"));
}
