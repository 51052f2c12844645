"""What a statement on the business tables gave: typed rows, as JSON, and as text to read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, TypeAlias

from babel import dates, numbers

from engines.answer import TableResult
from engines.documents.cited_text import clean_quotation, make_inert
from engines.shortening import cut
from stores.binding import Value
from stores.text.translations import load_translations

SHOWN_ROWS = 20
READ_ROWS = 50  # by a model; all of them are in the metadata
_CELL_CHARACTERS = 300
_TEXT_CHARACTERS = 10_000  # of a cell in an answer; all of them are in the metadata


@dataclass(frozen=True)
class QueryResult:
    """Rows as the driver types them: Decimal, date, datetime; `truncated` when there were more."""

    columns: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]
    truncated: bool = False


# Executes a statement with named parameters, which are bound.
Run: TypeAlias = Callable[[str, Mapping[str, Value]], QueryResult]


def as_json(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """Cells as JSON keeps them without loss: decimals and dates as text, bytes as hexadecimal."""
    return [[cell_as_json(cell) for cell in row] for row in rows]


def cell_as_json(cell: Any) -> Any:
    """Return a cell as `as_json` does."""
    match cell:
        case None | bool() | int() | float() | str():
            return cell
        case date() | time():
            return cell.isoformat()
        case bytes():
            return cell.hex()
    return str(cell)


def as_lines(result: QueryResult | TableResult) -> str:
    """The first rows as a model reads them, a line each; cells as SQL writes them."""
    lines = [" | ".join(result.columns)]
    lines += [" | ".join(map(_as_sql_writes, row)) for row in result.rows[:READ_ROWS]]
    more = len(result.rows) - READ_ROWS
    if more > 0 or result.truncated:
        lines.append(f"({'more than ' if result.truncated else ''}{max(more, 0)} more rows)")
    return "\n".join(lines) if result.rows else "(no rows)"


def _as_sql_writes(value: object) -> str:
    text = "NULL" if value is None else " ".join(str(value).split())
    return cut(text, _CELL_CHARACTERS)


def as_text(
    result: QueryResult | TableResult, language: str, units: Mapping[str, str] | None = None
) -> str:
    """Rows in the language: one as a list, more as a Markdown table, of which the first are shown.

    `units` are what columns count in: the code of a currency, %, or a word.
    """
    if all(cell is None for row in result.rows for cell in row):
        return load_translations(language).gettext("Nothing was found.")
    titles = [_in_text(column.replace("_", " ")) for column in result.columns]
    cells = [_formatted_row(row, result, language, units or {}) for row in result.rows[:SHOWN_ROWS]]
    text = _one_row(titles, cells[0]) if len(cells) == 1 else _table(titles, cells)
    return "\n\n".join(filter(None, [make_inert(text), _rest(result, language)]))


def _formatted_row(
    row: Sequence[Any], result: QueryResult | TableResult, language: str, units: Mapping[str, str]
) -> list[str]:
    columns = zip(row, result.columns, strict=True)
    return [formatted(cell, language, _unit(column, units)) for cell, column in columns]


def _unit(column: str, units: Mapping[str, str]) -> str:
    """Years and keys are no quantities."""
    is_name = column in ("id", "year") or column.endswith("_id")
    return units.get(column, "#" if is_name else "")


def _one_row(titles: list[str], cells: list[str]) -> str:
    return "\n".join(f"{title}: {cell}" for title, cell in zip(titles, cells, strict=True))


def _table(titles: list[str], cells: list[list[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *cells]
    return "\n".join(f"| {' | '.join(map(_in_table, line))} |" for line in lines)


def _in_table(cell: str) -> str:
    return " ".join(cell.replace("|", "\\|").splitlines())


def _rest(result: QueryResult | TableResult, language: str) -> str:
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


def formatted(cell: Any, language: str, unit: str = "") -> str:
    """A cell as one writes it in the language; the unit # keeps a number's digits together."""
    match cell:
        case None:
            return "-"
        case str():
            return _in_text(cell)
        case int() | Decimal() | float() if unit != "#":
            return _quantity(cell, language, unit)
        case datetime():
            return dates.format_datetime(cell, "medium", locale=language)
        case date():
            return dates.format_date(cell, "long", locale=language)
    return str(cell_as_json(cell))


def _in_text(cell: str) -> str:
    return clean_quotation(cut(cell, _TEXT_CHARACTERS))


def _quantity(number: float | Decimal, language: str, unit: str) -> str:
    """With the decimals that the database gave: 3.70 says more than 3.7."""
    exact = Decimal(str(number))
    if not exact.is_finite():
        return str(number)
    if numbers.is_currency(unit):
        return numbers.format_currency(exact, unit, locale=language, decimal_quantization=False)
    decimals = max(0, -int(exact.as_tuple().exponent))
    pattern = f"#,##0.{'0' * decimals}".rstrip(".")
    plain = numbers.format_decimal(exact, pattern, locale=language)
    return f"{plain}{'' if unit == '%' and language == 'en' else ' '}{unit}".rstrip()
