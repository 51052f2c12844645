"""Judging whether a statement found what the accepted one finds."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from typing import Any, Literal

import sqlglot
from sqlglot import exp

from engines.tables.query_result import QueryResult

Judgement = Literal["right", "order", "subset", "wrong"]
"""`order`: the right rows in another order; `subset`: the right ones among more columns."""

_Cell = str | int | float | Decimal | None
_Columns = Sequence[Sequence[_Cell]]
_SameRows = Callable[[_Columns, _Columns], bool]

_DIVIDED = -4  # MariaDB cuts a quotient of exact numbers four decimals behind its dividend
_RELATIVE = Decimal("1e-9")  # of a float, which sums in any order


@dataclass(frozen=True)
class Expected:
    """An accepted result; `order` are the columns it is sorted by, None where order is free."""

    result: QueryResult
    order: tuple[int, ...] | None = None


def expect_result(sql: str, result: QueryResult) -> Expected:
    """Return what an accepted statement finds, sorted where the statement sorts it as a whole.

    Rows with the same values to sort by may come in any order. Where the result does not hold
    those values, each row has its place.
    """
    query = sqlglot.parse_one(sql, read="mysql")
    terms = query.args["order"].expressions if query.args.get("order") else None
    if terms is None:
        return Expected(result)
    projections = [projection.unalias().sql() for projection in getattr(query, "selects", [])]
    places = [
        place
        for term in terms
        for place in _find_sort_columns(term.this, projections, result.columns)
    ]
    known = tuple(place for place in places if place is not None)
    every = tuple(range(len(result.columns)))
    return Expected(result, known if len(known) == len(places) else every)


def _find_sort_columns(
    term: exp.Expr, projections: Sequence[str], columns: Sequence[str]
) -> Iterator[int | None]:
    """Find the columns of the result that a term sorts by; None stands for one not there."""
    if isinstance(term, exp.Literal) and term.is_int:
        yield int(term.name) - 1
    elif term.sql() in projections:
        yield projections.index(term.sql())
    else:
        names = [column.name for column in term.find_all(exp.Column)]
        yield from (columns.index(name) if name in columns else None for name in names or [""])


def judge_result(found: QueryResult, accepted: Expected) -> Judgement:
    """Judge the rows found; names and order of columns do not count, duplicates do."""
    gold = accepted.result
    if found.truncated or len(found.rows) != len(gold.rows):
        return "wrong"
    ours, theirs = _result_to_columns(gold), _result_to_columns(found)
    if not _are_columns_among(ours, theirs, _have_same_rows):
        return "wrong"
    if len(theirs) > len(ours):
        return "subset"
    if accepted.order is None:
        return "right"
    same_runs = _make_ordered_comparison(gold, accepted.order)
    return "right" if _are_columns_among(ours, theirs, same_runs) else "order"


def _result_to_columns(result: QueryResult) -> _Columns:
    return [
        [_normalise_cell(row[place]) for row in result.rows] for place in range(len(result.columns))
    ]


def _are_columns_among(gold: _Columns, found: _Columns, same: _SameRows) -> bool:
    """Tell whether each column of `gold` is another of `found`, with the same rows."""

    def can_match(*chosen: int) -> bool:
        if not same(gold[: len(chosen)], [found[place] for place in chosen]):
            return False
        others = (place for place in range(len(found)) if place not in chosen)
        return len(chosen) == len(gold) or any(can_match(*chosen, place) for place in others)

    return len(gold) <= len(found) and can_match()


def _have_same_rows(gold: _Columns, found: _Columns) -> bool:
    """Tell whether the rows are the same in any order."""
    left = sorted(zip(*found, strict=True), key=_row_sort_key)
    for row in sorted(zip(*gold, strict=True), key=_row_sort_key):
        for place, other in enumerate(left):
            if all(map(_are_cells_equal, row, other)):
                del left[place]
                break
        else:
            return False
    return True


def _make_ordered_comparison(gold: QueryResult, order: Sequence[int]) -> _SameRows:
    """Make a comparison of rows in order, but for those that the accepted SQL sorts alike."""
    lengths = [len(list(run)) for _, run in groupby(gold.rows, key=itemgetter(*order))]

    def have_same_ordered_rows(gold: _Columns, found: _Columns) -> bool:
        start = 0
        for length in lengths:
            run = slice(start, start := start + length)
            if not _have_same_rows(
                [column[run] for column in gold], [column[run] for column in found]
            ):
                return False
        return True

    return have_same_ordered_rows


def _normalise_cell(value: Any) -> _Cell:
    """Write times as text: a day is then the same as a date, a midnight, and written out."""
    match value:
        case bool():
            return int(value)
        case None | int() | float() | Decimal() | str():
            return value
        case datetime() if value.time() == time():
            return value.date().isoformat()
        case datetime():
            return value.isoformat(" ")
        case date():
            return value.isoformat()
    return str(value)


def _row_sort_key(row: Sequence[_Cell]) -> list[tuple[int, float, str]]:
    return [_cell_sort_key(cell) for cell in row]


def _cell_sort_key(cell: _Cell) -> tuple[int, float, str]:
    if cell is None:
        return 0, 0.0, ""
    return (2, 0.0, cell) if isinstance(cell, str) else (1, float(cell), "")


def _are_cells_equal(cell: _Cell, other: _Cell) -> bool:
    if cell is None or other is None or isinstance(cell, str) or isinstance(other, str):
        return cell == other
    difference = abs(Decimal(str(cell)) - Decimal(str(other)))
    return difference <= max(_inexactness(cell), _inexactness(other))


def _inexactness(number: float | Decimal) -> Decimal:
    """Return by how much a number may differ from the one that was meant."""
    if isinstance(number, float):
        return abs(Decimal(str(number))) * _RELATIVE
    exponent = number.as_tuple().exponent if isinstance(number, Decimal) else 0
    return Decimal(5).scaleb(int(exponent) - 1) if int(exponent) <= _DIVIDED else Decimal(0)
