"""Whether a statement found what the accepted one finds; pure."""

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


def expected(sql: str, result: QueryResult) -> Expected:
    """The result of an accepted statement, sorted where the statement sorts it as a whole.

    Rows with the same values to sort by may come in any order. Where the result does not hold
    those values, each row has its place.
    """
    query = sqlglot.parse_one(sql, read="mysql")
    terms = query.args["order"].expressions if query.args.get("order") else None
    if terms is None:
        return Expected(result)
    projections = [each.unalias().sql() for each in getattr(query, "selects", [])]
    places = [place for term in terms for place in _places(term.this, projections, result.columns)]
    known = tuple(place for place in places if place is not None)
    every = tuple(range(len(result.columns)))
    return Expected(result, known if len(known) == len(places) else every)


def _places(
    term: exp.Expr, projections: Sequence[str], columns: Sequence[str]
) -> Iterator[int | None]:
    """The columns of the result that a term sorts by, and None for what is not there."""
    if isinstance(term, exp.Literal) and term.is_int:
        yield int(term.name) - 1
    elif term.sql() in projections:
        yield projections.index(term.sql())
    else:
        names = [column.name for column in term.find_all(exp.Column)]
        yield from (columns.index(name) if name in columns else None for name in names or [""])


def judge(found: QueryResult, accepted: Expected) -> Judgement:
    """Names and order of columns do not count; duplicates do."""
    gold = accepted.result
    if found.truncated or len(found.rows) != len(gold.rows):
        return "wrong"
    ours, theirs = _columns(gold), _columns(found)
    if not _are_among(ours, theirs, _same_rows):
        return "wrong"
    if len(theirs) > len(ours):
        return "subset"
    if accepted.order is None:
        return "right"
    same_runs = _same_runs(gold, accepted.order)
    return "right" if _are_among(ours, theirs, same_runs) else "order"


def _columns(result: QueryResult) -> _Columns:
    return [[_cell(row[place]) for row in result.rows] for place in range(len(result.columns))]


def _are_among(gold: _Columns, found: _Columns, same: _SameRows) -> bool:
    """Whether each column of `gold` is another one of `found`, so that the rows are the same."""

    def fits(*chosen: int) -> bool:
        if not same(gold[: len(chosen)], [found[place] for place in chosen]):
            return False
        others = (place for place in range(len(found)) if place not in chosen)
        return len(chosen) == len(gold) or any(fits(*chosen, place) for place in others)

    return len(gold) <= len(found) and fits()


def _same_rows(gold: _Columns, found: _Columns) -> bool:
    """Whether the rows are the same in any order."""
    left = sorted(zip(*found, strict=True), key=_sorting)
    for row in sorted(zip(*gold, strict=True), key=_sorting):
        place = next((at for at, other in enumerate(left) if _equal_rows(row, other)), None)
        if place is None:
            return False
        del left[place]
    return True


def _same_runs(gold: QueryResult, order: Sequence[int]) -> _SameRows:
    """Compares rows in order, but for those that the accepted statement sorts alike."""
    lengths = [len(list(run)) for _, run in groupby(gold.rows, key=itemgetter(*order))]

    def same(gold: _Columns, found: _Columns) -> bool:
        start = 0
        for length in lengths:
            run = slice(start, start := start + length)
            if not _same_rows([each[run] for each in gold], [each[run] for each in found]):
                return False
        return True

    return same


def _cell(value: Any) -> _Cell:
    """Times as text, so that a day is the same as a date, a midnight, and written out."""
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


def _sorting(row: Sequence[_Cell]) -> list[tuple[int, float, str]]:
    return [_sorting_cell(cell) for cell in row]


def _sorting_cell(cell: _Cell) -> tuple[int, float, str]:
    if cell is None:
        return 0, 0.0, ""
    return (2, 0.0, cell) if isinstance(cell, str) else (1, float(cell), "")


def _equal_rows(row: Sequence[_Cell], other: Sequence[_Cell]) -> bool:
    return all(map(_equal, row, other))


def _equal(cell: _Cell, other: _Cell) -> bool:
    if cell is None or other is None or isinstance(cell, str) or isinstance(other, str):
        return cell == other
    difference = abs(Decimal(str(cell)) - Decimal(str(other)))
    return difference <= max(_inexactness(cell), _inexactness(other))


def _inexactness(number: float | Decimal) -> Decimal:
    """By how much a number may differ from the one that was meant."""
    if isinstance(number, float):
        return abs(Decimal(str(number))) * _RELATIVE
    exponent = number.as_tuple().exponent if isinstance(number, Decimal) else 0
    return Decimal(5).scaleb(int(exponent) - 1) if int(exponent) <= _DIVIDED else Decimal(0)
