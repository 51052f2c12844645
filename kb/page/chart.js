// Rows as a chart, when they are one, with what may be chosen about it.

import { axesOf, seriesOf, splitsOf, titleOf } from "./axes.js";
import { iconButton, make } from "./dom.js";
import { save } from "./save.js";
import { t } from "./words.js";

const WORDS = {
  bar: "chartBar",
  line: "chartLine",
  area: "chartArea",
  pie: "chartPie",
  stacked: "chartStacked",
};

// Null when the rows are no chart.
export function chartOf(columns, rows) {
  const axes = axesOf(columns, rows);
  return axes && new ChartView(columns, rows, axes).element;
}

class ChartView {
  constructor(columns, rows, axes) {
    this.columns = columns;
    this.rows = rows;
    this.axes = axes;
    this.picture = null; // the module, when a chart is drawn for the first time
    this.chart = null; // while it is drawn
    this.chosen = { label: axes.label, measures: [axes.measure], split: null, type: null };
    this.hasOwnAxes = false;
    this.canvas = make("canvas", { role: "img" });
    this.box = make("div", { class: "picture" }, this.canvas);
    this.controls = make("div", { class: "chart-controls" });
    this.element = make("div", { class: "chart" }, this.controls, this.box);
    this.takeLabel(axes.label);
    this.redraw = () => this.chart?.update("none");
    // A canvas that nobody sees any more holds its memory until its chart is destroyed.
    new ResizeObserver(() => (this.box.clientWidth ? this.draw() : this.leave())).observe(this.box);
  }

  takeLabel(label) {
    this.chosen.label = label;
    this.splits = splitsOf(this.rows, this.axes.others, label);
    this.chosen.split = this.splits[0] ?? null;
    this.change();
  }

  // Anything but the width has changed.
  change() {
    const { columns, rows, chosen } = this;
    this.data = seriesOf(columns, rows, chosen);
    const values = chosen.measures.map((at) => titleOf(columns[at])).join(", ");
    const told = t("chartOf", { values, labels: titleOf(columns[chosen.label]) });
    this.canvas.setAttribute("aria-label", told);
    this.leave();
    this.draw();
  }

  async draw() {
    if (this.chart) return;
    this.picture ??= await import("./picture.js");
    const { drawn, defaultType, isPossible } = this.picture;
    if (this.chart || !this.box.clientWidth) return;
    const { chosen, data } = this;
    if (!chosen.type || !isPossible(chosen.type, data)) chosen.type = defaultType(data);
    this.control();
    const title = titleOf(this.columns[chosen.label]);
    this.chart = drawn(this.canvas, {
      type: chosen.type,
      data,
      title,
      hasOwnAxes: this.hasOwnAxes && this.mayHaveOwnAxes(),
    });
    theme.addEventListener("change", this.redraw);
  }

  leave() {
    this.chart?.destroy();
    this.chart = null;
    theme.removeEventListener("change", this.redraw);
  }

  mayHaveOwnAxes() {
    return this.chosen.measures.length > 1 && ["line", "area"].includes(this.chosen.type);
  }

  control() {
    const { axes, chosen } = this;
    const focused = this.controls.contains(document.activeElement)
      ? document.activeElement.getAttribute("name")
      : null;
    const keep = iconButton("picture", t("savePicture"), () => this.save());
    this.controls.replaceChildren(
      this.typeSelect(),
      this.select("chartBy", axes.labels, chosen.label, (at) => this.takeLabel(at)),
      this.select("chartSeries", this.splits, chosen.split, (at) => {
        chosen.split = at;
        this.change();
      }),
      ...[axes.measures.length > 1 && this.measureBoxes()].filter(Boolean),
      keep,
    );
    if (focused) this.controls.querySelector(`[name="${focused}"]`)?.focus();
  }

  typeSelect() {
    const { TYPES, isPossible } = this.picture;
    const options = TYPES.filter((type) => isPossible(type, this.data)).map((type) =>
      make("option", { value: type }, t(WORDS[type])),
    );
    const change = () => {
      this.chosen.type = select.value;
      this.change();
    };
    const select = make("select", { name: "chartType", change }, options);
    select.value = this.chosen.type;
    return make("label", {}, t("chartType"), select);
  }

  select(word, places, chosen, take) {
    const options = places.map((at) => make("option", { value: at }, titleOf(this.columns[at])));
    const change = () => take(Number(select.value));
    const select = make("select", { name: word, change }, options);
    if (chosen !== null) select.value = chosen;
    return make("label", { hidden: places.length < 2 }, t(word), select);
  }

  // At least one is always chosen.
  measureBoxes() {
    const { axes, chosen } = this;
    const boxes = axes.measures.map((at) => {
      const input = make("input", {
        type: "checkbox",
        name: `measure-${at}`,
        checked: chosen.measures.includes(at),
        change: () => {
          const wanted = axes.measures.filter((each) =>
            each === at ? input.checked : chosen.measures.includes(each),
          );
          if (wanted.length) chosen.measures = wanted;
          this.change();
        },
      });
      return make("label", { class: "check" }, input, titleOf(this.columns[at]));
    });
    return make(
      "fieldset",
      { class: "measures" },
      make("legend", { class: "hidden" }, t("chartValues")),
      boxes,
      this.mayHaveOwnAxes() ? this.ownAxesBox() : null,
    );
  }

  ownAxesBox() {
    const change = () => {
      this.hasOwnAxes = input.checked;
      this.change();
    };
    const attributes = { type: "checkbox", name: "ownAxes", checked: this.hasOwnAxes, change };
    const input = make("input", attributes);
    return make("label", { class: "check" }, input, t("chartOwnAxes"));
  }

  save() {
    this.canvas.toBlob((blob) => save(blob, "chart.png"), "image/png");
  }
}

// Tells when the colours of the page change: the system's, or those that somebody chooses.
const theme = new EventTarget();
const tellTheme = () => theme.dispatchEvent(new Event("change"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", tellTheme);
new MutationObserver(tellTheme).observe(document.documentElement, {
  attributeFilter: ["data-theme"],
});
