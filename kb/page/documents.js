// The documents: adding some, finding them by name, by folder or by what they say.

import { adding } from "./adding.js";
import { DocumentList } from "./document_list.js";
import { make } from "./dom.js";
import { mayWrite } from "./state.js";
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
