// Text of models and documents: Markdown that the server made harmless, with citations to open.

import { post } from "./api.js";
import { fragment, make } from "./dom.js";

const PAUSE = 400; // milliseconds between two renderings of an answer under way

export async function asHtml(texts) {
  return texts.length ? (await post("api/markdown", { texts })).html : [];
}

// An answer as it comes: finished blocks are rendered, the rest is text until it is finished.
export class Prose {
  constructor() {
    this.text = "";
    this.element = make("div", { class: "prose" });
    this.rendered = 0;
    this.isBusy = false;
    this.isWhole = false;
    this.blocks = make("div");
    this.tail = make("p", { class: "tail" });
    this.element.append(this.blocks, this.tail);
  }

  add(piece) {
    this.text += piece;
    this.tail.textContent = this.text.slice(this.rendered).trimStart();
    this.renderFinished();
  }

  async renderFinished() {
    const end = endOfBlocks(this.text);
    if (this.isBusy || end <= this.rendered) return;
    this.isBusy = true;
    const [html] = await asHtml([this.text.slice(0, end)]).catch(() => [null]);
    if (html !== null && !this.isWhole) this.showBlocks(html, end);
    setTimeout(() => (this.isBusy = false), PAUSE);
  }

  showBlocks(html, end) {
    this.blocks.replaceChildren(fragment(html));
    this.rendered = end;
    this.tail.textContent = this.text.slice(end).trimStart();
  }

  async finish(text, html = null) {
    this.text = text;
    this.isWhole = true;
    try {
      html ??= (await asHtml([text]))[0];
      this.element.replaceChildren(fragment(html));
    } catch {
      this.element.replaceChildren(make("p", { class: "tail" }, text));
    }
  }
}

// Up to the last empty line outside code; a later line cannot change what stands before it.
function endOfBlocks(text) {
  const end = text.lastIndexOf("\n\n");
  return end > 0 && (text.slice(0, end).match(/^\s*(```|~~~)/gm) ?? []).length % 2 === 0 ? end : 0;
}

// Puts what `chip` makes in the place of each [number] outside code.
export function withCitations(root, chip) {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  const texts = [];
  while (walker.nextNode())
    if (!walker.currentNode.parentElement.closest("code, pre")) texts.push(walker.currentNode);
  for (const node of texts) {
    const parts = node.data.split(/\[(\d{1,3})\]/);
    if (parts.length > 1)
      node.replaceWith(
        ...parts.map((part, at) => (at % 2 ? (chip(Number(part)) ?? `[${part}]`) : part)),
      );
  }
}
