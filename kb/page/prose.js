// Text of models and documents: Markdown that the server made harmless, with citations to open.

import { post } from "./api.js";
import { fragment, make } from "./dom.js";
import { sketched } from "./sketch.js";

const FENCE = /^(?:`{3,}|~{3,})[^\n]*\n?/; // of code whose end has not come yet
const CITED = /((?:\[\d{1,3}\])+[.,;:!?)»”…]*)/;

export async function asHtml(texts) {
  return texts.length ? (await post("api/markdown", { texts })).html : [];
}

// An answer as it comes: the server tells its finished blocks as HTML, the rest is sketched.
export class Prose {
  constructor() {
    this.text = "";
    this.element = make("div", { class: "prose", dir: "auto" });
    this.rendered = 0;
    this.blocks = make("div");
    this.tail = make("p", { class: "tail" });
    this.element.append(this.blocks, this.tail);
  }

  add(piece) {
    this.text += piece;
    this.showTail();
  }

  // The blocks `from` one character of the text `until` another; from 0 they are all there are.
  addBlocks(html, from, until) {
    if (from === 0) this.blocks.replaceChildren();
    else if (from !== this.rendered) return;
    const blocks = make("div", {}, fragment(html));
    withCitations(blocks, unopened);
    this.blocks.append(...blocks.childNodes);
    this.rendered = until;
    this.showTail();
  }

  showTail() {
    const text = this.text.slice(this.rendered).trimStart();
    const isCode = FENCE.test(text);
    const parts = isCode ? [text.replace(FENCE, "")] : sketched(text);
    this.tail.classList.toggle("code", isCode);
    this.tail.replaceChildren(...parts);
    if (!isCode) withCitations(this.tail, unopened);
  }

  async finish(text, html = null) {
    this.text = text;
    try {
      html ??= (await asHtml([text]))[0];
      this.element.replaceChildren(fragment(html));
    } catch {
      this.element.replaceChildren(make("p", { class: "tail" }, ...sketched(text)));
    }
  }
}

// What it opens is known when the answer is whole.
function unopened(number) {
  return make("span", { class: "chip" }, String(number));
}

// Puts what `chip` makes in the place of each [number] outside code; what it makes nothing of stays.
export function withCitations(root, chip) {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  const texts = [];
  while (walker.nextNode())
    if (!walker.currentNode.parentElement.closest("code, pre, .chip"))
      texts.push(/** @type {Text} */ (walker.currentNode));
  for (const node of texts) {
    const parts = node.data.split(CITED);
    if (parts.length > 1)
      node.replaceWith(...parts.map((part, at) => (at % 2 ? together(part, chip) : part)));
  }
}

// No line begins with the full stop behind a number.
function together(cited, chip) {
  const parts = cited.split(/\[(\d+)\]/);
  const chips = parts.map((part, at) => (at % 2 ? (chip(Number(part)) ?? `[${part}]`) : part));
  return make("span", { class: "together" }, chips);
}
