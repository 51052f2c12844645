"""What the columns of rows hold: their cells as JSON do not tell 007 from a number."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal, TypeAlias

ColumnType: TypeAlias = Literal["number", "date", "datetime", "text"]


def column_types(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[ColumnType]:
    """Return the type of each column by its cells; text where they differ or are none."""
    types: list[ColumnType] = []
    for at in range(len(columns)):
        kinds = {_find_type(row[at]) for row in rows if row[at] is not None}
        types.append(kinds.pop() if len(kinds) == 1 else "text")
    return types


def _find_type(cell: object) -> ColumnType:
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
