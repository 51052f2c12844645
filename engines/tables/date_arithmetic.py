"""Finds dates that a statement reckons with as if they were numbers.

MariaDB takes 2025-03-01 for 20250301 there, so a difference of days is one of the digits, without
an error. People who write SQL know; models do not.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import sqlalchemy as sa
from sqlglot import exp

_TEMPORAL: Final = (sa.Date, sa.DateTime)
_OF_MOMENTS: Final = (
    *(exp.CurrentDate, exp.CurrentTimestamp, exp.CurrentTime, exp.CurrentDatetime),
    *(exp.Date, exp.TsOrDsToDate, exp.TsOrDsToTimestamp, exp.Timestamp),
)
# What gives a moment of a moment.
_KEEPING: Final = (exp.Paren, exp.Max, exp.Min, exp.Coalesce)
_OPERATIONS: Final = {exp.Sub: "subtracts from", exp.Add: "adds to"}


def find_date_arithmetic(query: exp.Query, tables: Mapping[str, sa.Table]) -> str | None:
    """Return what is wrong with a query that reckons with dates as numbers; None for others."""
    named = {table.name.lower() for table in query.find_all(exp.Table)}
    columns = _collect_columns(
        table for name, table in tables.items() if name.rpartition(".")[2].lower() in named
    )
    for operation in query.find_all(*_OPERATIONS):
        left, right = operation.left, operation.right
        if isinstance(right, exp.Interval) or isinstance(left, exp.Interval):
            continue
        if _is_moment(left, columns) or _is_moment(right, columns):
            return (
                f"it {_OPERATIONS[type(operation)]} a date as if it were a number. Write "
                "DATEDIFF(later, earlier) for the days between two dates, TIMESTAMPDIFF(HOUR, "
                "earlier, later) for hours, and date - INTERVAL 7 DAY for another date"
            )
    return None


def _collect_columns(tables: Iterable[sa.Table]) -> Mapping[str, bool]:
    """Return for each name of a column whether all columns of that name hold moments."""
    found: dict[str, bool] = {}
    for table in tables:
        for column in table.columns:
            name = column.name.lower()
            found[name] = found.get(name, True) and isinstance(column.type, _TEMPORAL)
    return found


def _is_moment(part: exp.Expr, columns: Mapping[str, bool]) -> bool:
    if isinstance(part, exp.Column):
        return columns.get(part.name.lower(), False)
    if isinstance(part, exp.Cast):
        return part.is_type(*exp.DataType.TEMPORAL_TYPES)
    if isinstance(part, _KEEPING):
        return _is_moment(part.this, columns)
    return isinstance(part, _OF_MOMENTS)
