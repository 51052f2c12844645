// Passages as elements: Markdown where their document is, or was made into it; code; or lines.

import { fragment, make } from "./dom.js";
import { asHtml } from "./prose.js";

export const PDF = "application/pdf";
const OFFICE = "application/vnd.openxmlformats-officedocument";
const MARKDOWN = [
  ...["text/markdown", "text/html", "application/xhtml+xml", "application/epub+zip"],
  ...["application/x-ipynb+json", PDF],
  ...[`${OFFICE}.wordprocessingml.document`, `${OFFICE}.presentationml.presentation`],
];
const CODE = /^text\/x-|\/(json|jsonl|yaml)$/;

/** @param {{ text: string, metadata: { media_type?: string } }[]} passages */
export async function rendered(passages) {
  const type = passages[0]?.metadata.media_type;
  const texts = passages.map((each) => (type === PDF ? unwrapped(each.text) : each.text));
  if (MARKDOWN.includes(type)) return (await asHtml(texts)).map(fragment);
  if (CODE.test(type)) return texts.map((text) => make("pre", {}, make("code", {}, text)));
  return texts.map((text) => make("p", { class: "tail" }, text));
}

// Lines end where they did on the page, which is wider than the panel.
function unwrapped(text) {
  return text.replace(/(?<!\n)\n(?![\n#>|•*-]|\d+[.)] )/g, " ");
}
