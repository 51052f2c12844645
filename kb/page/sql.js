// SQL as text: its words in colours, and its parameters as the values that were bound.

import { make } from "./dom.js";

const WORDS =
  `select from where and or not in is null join left right inner outer cross on using group by having order
 asc desc limit offset union all distinct as case when then else end between like exists with recursive over partition
 interval year month day true false`.split(/\s+/);
const TOKENS =
  /('(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*"|`[^`]*`)|(:[A-Za-z_]\w*)|(\b\d+(?:\.\d+)?\b)|(\b[A-Za-z_]\w*\b)/g;

export function coloured(sql) {
  const parts = [];
  let at = 0;
  for (const found of sql.matchAll(TOKENS)) {
    const kind = kindOf(found);
    if (!kind) continue;
    parts.push(sql.slice(at, found.index), make("span", { class: kind }, found[0]));
    at = found.index + found[0].length;
  }
  return [...parts, sql.slice(at)];
}

function kindOf([, string, parameter, digits, word]) {
  if (string) return "sql-string";
  if (parameter || digits) return "sql-value";
  return WORDS.includes(word.toLowerCase()) ? "sql-word" : null;
}

export function withValues(sql, parameters) {
  return sql.replace(TOKENS, (whole, _, parameter) => {
    const name = parameter?.slice(1);
    return name !== undefined && Object.hasOwn(parameters ?? {}, name)
      ? literal(parameters[name])
      : whole;
  });
}

// The :names of a statement, each once.
export function namesIn(sql) {
  const names = [...sql.matchAll(TOKENS)].map(([, , parameter]) => parameter?.slice(1));
  return [...new Set(names.filter(Boolean))];
}

function literal(value) {
  if (value == null) return "NULL";
  if (typeof value === "number") return String(value);
  return `'${String(value).replaceAll("\\", "\\\\").replaceAll("'", "''")}'`;
}
