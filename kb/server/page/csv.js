// Rows as a file that spreadsheets read.

export function toCsv(columns, rows) {
  const lines = [columns, ...rows].map((cells) => cells.map(quoted).join(","));
  return new Blob(["\ufeff", lines.join("\r\n"), "\r\n"], { type: "text/csv" });
}

function quoted(cell) {
  const text = String(cell ?? "");
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
