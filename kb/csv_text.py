"""Rows as CSV, for programs and for spreadsheets."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

# By these a spreadsheet takes a text for a formula; those of a full width it takes for the same.
_FORMULA: Final = re.compile(r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_NUMBER: Final = re.compile(r"[+-]?(?:\d[\d.,]*|\.\d+)(?:[eE][+-]?\d+)?")


def as_csv(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, escape_formulas: bool) -> str:
    """Write rows as CSV; `escape_formulas` puts an apostrophe before what would be computed."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    for row in (columns, *rows):
        writer.writerow([_escape_formula(cell) if escape_formulas else cell for cell in row])
    return text.getvalue()


def _escape_formula(cell: Any) -> Any:
    is_formula = isinstance(cell, str) and _FORMULA.match(cell) and not _NUMBER.fullmatch(cell)
    return f"'{cell}" if is_formula else cell
