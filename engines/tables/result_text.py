"""Rows of the business tables as text: for a model, and for a person in their language."""

import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from babel import dates, numbers

from engines.answer import TableResult
from engines.documents.cited_text import clean_quotation, make_inert
from engines.documents.code_spans import write_code
from engines.documents.fences import may_fence
from engines.shortening import cut
from engines.tables.query_result import QueryResult, cell_as_json
from engines.visible_text import make_visible
from stores.text.translations import load_translations

SHOWN_ROWS = 20
READ_ROWS = 50  # by a model; all of them are in the metadata
_CELL_CHARACTERS = 300
_TEXT_CHARACTERS = 10_000  # of a cell in an answer; all of them are in the metadata
_BETWEEN_BARS: Final = re.compile(r"[^|\s](?:[^|]*[^|\s])?")  # code ends at the bar of a table


def as_lines(result: QueryResult | TableResult) -> str:
    """Write the first rows as a model reads them, a line each, with cells as SQL writes them."""
    lines = [" | ".join(result.columns)]
    for row in result.rows[:READ_ROWS]:
        cells = ("NULL" if cell is None else " ".join(str(cell).split()) for cell in row)
        lines.append(" | ".join(cut(cell, _CELL_CHARACTERS) for cell in cells))
    more = len(result.rows) - READ_ROWS
    if more > 0 or result.truncated:
        lines.append(f"({'more than ' if result.truncated else ''}{max(more, 0)} more rows)")
    return "\n".join(lines) if result.rows else "(no rows)"


def as_text(
    result: QueryResult | TableResult, language: str, units: Mapping[str, str] | None = None
) -> str:
    """Write one row as a list, and more as a Markdown table, of which the first are shown.

    `units` are what columns count in: the code of a currency, %, or a word.
    """
    if all(cell is None for row in result.rows for cell in row):
        return load_translations(language).gettext("Nothing was found.")
    titles = [_write_text(column.replace("_", " ")) for column in result.columns]
    known, column_units = units or {}, []
    for column in result.columns:
        is_name = column in ("id", "year") or column.endswith("_id")  # and no quantity
        column_units.append(known.get(column, "#" if is_name else ""))
    rows = [
        [format_cell(cell, language, unit) for cell, unit in zip(row, column_units, strict=True)]
        for row in result.rows[:SHOWN_ROWS]
    ]
    if len(rows) == 1:
        text = "\n".join(f"{title}: {cell}" for title, cell in zip(titles, rows[0], strict=True))
    else:
        lines = [titles, ["---"] * len(titles), *rows]
        escaped = [
            [" ".join(cell.replace("|", "\\|").splitlines()) for cell in line] for line in lines
        ]
        text = "\n".join(f"| {' | '.join(line)} |" for line in escaped)
    told = make_inert(text), _tell_missing_rows(result, language), tell_age(result, language)
    return "\n\n".join(filter(None, told))


def _tell_missing_rows(result: QueryResult | TableResult, language: str) -> str:
    texts = load_translations(language)
    rows = len(result.rows)
    shown = min(SHOWN_ROWS, rows)
    if result.truncated:
        text = texts.ngettext(
            "The first row; there are more.", "The first {shown} rows; there are more.", shown
        )
        return text.format(shown=shown)
    if shown < rows:
        return texts.gettext("The first {shown} of {rows} rows.").format(shown=shown, rows=rows)
    return ""


def tell_age(result: QueryResult | TableResult, language: str) -> str:
    """Say when rows were read that were kept; "" for rows that were read just now."""
    as_of = result.as_of if isinstance(result, QueryResult) else result.rows_as_of
    if as_of is None:
        return ""
    if isinstance(as_of, str):
        as_of = datetime.fromisoformat(as_of)
    text = load_translations(language).gettext("The rows are as of {time} UTC.")
    return text.format(time=dates.format_datetime(as_of, "medium", locale=language))


def format_cell(cell: Any, language: str, unit: str = "") -> str:
    """Write a cell as one does in the language; the unit # keeps a number's digits together."""
    match cell:
        case None:
            return "-"
        case str():
            return _write_text(cell)
        case int() | Decimal() | float() if unit != "#":
            return _format_quantity(cell, language, unit)
        case datetime():
            return dates.format_datetime(cell, "medium", locale=language)
        case date():
            return dates.format_date(cell, "long", locale=language)
    return str(cell_as_json(cell))


def _write_text(text: str) -> str:
    """Write a text of the tables, as code where it would mean something in Markdown: [2], <T>."""
    shown = make_visible(cut(text, _TEXT_CHARACTERS))
    return "\n".join(map(_write_line, shown.split("\n")))


def _write_line(line: str) -> str:
    clean = clean_quotation(line)
    if "`" not in line and clean.replace("`", "") == line and not may_fence(line):
        return clean  # with its addresses as code
    return _BETWEEN_BARS.sub(lambda part: write_code(part[0]), line)


def _format_quantity(number: float | Decimal, language: str, unit: str) -> str:
    """Write a number with the decimals that the database gave: 3.70 says more than 3.7."""
    exact = Decimal(str(int(number) if isinstance(number, bool) else number))
    if not exact.is_finite():
        return str(number)
    if numbers.is_currency(unit):
        return numbers.format_currency(exact, unit, locale=language, decimal_quantization=False)
    decimals = max(0, -int(exact.as_tuple().exponent))
    pattern = f"#,##0.{'0' * decimals}".rstrip(".")
    plain = numbers.format_decimal(exact, pattern, locale=language)
    return f"{plain}{'' if unit == '%' and language == 'en' else ' '}{unit}".rstrip()
