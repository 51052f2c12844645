"""Named parameters are found where they are, and everything else stays as it was written."""

from datetime import date
from decimal import Decimal

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from stores.binding import bindable, parameter_names, with_literals, with_stand_ins

QUOTED = "':a' \":b\" `:c` 'it''s :d' 'it\\'s :e'"
COMMENTS = "-- :f\n# :g\n/* :h\n:i */"


@pytest.mark.parametrize("sql", [QUOTED, COMMENTS, "12:30", "a::b", "a :=1", "1 : 2"])
def test_a_colon_that_begins_no_parameter_stays(sql):
    assert parameter_names(sql) == []
    assert str(bindable(sql)) == sql
    assert with_stand_ins(sql, dict.fromkeys("abcdefghi", 1)) == sql


def test_parameters_are_named_once_in_their_order():
    sql = f"SELECT {QUOTED} WHERE y = :year AND z < :z OR y > :year LIMIT :n_1"
    assert parameter_names(sql) == ["year", "z", "n_1"]
    assert set(bindable(sql)._bindparams) == {"year", "z", "n_1"}
    shown = with_stand_ins(sql, {"year": 2025, "z": "Ana", "other": 1})
    assert shown.endswith("WHERE y = 0 AND z <  ''  OR y > 0 LIMIT :n_1")


def test_values_are_shown_as_sql_writes_them():
    values = {"a": "O'Brien \\ :b", "b": Decimal("1.50"), "c": None, "d": date(2026, 1, 2)}
    assert with_literals("x = :a AND y > :b OR z IS :c OR d = :d AND ':a'", values) == (
        "x = 'O''Brien \\\\ :b' AND y > 1.50 OR z IS NULL OR d = '2026-01-02' AND ':a'"
    )


@given(st.lists(st.sampled_from(["'", "\\", ":", "a", "1", " ", '"', "`", "%", "?", "é", "-"])))
def test_a_string_reaches_the_database_as_it_was_written(letters):
    text = "".join(letters).replace("\\", "\\\\").replace("'", "''")
    sql = f"SELECT '{text}', :value"
    compiled = bindable(sql).compile(dialect=sa.create_engine("sqlite://").dialect)
    assert compiled.string == f"SELECT '{text}', ?"
