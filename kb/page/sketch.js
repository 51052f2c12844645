// Markdown that is not whole yet, about as it will look: its marks are taken away, nothing more.

import { make } from "./dom.js";

const MARKED = /\*\*([^*\n]+)(?:\*\*|$)|`([^`\n]+)(?:`|$)|(?<![\w*])\*([^*\s][^*\n]*)\*(?!\w)/g;
const HEADING = /^#{1,6} +(.*)$/;

export function sketched(text) {
  return text.split("\n").flatMap((line, at) => [at ? "\n" : "", ...lineOf(line)]);
}

function lineOf(line) {
  const [, heading] = line.match(HEADING) ?? [];
  if (heading) return [make("strong", {}, heading)];
  return marked(line.replace(/^(\s*)[-*+] /, "$1• "));
}

function marked(line) {
  const parts = [];
  let at = 0;
  for (const found of line.matchAll(MARKED)) {
    const [whole, bold, code, slanted] = found;
    const name = bold ? "strong" : code ? "code" : "em";
    parts.push(line.slice(at, found.index), make(name, {}, bold ?? code ?? slanted));
    at = found.index + whole.length;
  }
  return [...parts, line.slice(at)];
}
