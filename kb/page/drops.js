// Files that are dropped anywhere on the page are added, by those who may add some.

import { filesOfDrop } from "./dropped.js";
import { icon, make } from "./dom.js";
import { mayWrite } from "./state.js";
import { addFiles } from "./tray.js";
import { t } from "./words.js";

let folder = ""; // that is shown, and takes what is dropped

/** @param {string} shown */
export function uploadInto(shown) {
  folder = shown;
}

export function inFolder(files) {
  return files.map((each) => ({
    ...each,
    folder: [folder, each.folder].filter(Boolean).join("/"),
  }));
}

export function takeDrops() {
  const veil = make("div", { class: "veil", hidden: true }, icon("upload"), t("dropHere"));
  document.body.append(veil);
  // One that is dropped where nothing takes it would take the place of the page.
  window.addEventListener("dragover", (event) => event.preventDefault());
  window.addEventListener("dragenter", async (event) => {
    if (event.dataTransfer?.types.includes("Files") && (await mayWrite())) veil.hidden = false;
  });
  window.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) veil.hidden = true;
  });
  window.addEventListener("drop", async (event) => {
    event.preventDefault();
    veil.hidden = true;
    const dropped = filesOfDrop(event.dataTransfer?.items ?? []);
    if (await mayWrite()) addFiles(inFolder(await dropped));
  });
}
