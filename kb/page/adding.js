// Where files are added: a place to drop them, to choose them, or to take samples.

import { complain } from "./announce.js";
import { post } from "./api.js";
import { button, icon, make } from "./dom.js";
import { inFolder } from "./drops.js";
import { filesOfChoice } from "./dropped.js";
import { watchJobs } from "./jobs.js";
import { addFiles } from "./tray.js";
import { t } from "./words.js";

/** @param {{ samples?: boolean }} offers */
export function adding({ samples = false } = {}) {
  const files = chooser(t("upload"), {});
  const folder = chooser(t("uploadFolder"), { webkitdirectory: true });
  return make(
    "section",
    { class: "drop", "aria-label": t("upload") },
    icon("upload"),
    make("p", {}, t("dropHere")),
    button(t("choose"), () => files.click()),
    button(t("chooseFolder"), () => folder.click()),
    samples ? button(t("addSamples"), addSamples, { class: "primary" }) : null,
    files,
    folder,
  );
}

async function addSamples(event) {
  event.currentTarget.disabled = true; // they are there then
  try {
    await post("api/documents/samples");
    watchJobs({ telling: true });
  } catch (error) {
    complain(error);
  }
}

function chooser(label, kind) {
  const input = make("input", {
    type: "file",
    multiple: true,
    class: "hidden",
    tabindex: "-1",
    "aria-label": label,
    change: () => {
      addFiles(inFolder(filesOfChoice(input.files)));
      input.value = "";
    },
    ...kind,
  });
  return input;
}
