// What a statement gave: chart, table and the statement itself, one of them at a time.

import { chartOf } from "./chart.js";
import { toCsv } from "./csv.js";
import { icon, iconButton, make } from "./dom.js";
import { save } from "./save.js";
import { statement } from "./statement.js";
import { tableOf } from "./table.js";
import { date, t } from "./words.js";

const PICTURES = { chart: "chart", table: "table", sql: "code" };

export function resultOf(given) {
  const { rows, truncated, verified } = given;
  const units = verified?.units ?? {};
  const columns = given.columns.map((name, at) => ({
    name,
    type: given.types?.[at] ?? "text",
    unit: units[name],
  }));
  const chart = chartOf(columns, rows);
  const makers = {
    chart: chart && (() => chart),
    table: () => tableOf(columns, rows),
    sql: () => statement(given, resultOf),
  };
  const body = make("div", { class: "result-body" });
  const begin = chart ? "chart" : rows.length > 1 ? "table" : null;
  const count = make(
    "span",
    { class: truncated ? "cut" : "quiet" },
    t(truncated ? "rowsCut" : "rows", { n: rows.length }),
  );
  const facts = [verified?.name && verifiedMark(verified), count, csvButton(given)];
  const head = make(
    "div",
    { class: "result-head" },
    tabs(makers, body, begin),
    make("div", { class: "facts" }, facts),
  );
  return make("section", { class: "result", "aria-label": t("result") }, head, body);
}

function csvButton({ columns, rows }) {
  const click = () => save(toCsv(columns, rows), "rows.csv");
  return iconButton("download", t("saveCsv"), click);
}

function tabs(makers, body, begin) {
  const made = {};
  const buttons = Object.keys(makers)
    .filter((name) => makers[name])
    .map((name) =>
      make(
        "button",
        {
          type: "button",
          class: "tab",
          "data-part": name,
          "aria-expanded": "false",
          click: () => choose(name),
        },
        icon(PICTURES[name]),
        t(name),
      ),
    );

  function choose(name) {
    const isOpen = buttons.find((each) => each.dataset.part === name).ariaExpanded === "true";
    for (const each of buttons) each.ariaExpanded = String(!isOpen && each.dataset.part === name);
    made[name] ??= makers[name]();
    body.replaceChildren(...(isOpen ? [] : [made[name]]));
  }

  if (begin) choose(begin);
  return make("div", { class: "tabs" }, buttons);
}

function verifiedMark({ verified_by: name, verified_at: when, question }) {
  const day = date(when, { dateStyle: "long", timeZone: "UTC" });
  const told = make("span", {}, t("verifiedBy", { name, date: day }));
  const title = t("verifiedFor", { name, date: day, question });
  return make("span", { class: "verified", title }, icon("check"), told);
}
