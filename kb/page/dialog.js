// A question in front of everything else. Resolves to whether it was accepted.

import { button, make } from "./dom.js";
import { t } from "./words.js";

export function dialog({ title, body = [], accept, isDangerous = false }) {
  const cancel = button(t("cancel"), () => element.close(""), { class: "plain" });
  const confirm = make(
    "button",
    { type: "submit", class: isDangerous ? "danger" : "primary" },
    accept,
  );
  const form = make(
    "form",
    { method: "dialog" },
    make("h2", { id: "dialog-title" }, title),
    body,
    make("div", { class: "actions" }, cancel, confirm),
  );
  const element = make("dialog", { "aria-labelledby": "dialog-title" }, form);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    element.close("yes");
  });
  document.body.append(element);
  element.showModal();
  return new Promise((resolve) => {
    element.addEventListener("close", () => {
      element.remove();
      resolve(element.returnValue === "yes");
    });
  });
}
