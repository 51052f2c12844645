"""Results of SQL are compared by what they say, not by how they are written."""

from datetime import date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.tables.query_result import QueryResult
from kb.evaluation.sql_results import expect_result, judge_result

CELLS = (
    st.none()
    | st.integers(-9, 9)
    | st.decimals(-99, 99, places=2)
    | st.floats(-1e6, 1e6).map(lambda number: round(number, 3))
    | st.sampled_from(["", "a", "A", "b"])
    | st.dates(date(2026, 1, 1), date(2026, 1, 3))
)
TABLES = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.tuples(*[CELLS] * width), max_size=8).map(
        lambda rows: result(*rows, width=width)
    )
)


def result(*rows: tuple, width: int = 0, truncated: bool = False) -> QueryResult:
    width = len(rows[0]) if rows else width
    return QueryResult(tuple("abcdefgh"[:width]), list(rows), truncated)


def judged(gold: QueryResult, found: QueryResult, sql: str = "SELECT a, b FROM t") -> str:
    return judge_result(found, expect_result(sql, gold))


@given(TABLES, st.randoms(use_true_random=False))
def test_order_of_rows_and_columns_is_free_where_nothing_sorts(gold, random):
    rows = random.sample(gold.rows, len(gold.rows))
    columns = random.sample(range(len(gold.columns)), len(gold.columns))
    found = result(*[tuple(row[place] for place in columns) for row in rows], width=len(columns))
    assert judged(gold, found) == "right"


@given(TABLES, st.data())
def test_another_cell_is_wrong(gold, data):
    if not gold.rows:
        return
    row = data.draw(st.integers(0, len(gold.rows) - 1))
    column = data.draw(st.integers(0, len(gold.columns) - 1))
    changed = [list(each) for each in gold.rows]
    changed[row][column] = "another"
    assert judged(gold, result(*map(tuple, changed))) == "wrong"


@given(TABLES, st.data())
def test_a_row_more_or_less_is_wrong(gold, data):
    if not gold.rows:
        return
    width = len(gold.columns)
    again = data.draw(st.sampled_from(gold.rows))
    assert judged(gold, result(*gold.rows, again)) == "wrong"
    assert judged(gold, result(*gold.rows[1:], width=width)) == "wrong"


@given(TABLES, CELLS)
def test_more_columns_are_a_subset_and_fewer_are_wrong(gold, cell):
    wider = result(*[(cell, *row) for row in gold.rows], width=len(gold.columns) + 1)
    assert judged(gold, wider) == "subset"
    assert judged(wider, gold) == "wrong"


def test_columns_belong_together_row_by_row():
    assert judged(result((1, 2), (2, 1)), result((1, 1), (2, 2))) == "wrong"


def test_columns_that_hold_the_same_values_are_told_apart():
    gold = result((1, 2, 3), (2, 3, 1), (3, 1, 2))
    turned = result((2, 3, 1), (3, 1, 2), (1, 2, 3))
    assert judged(gold, turned) == "right"
    assert judged(gold, result((1, 3, 2), (2, 1, 3), (3, 2, 2))) == "wrong"


def test_many_columns_that_hold_the_same_take_no_time():
    gold = result(*[(0,) * 8] * 300)
    assert judged(gold, gold) == "right"


@pytest.mark.parametrize(
    ("cell", "same"),
    [
        (Decimal("3.70"), 3.7),
        (Decimal("3.0"), 3),
        (Decimal("0.3333"), 1 / 3),
        (Decimal("0.3333"), Decimal("0.33333333")),
        (0.1 + 0.2, 0.3),
        (True, 1),
        (date(2026, 6, 30), "2026-06-30"),
        (date(2026, 6, 30), datetime.fromisoformat("2026-06-30")),
        (datetime.fromisoformat("2026-06-30T09:05"), "2026-06-30 09:05:00"),
        (None, None),
    ],
)
def test_one_value_has_several_types(cell, same):
    assert judged(result((cell,)), result((same,))) == "right"


@pytest.mark.parametrize(
    ("cell", "other"),
    [
        (Decimal("398400.60"), Decimal("398400.61")),
        (Decimal("398400.60"), 398400.61),
        (Decimal("0.3333"), Decimal("0.3334")),
        (4, 3.7),
        (Decimal("3.7"), Decimal("3.7012")),
        (None, 0),
        (None, ""),
        ("5", 5),
        ("Ana", "ana"),
        (date(2026, 6, 30), datetime.fromisoformat("2026-06-30T09:00")),
    ],
)
def test_other_values_differ(cell, other):
    assert judged(result((cell,)), result((other,))) == "wrong"


SORTED = result(("x", 3), ("y", 2), ("z", 2))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT a, b FROM t ORDER BY b DESC",
        "SELECT a, b FROM t ORDER BY 2 DESC",
        "SELECT a, b FROM t ORDER BY t.b IS NULL, t.b DESC",
        "SELECT name AS a, SUM(n) AS b FROM t GROUP BY a ORDER BY SUM(n) DESC",
        "SELECT a, b FROM t UNION ALL SELECT a, b FROM u ORDER BY b DESC",
    ],
)
def test_order_counts_where_the_statement_sorts_but_for_ties(sql):
    assert judged(SORTED, result((3, "x"), (2, "z"), (2, "y")), sql) == "right"
    assert judged(SORTED, result((2, "y"), (3, "x"), (2, "z")), sql) == "order"
    assert judged(SORTED, result((2, "y"), (3, "x"), (1, "z")), sql) == "wrong"


def test_rows_sorted_by_what_is_not_shown_keep_their_places():
    sql = "SELECT a, b FROM t GROUP BY a ORDER BY COUNT(*) DESC"
    assert judged(SORTED, SORTED, sql) == "right"
    assert judged(SORTED, result(("x", 3), ("z", 2), ("y", 2)), sql) == "order"


def test_an_order_inside_the_statement_is_free():
    sql = "SELECT a, b FROM (SELECT * FROM t ORDER BY b LIMIT 3) s"
    assert judged(SORTED, result(*reversed(SORTED.rows)), sql) == "right"


def test_a_result_that_was_cut_is_wrong():
    assert judged(SORTED, result(*SORTED.rows, truncated=True)) == "wrong"


def test_nothing_is_right_where_nothing_is_expected():
    assert judged(result(width=2), result(width=2)) == "right"
    assert judged(result(width=2), result((1, 2))) == "wrong"
