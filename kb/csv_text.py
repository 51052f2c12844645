"""Rows as CSV, for programs and for spreadsheets."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, Final, TextIO

# By these a spreadsheet takes a text for a formula; those of a full width it takes for the same.
_FORMULA: Final = re.compile(r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_NUMBER: Final = re.compile(r"[+-]?(?:\d[\d.,]*|\.\d+)(?:[eE][+-]?\d+)?")


def as_csv(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, escape_formulas: bool) -> str:
    """Write rows as CSV; `escape_formulas` puts an apostrophe before what would be computed."""
    text = io.StringIO(newline="")
    write_csv(text, columns, rows, escape_formulas=escape_formulas)
    return text.getvalue()


def write_csv(
    target: TextIO, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, escape_formulas: bool
) -> int:
    """Write rows as CSV, as they come, and return how many."""
    writer = csv.writer(target)
    count = -1  # the first line has the names
    for count, row in enumerate(chain([columns], rows)):  # noqa: B007 - it is returned
        writer.writerow([_escape_formula(cell) if escape_formulas else cell for cell in row])
    return count


def _escape_formula(cell: Any) -> Any:
    is_formula = isinstance(cell, str) and _FORMULA.match(cell) and not _NUMBER.fullmatch(cell)
    return f"'{cell}" if is_formula else cell
