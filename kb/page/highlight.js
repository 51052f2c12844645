// Marks an excerpt in a text without changing the text; returns its range.

const NAME = "excerpt";

export function highlight(root, excerpt) {
  CSS.highlights?.delete(NAME);
  const range = excerpt && CSS.highlights ? rangeOf(root, excerpt.replace(/\s*…$/, "")) : null;
  if (range) CSS.highlights.set(NAME, new Highlight(range));
  return range;
}

// Letters and digits are compared, because Markdown, white space and capitals differ between the two.
function rangeOf(root, excerpt) {
  /** @type {[Text, number, number][]} */
  const places = [];
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  let text = "";
  while (walker.nextNode()) {
    const node = /** @type {Text} */ (walker.currentNode);
    for (const { 0: letter, index } of node.data.matchAll(/[\p{L}\p{N}]/gu)) {
      const small = letter.toLowerCase();
      text += small;
      for (let unit = 0; unit < small.length; unit += 1) places.push([node, index, letter.length]);
    }
  }
  const wanted = (excerpt.match(/[\p{L}\p{N}]/gu) ?? []).join("").toLowerCase();
  const at = wanted ? text.indexOf(wanted) : -1;
  return at < 0 ? null : between(places[at], places[at + wanted.length - 1]);
}

/** @param {[Text, number, number]} first @param {[Text, number, number]} last */
function between([first, begin], [last, end, length]) {
  const range = new Range();
  range.setStart(first, begin);
  range.setEnd(last, end + length);
  return range;
}
