"""What the columns of rows hold: their cells as JSON do not tell 007 from a number."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal, TypeAlias

ColumnType: TypeAlias = Literal["number", "date", "datetime", "text"]


def column_types(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[ColumnType]:
    """Of each column, by its cells as the driver types them; text where they differ or are none."""
    return [_type_of([row[at] for row in rows]) for at in range(len(columns))]


def _type_of(cells: Sequence[Any]) -> ColumnType:
    kinds = {_kind(cell) for cell in cells if cell is not None}
    return kinds.pop() if len(kinds) == 1 else "text"


def _kind(cell: object) -> ColumnType:
    match cell:
        case bool():
            return "text"
        case int() | float() | Decimal():
            return "number"
        case datetime():
            return "datetime"
        case date():
            return "date"
    return "text"
