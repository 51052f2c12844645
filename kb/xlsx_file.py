"""Rows as a sheet of XLSX, written as they come."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, BinaryIO, Final

from xlsxwriter import Workbook
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from engines.tables.query_result import cell_as_json

_MOST_CHARACTERS: Final = 32_767  # of a cell
_EXACT: Final = 15  # digits that a number of a sheet keeps
_FIRST_YEAR: Final = 1900  # of a sheet's dates
_OPTIONS: Final = {
    "constant_memory": True,  # a row is on the disk when the next one comes
    "nan_inf_to_errors": True,
}


def write_xlsx(target: BinaryIO, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    """Write rows as a workbook of one sheet, and return how many.

    Texts are cells of the type text, of which a spreadsheet computes none, and opens no link.
    Numbers of more digits than a sheet keeps are texts, too; a text that is too long for a cell is
    cut, and ends with "…".
    """
    count = 0
    with Workbook(target, _OPTIONS) as workbook:
        sheet = workbook.add_worksheet()
        day = workbook.add_format({"num_format": "yyyy-mm-dd"})
        moment = workbook.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        sheet.freeze_panes(1, 0)
        for at, name in enumerate(columns):
            sheet.write_string(0, at, _shorten(name))
        for count, row in enumerate(rows, start=1):
            for at, cell in enumerate(row):
                _write_cell(sheet, count, at, cell, day, moment)
    return count


def _write_cell(
    sheet: Worksheet, row: int, column: int, cell: Any, day: Format, moment: Format
) -> None:
    match cell:
        case None:
            return
        case int() | float() | Decimal() if _is_exact(cell):
            sheet.write_number(row, column, float(cell))
        case datetime() if cell.year >= _FIRST_YEAR:
            sheet.write_datetime(row, column, cell, moment)
        case date() if cell.year >= _FIRST_YEAR:
            sheet.write_datetime(row, column, cell, day)
        case _:
            sheet.write_string(row, column, _shorten(str(cell_as_json(cell))))


def _is_exact(number: float | Decimal) -> bool:
    return isinstance(number, float) or len(Decimal(number).as_tuple().digits) <= _EXACT


def _shorten(text: str) -> str:
    return text if len(text) <= _MOST_CHARACTERS else f"{text[: _MOST_CHARACTERS - 1]}…"
