// A PDF, page by page as they are looked at, with the cited words marked.

import { make } from "./dom.js";
import { highlight } from "./highlight.js";
import { t } from "./words.js";

const VENDOR = new URL("vendor/", import.meta.url).href;
const NEAR = "600px"; // from being seen
const ABOVE = 64; // pixels that show what stands before the cited words
let library = null;

function load() {
  library ??= import(`${VENDOR}pdf.min.mjs`).then((loaded) => {
    loaded.GlobalWorkerOptions.workerSrc = `${VENDOR}pdf.worker.min.mjs`;
    return loaded;
  });
  return library;
}

// Shows a file in an element that scrolls; whoever takes it away calls what this returns.
/** @param {HTMLElement} body @param {string} url @param {{ page?: number, quote?: string }} place */
export async function showPdf(body, url, { page = 1, quote = "" }) {
  const { getDocument, TextLayer } = await load();
  const loading = getDocument({
    url: new URL(url, location.href).href,
    isEvalSupported: false,
    useWasm: false,
    disableAutoFetch: true,
  });
  const file = await loading.promise;
  const first = (await file.getPage(1)).getViewport({ scale: 1 });
  const sheets = Array.from({ length: file.numPages }, (_, at) => sheet(at + 1, first));
  const seen = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        if (!isIntersecting) continue;
        seen.unobserve(target);
        draw(sheets.indexOf(/** @type {HTMLElement} */ (target)) + 1).catch(() => null);
      }
    },
    { root: body, rootMargin: NEAR },
  );
  body.replaceChildren(...sheets);
  const cited = sheets[Math.min(Math.max(page, 1), sheets.length) - 1];
  scrollTo(body, cited);
  for (const each of sheets) seen.observe(each);

  async function draw(number) {
    const element = sheets[number - 1];
    const page = await file.getPage(number);
    const own = page.getViewport({ scale: 1 });
    const viewport = page.getViewport({ scale: element.clientWidth / own.width });
    element.style.aspectRatio = `${own.width} / ${own.height}`;
    const density = window.devicePixelRatio || 1;
    const canvas = make("canvas", {
      "aria-hidden": "true",
      width: Math.floor(viewport.width * density),
      height: Math.floor(viewport.height * density),
    });
    const words = make("div", { class: "pdf-words" });
    words.style.setProperty("--total-scale-factor", String(viewport.scale));
    element.replaceChildren(canvas, words);
    const transform = [density, 0, 0, density, 0, 0];
    const text = new TextLayer({
      textContentSource: page.streamTextContent(),
      container: words,
      viewport,
    });
    await Promise.all([page.render({ canvas, viewport, transform }).promise, text.render()]);
    const marked = element === cited && highlight(words, quote);
    if (marked) scrollTo(body, marked);
  }

  return () => {
    seen.disconnect();
    loading.destroy();
  };
}

function sheet(number, { width, height }) {
  const label = t("page", { n: String(number) });
  const element = make("section", { class: "pdf-page", "aria-label": label });
  element.style.aspectRatio = `${width} / ${height}`;
  return element;
}

function scrollTo(body, target) {
  const by = target.getBoundingClientRect().top - body.getBoundingClientRect().top;
  body.scrollTop += by - ABOVE;
}
