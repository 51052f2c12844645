"""Named parameters are found where they are, and everything else stays as it was written."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stores.binding import parameter_names, positional, with_literals, with_stand_ins

QUOTED = "':a' \":b\" `:c` 'it''s :d' 'it\\'s :e'"
COMMENTS = "-- :f\n# :g\n/* :h\n:i */"


@pytest.mark.parametrize("sql", [QUOTED, COMMENTS, "12:30", "a::b", "a :=1", "1 : 2"])
def test_a_colon_that_begins_no_parameter_stays(sql):
    assert parameter_names(sql) == []
    assert positional(sql, {}, "qmark") == (sql, ())
    assert with_stand_ins(sql, dict.fromkeys("abcdefghi", 1)) == sql


def test_parameters_are_named_once_in_their_order():
    sql = f"SELECT {QUOTED} WHERE y = :year AND z < :z OR y > :year LIMIT :n_1"
    assert parameter_names(sql) == ["year", "z", "n_1"]
    values = {"year": 2025, "z": "Ana", "other": 1, "n_1": 5}
    assert positional(sql, values, "qmark") == (
        f"SELECT {QUOTED} WHERE y = ? AND z < ? OR y > ? LIMIT ?",
        (2025, "Ana", 2025, 5),
    )


def test_a_parser_reads_numbers_as_they_are_and_no_text():
    values = {"a": 2025, "b": "Ana", "c": None, "d": -3, "e": date(2026, 1, 2)}
    shown = with_stand_ins("a = :a OR b = :b OR c IS :c OR 1-:d OR :e OR :f", values)
    assert " ".join(shown.split()) == (
        "a = 2025 OR b = '' OR c IS NULL OR 1- -3 OR '2026-01-02' OR :f"
    )


def test_a_percent_sign_is_written_as_the_driver_reads_it():
    sql = "SELECT '%(a)s', 7 % :a"
    assert positional(sql, {"a": 4}, "qmark") == ("SELECT '%(a)s', 7 % ?", (4,))
    assert positional(sql, {"a": 4}, "pyformat") == ("SELECT '%%(a)s', 7 %% %s", (4,))


def test_values_are_shown_as_sql_writes_them():
    values = {"a": "O'Brien \\ :b", "b": Decimal("1.50"), "c": None, "d": date(2026, 1, 2)}
    assert with_literals("x = :a AND y > :b OR z IS :c OR d = :d AND ':a'", values) == (
        "x = 'O''Brien \\\\ :b' AND y > 1.50 OR z IS NULL OR d = '2026-01-02' AND ':a'"
    )


@given(st.lists(st.sampled_from(["'", "\\", ":", "a", "1", " ", '"', "`", "%", "?", "é", "-"])))
def test_a_string_reaches_the_database_as_it_was_written(letters):
    text = "".join(letters).replace("\\", "\\\\").replace("'", "''")
    sql = f"SELECT '{text}', :value"
    assert positional(sql, {"value": 1}, "qmark") == (f"SELECT '{text}', ?", (1,))
