// The passage behind a citation, as it was cited, with what became of it; beside the answer.

import { close, linkTo } from "./address.js";
import { address, get } from "./api.js";
import { button, icon, iconButton, make, shown as inReadingOrder } from "./dom.js";
import { highlight } from "./highlight.js";
import { originalLink } from "./original.js";
import { showPdf } from "./pdf.js";
import { spotsOf } from "./place.js";
import { showText } from "./reading.js";
import { PDF, rendered } from "./rendered.js";
import { copyButton } from "./save.js";
import { date, t } from "./words.js";

const panel = document.getElementById("passage");
const ABOVE = 64; // pixels that show what stands before the cited words
const GONE = 404;
let opener = null;
let shown = 0;
let leave = null; // frees what a document holds

panel.addEventListener("keydown", (event) => {
  if (event.key === "Escape") dismiss();
});

/** @typedef {{ number?: number, chunk: string, title: string, excerpt: string }} Citation */

// `quote` are the words to mark, `kept` the address of the passage as an answer cites it, `link`
// that of this panel, and `again` asks the question of the answer again.
/** @param {Citation} citation
 * @param {{ opener?: HTMLElement, quote?: string, kept?: string, link?: string, again?: () => void }} how */
export async function openPassage(citation, { opener: from = null, kept = null, ...how } = {}) {
  const turn = begin(citation, from, how.link);
  try {
    const found = await find(citation, kept);
    const { before = [], after = [] } = found.now ?? {};
    const told =
      found.state === "changed" || !found.now ? [found] : [...before, found.now, ...after];
    const parts = await rendered(told);
    const now = found.state === "changed" && found.now ? await rendered([found.now]) : [];
    const quote = how.quote ?? citation.excerpt; // "" where nothing is to be marked
    if (turn === shown)
      show(
        citation,
        { found, parts, now, at: told.length > 1 ? before.length : 0 },
        { ...how, quote },
      );
  } catch (error) {
    if (turn === shown) fail(t("passageFailed", { reason: error.message }));
  }
}

// Another thing than a passage, beside the answer too; returns what takes its content.
export function openBeside(title, from) {
  const turn = begin({ title }, from);
  return (content) => turn === shown && panel.lastChild.replaceWith(content);
}

// What an address names, and the answer does not hold.
export function openNothing(words) {
  begin({ title: t("cited") });
  fail(words);
}

export function closePassage() {
  if (panel.hidden) return;
  shown += 1;
  free();
  panel.hidden = true;
  document.body.classList.remove("reading");
  opener?.focus();
}

// The address names what is open: Back closes it, too.
function dismiss() {
  if (location.hash.includes("/source/")) close();
  else closePassage();
}

function begin(citation, from = null, link = null) {
  opener = from ?? opener;
  free();
  panel.classList.remove("wide");
  panel.replaceChildren(
    heading(citation, link),
    make("p", { class: "quiet", "aria-busy": "true" }, "…"),
  );
  panel.hidden = false;
  document.body.classList.add("reading");
  panel.querySelector("h2").focus();
  return ++shown;
}

function free() {
  leave?.();
  leave = null;
}

function fail(words) {
  panel.lastChild.replaceWith(make("p", { class: "problem", role: "alert" }, words));
}

// As it was cited, where that was kept; else as it is indexed now.
async function find(citation, kept) {
  try {
    if (kept) return await get(kept);
  } catch (error) {
    if (error.status !== GONE) throw error;
  }
  const now = await get(`${address("api/chunks", citation.chunk)}?around=1`);
  return { ...now, state: "unchanged", now, root_now: now.root, path_now: now.path };
}

function heading(citation, link) {
  return make(
    "header",
    {},
    citation.number
      ? make("span", { class: "number", "aria-hidden": "true" }, String(citation.number))
      : null,
    make("h2", { id: "passage-title", tabindex: "-1" }, citation.title),
    link ? copyButton(t("copyLink"), () => linkTo(link), null, "link") : null,
    iconButton("close", t("close"), dismiss),
  );
}

/** @param {Citation} citation @param {{ found: any, parts: Node[], now: Node[], at: number }} told
 * @param {{ quote: string, again?: () => void }} how */
