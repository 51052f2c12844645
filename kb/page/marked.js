// Marks words in a text wherever they stand, whatever their accents and capitals.

import { make } from "./dom.js";

const ACCENTS = /\p{M}/gu;

/** The parts of a text, those that are one of the words as marks.
 * @param {string} text @param {string} words */
export function marked(text, words) {
  const wanted = words.split(/\s+/).map(fold).filter(Boolean);
  if (!wanted.length) return [text];
  const { folded, places } = foldEach(text);
  const parts = [];
  let shown = 0;
  for (let at = 0; at < folded.length; at++) {
    const found = wanted.find((word) => folded.startsWith(word, at));
    if (!found || places[at] < shown) continue;
    const end = places[at + found.length];
    parts.push(text.slice(shown, places[at]), make("mark", {}, text.slice(places[at], end)));
    shown = end;
    at += found.length - 1;
  }
  return [...parts, text.slice(shown)].filter(Boolean);
}

function fold(text) {
  return text.normalize("NFD").replace(ACCENTS, "").toLowerCase();
}

// Where each folded letter stands in the text; the last place is its end.
function foldEach(text) {
  const places = [];
  let folded = "";
  let at = 0;
  for (const letter of text) {
    for (const unit of fold(letter)) {
      folded += unit;
      for (let count = 0; count < unit.length; count++) places.push(at);
    }
    at += letter.length;
  }
  return { folded, places: [...places, at] };
}
