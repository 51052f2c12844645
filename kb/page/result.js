// What a statement gave: a number, or chart and table, and the statement itself, each to open.

import { complain } from "./announce.js";
import { chartOf } from "./chart.js";
import { icon, make } from "./dom.js";
import { figureOf } from "./figure.js";
import { menu } from "./menu.js";
import { saveRows } from "./save.js";
import { statement } from "./statement.js";
import { tableOf } from "./table.js";
import { date, t } from "./words.js";

const PICTURES = { chart: "chart", table: "table", sql: "code" };

export function resultOf(given) {
  const { rows, truncated, verified, rows_as_of: asOf } = given;
  const units = verified?.units ?? {};
  const columns = given.columns.map((name, at) => ({
    name,
    type: given.types?.[at] ?? "text",
    unit: units[name],
  }));
  const mark = verified?.name ? verifiedMark(verified) : null;
  // Nobody has verified what it becomes while it is changed.
  const changed = (isOther) => mark && (mark.hidden = isOther);
  const chart = chartOf(columns, rows);
  const makers = {
    ...(chart ? { chart: () => chart } : {}),
    table: () => tableOf(columns, rows),
    sql: () => statement(given, resultOf, changed),
  };
  const figure = figureOf(columns, rows);
  const begin = chart ? "chart" : rows.length > 1 ? "table" : null;
  const body = make("div", { class: "result-body" });
  const count = make(
    "span",
    { class: truncated ? "cut" : "quiet" },
    t(truncated ? "rowsCut" : "rows", { n: rows.length }),
  );
  const moment = asOf && date(asOf, { dateStyle: "medium", timeStyle: "medium" });
  const age = asOf ? make("span", { class: "quiet" }, t("rowsAsOf", { moment })) : null;
  const head = make(
    "div",
    { class: "result-head" },
    parts(makers, body, begin),
    make("div", { class: "facts" }, mark, count, age, filesMenu(given)),
  );
  return make("section", { class: "result", "aria-label": t("result") }, head, figure, body);
}

// The whole result as a file, however many of its rows are shown here.
function filesMenu({ sql, parameters }) {
  const save = (kind) => saveRows(sql, parameters, kind).catch(complain);
  return menu({ label: t("saveRows"), picture: "download" }, [
    [t("saveCsv"), () => save("csv")],
    [t("saveXlsx"), () => save("xlsx")],
  ]);
}

// Buttons that each open and close a part; what is open stands in the order of the buttons.
function parts(makers, body, begin) {
  const made = {};
  const toggles = Object.keys(makers).map((name) => {
    const toggle = make(
      "button",
      {
        type: "button",
        class: "tab",
        "data-part": name,
        "aria-expanded": String(name === begin),
        click: () => {
          toggle.ariaExpanded = String(toggle.ariaExpanded !== "true");
          show();
        },
      },
      icon(PICTURES[name]),
      t(name),
    );
    return toggle;
  });

  function show() {
    const open = toggles.filter((toggle) => toggle.ariaExpanded === "true");
    const names = open.map((toggle) => toggle.dataset.part);
    body.replaceChildren(...names.map((name) => (made[name] ??= makers[name]())));
  }

  show();
  return make("div", { class: "tabs" }, toggles);
}

function verifiedMark({ verified_by: name, verified_at: when, question }) {
  const day = date(when, { dateStyle: "long", timeZone: "UTC" });
  const told = make("span", {}, t("verifiedBy", { name, date: day }));
  const title = t("verifiedFor", { name, date: day, question });
  return make("span", { class: "verified", title }, icon("check"), told);
}