function show(citation, { found, parts, now, at }, { quote, again }) {
  if (!citation.title)
    panel.querySelector("h2").replaceChildren(inReadingOrder(found.title || found.path));
  const body = make("div", {
    class: "passage-body",
    tabindex: "0",
    role: "region",
    "aria-labelledby": "passage-title",
  });
  const showPassage = () => {
    const text = make("div", { class: "prose", dir: "auto" }, parts[at].cloneNode(true));
    const isThen = found.state === "changed" || found.state === "gone";
    body.replaceChildren(
      ...[
        around(t("before"), parts.slice(0, at)),
        make(
          "section",
          { class: "cited", "aria-label": t("cited") },
          isThen ? make("h3", {}, then(found)) : null,
          text,
        ),
        around(t("after"), parts.slice(at + 1)),
        found.state === "changed" ? nowPart(found, now) : null,
      ].filter(Boolean),
    );
    const cited = highlight(text, quote) ?? text;
    body.scrollTop = cited.getBoundingClientRect().top - body.getBoundingClientRect().top - ABOVE;
  };
  const where = make("p", { class: "where" }, whereOf(found));
  const place = make("div", { class: "passage-place" }, where, news(found, again), ways());
  panel.lastChild.replaceWith(place, body);
  showPassage();

  function ways() {
    if (found.path_now == null) return null;
    const spot = { ...(found.now ?? found), root: found.root_now, path: found.path_now };
    const views = [
      [t("cited"), showPassage],
      [t("inDocument"), () => showDocument(body, spot, quote)],
    ].map(([words, open], number) =>
      button(words, () => choose(number, open), {
        class: "tab",
        "aria-pressed": String(number === 0),
      }),
    );

    async function choose(number, open) {
      free();
      panel.classList.toggle("wide", number > 0);
      views.forEach((view, each) => (view.ariaPressed = String(each === number)));
      await open();
    }

    const link = originalLink({ ...spot, excerpt: quote }, "original", icon("open"), t("original"));
    return make("div", { class: "ways" }, make("div", { class: "tabs" }, views), link);
  }
}

// The PDF itself; anything else, and a PDF that cannot be shown, as it was read.
async function showDocument(body, spot, quote) {
  const turn = shown;
  const { root, path, page, id, metadata } = spot;
  body.replaceChildren(make("p", { class: "quiet", "aria-busy": "true" }, "…"));
  const place = { root, path, chunk: id, quote };
  try {
    if (metadata.media_type !== PDF) return await showText(body, place);
    const file = `${address("api/documents", root, path)}/original`;
    const done = await showPdf(body, file, { page, quote }).catch(() => null);
    if (!done) await showText(body, place);
    else if (turn === shown && panel.classList.contains("wide")) leave = done;
    else done();
  } catch (error) {
    const words = t("passageFailed", { reason: error.message });
    body.replaceChildren(make("p", { class: "problem", role: "alert" }, words));
  }
}

// What became of the document since the answer was given.
function news({ state, removed_at, indexed_at_now }, again) {
  const told = {
    document_changed: () => t("changedElsewhere", { date: date(indexed_at_now) }),
    changed: () => t("changedSince", { date: date(indexed_at_now) }),
    gone: () => (removed_at ? t("removedOn", { date: date(removed_at) }) : t("noLongerThere")),
  }[state];
  if (!told) return null;
  const asks = again && state !== "document_changed";
  return make(
    "div",
    { class: `news ${state}`, role: "note" },
    make("p", {}, told()),
    asks ? button(t("askAgain"), again) : null,
  );
}

function then({ indexed_at }) {
  return indexed_at ? t("thenOf", { date: date(indexed_at) }) : t("then");
}

function nowPart({ now, indexed_at_now }, parts) {
  const text = now
    ? make("div", { class: "prose", dir: "auto" }, parts)
    : make("p", {}, t("nothingNow"));
  return make(
    "section",
    { class: "now" },
    make("h3", {}, t("nowOf", { date: date(indexed_at_now) })),
    text,
  );
}

function whereOf({ path, headings, ...spot }) {
  return [path, headings, ...spotsOf(spot)].filter(Boolean).join(" · ");
}

function around(title, parts) {
  if (!parts.length) return null;
  return make(
    "section",
    { class: "around", "aria-label": title },
    make("h3", {}, title),
    make("div", { class: "prose", dir: "auto" }, ...parts.map((part) => part.cloneNode(true))),
  );
}
