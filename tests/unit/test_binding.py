"""Named parameters are found where they are, and everything else stays as it was written."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stores.binding import list_parameters, replace_parameters, write_literals
from stores.sql_tokens import tokenize_sql

QUOTED = "':a' \":b\" `:c` 'it''s :d' 'it\\'s :e'"
COMMENTS = "-- :f\n# :g\n/* :h\n:i */"


@pytest.mark.parametrize("sql", [QUOTED, COMMENTS, "12:30", "a::b", "a :=1", "1 : 2", "--\r:x\n"])
def test_a_colon_that_begins_no_parameter_stays(sql):
    assert replace_parameters(sql, {}) == (sql, [])
    assert list_parameters(sql) == []


def test_parameters_are_named_once_in_their_order():
    sql = f"SELECT {QUOTED} WHERE y = :year AND z < :z OR y > :year LIMIT :n_1"
    assert list_parameters(sql) == ["year", "z", "n_1"]
    values = {"year": 2025, "z": "Ana", "other": 1, "n_1": 5}
    assert replace_parameters(sql, values) == (
        f"SELECT {QUOTED} WHERE y = ? AND z < ? OR y > ? LIMIT ?",
        [2025, "Ana", 2025, 5],
    )


def test_values_are_shown_as_sql_writes_them():
    values = {"a": "O'Brien \\ :b", "b": Decimal("1.50"), "c": None, "d": date(2026, 1, 2)}
    assert write_literals("x = :a AND y > :b OR z IS :c OR d = :d AND ':a'", values) == (
        "x = 'O''Brien \\\\ :b' AND y > 1.50 OR z IS NULL OR d = '2026-01-02' AND ':a'"
    )


@given(st.lists(st.sampled_from(["'", "\\", ":", "a", "1", " ", '"', "`", "%", "?", "é", "-"])))
def test_a_string_reaches_the_database_as_it_was_written(letters):
    text = "".join(letters).replace("\\", "\\\\").replace("'", "''")
    sql = f"SELECT '{text}', :value"
    assert replace_parameters(sql, {"value": 1}) == (f"SELECT '{text}', ?", [1])


@given(st.text(alphabet="'\"`\\-/*#:?;. \n\r\tabxXn_e1090@{}€é\x00", max_size=40))
def test_the_tokens_are_the_whole_text(sql):
    assert "".join(token.text for token in tokenize_sql(sql)) == sql


@pytest.mark.parametrize(
    ("sql", "cut"),
    [
        ("1e5FROM", ["1e5FROM"]),
        ("b'1'FROM", ["b'1'", "FROM"]),
        ("a-- b\n-c--d", ["a", "-- b", "-", "c", "-", "-", "d"]),
        ("1 //**/ 2", ["1", "/", "/**/", "2"]),
        ("/*M'*/ '?' --\r:x\n:y", ["/*M'*/", "'?'", "--\r:x", ":y"]),
        ("x <=> .5e-3+0x1F", ["x", "<=>", ".5e-3", "+", "0x1F"]),
        ("'it''s' \"a\\\"b\" `c``d`", ["'it''s'", '"a\\"b"', "`c``d`"]),
        ("a 'open", ["a", "'open"]),
        ("a /* open 'b'", ["a", "/* open 'b'"]),
        ("b'2'", ["b", "'2'"]),
    ],
)
def test_a_statement_is_cut_where_mariadb_cuts_it(sql, cut):
    assert [token.text for token in tokenize_sql(sql) if token.kind != "space"] == cut
