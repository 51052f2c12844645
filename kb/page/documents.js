// The documents: adding some, finding them by name, by folder or by what they say.

import { DocumentList } from "./document_list.js";
import { button, icon, make } from "./dom.js";
import { inFolder } from "./drops.js";
import { filesOfChoice } from "./dropped.js";
import { mayWrite } from "./state.js";
import { addFiles } from "./tray.js";
import { t } from "./words.js";

export async function showDocuments(main) {
  const list = new DocumentList();
  const detail = make("p", { class: "quiet" }, t("documentsDetail"));
  const head = make("header", {}, make("h1", {}, t("documents")), detail);
  const page = make("div", { class: "documents" }, head, list.element);
  main.replaceChildren(page);
  const changed = () => {
    if (page.isConnected) list.changed();
    else document.removeEventListener("documents-changed", changed);
  };
  document.addEventListener("documents-changed", changed);
  if (await mayWrite()) head.after(adding());
  list.begin();
}

function adding() {
  const files = chooser(t("upload"), {});
  const folder = chooser(t("uploadFolder"), { webkitdirectory: true });
  return make(
    "section",
    { class: "drop", "aria-label": t("upload") },
    icon("upload"),
    make("p", {}, t("dropHere")),
    button(t("choose"), () => files.click()),
    button(t("chooseFolder"), () => folder.click()),
    files,
    folder,
  );
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
