"""What a parameter stands for is read from the SQL; its value, from the words of a question."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from engines.verified.filling import fill_parameters
from engines.verified.parameters import Column, read_parameters
from stores.errors import EngineError
from stores.verified_queries import VerifiedQuery

TODAY = date(2026, 6, 30)
NAMES = ["Kiln & Crumb", "Kiln & Crumb Leipzig", "Alice O'Shea", "FR", "GB", "BE"]


def query(sql: str, **parameters: Any) -> VerifiedQuery:
    return VerifiedQuery("q", "?", sql, "en", "Tom", TODAY, parameters)


def lookup(_: Column, written: Sequence[str]) -> Mapping[str, str]:
    known = {name.lower(): name for name in NAMES}
    return {each: known[each.lower()] for each in written if each.lower() in known}


def filled(text: str, sql: str, **parameters: Any) -> tuple[dict[str, Any], list[str]]:
    """The values, and the words that gave none."""
    filling = fill_parameters(text, read_parameters(query(sql, **parameters)), lookup, TODAY)
    return filling.values, [word for word in filling.left if word]


@pytest.mark.parametrize(
    ("condition", "default", "kind", "comparison"),
    [
        ("YEAR(o.day) = :p", 2025, "year", ""),
        (":p = YEAR(o.day)", 2025, "year", ""),
        ("MONTH(o.day) = :p", 3, "month", ""),
        ("o.stock < :p", 60, "bound", "<"),
        (":p >= o.stock", 60, "bound", "<="),
        ("COUNT(*) > :p", Decimal("1.5"), "bound", ">"),
        ("o.order_id = :p", 11939, "number", ""),
        ("c.name = :p", "Kiln & Crumb", "name", ""),
        ("name = :p", "Kiln & Crumb", "name", ""),
        ("x.name = :p", "Kiln & Crumb", "fixed", ""),
        ("c.country = :p", "FR", "country", ""),
        ("c.country = :p", "France", "name", ""),
        ("DATE(o.day) = :p", date(2025, 1, 1), "date", ""),
        ("o.day = :p", date(2025, 1, 1), "date", ""),
        ("o.day > :p", date(2025, 1, 1), "fixed", ""),
        ("o.day = :p", datetime(2025, 1, 1), "fixed", ""),  # noqa: DTZ001 - as YAML gives it
        ("o.stock BETWEEN :p AND 9", 1, "fixed", ""),
        ("o.name LIKE :p", "a%", "fixed", ""),
        ("YEAR(o.day) = :p OR o.year = :p", 2025, "fixed", ""),
    ],
)
def test_the_kind_of_a_parameter_is_what_it_is_compared_with(condition, default, kind, comparison):
    sql = f"SELECT 1 FROM orders o JOIN customers c ON o.c = c.c WHERE {condition}"
    [parameter] = read_parameters(query(sql, p=default))
    assert (parameter.kind, parameter.comparison) == (kind, comparison)


def test_a_name_is_a_value_of_the_column_behind_the_alias():
    [parameter] = read_parameters(query("SELECT 1 FROM customers c WHERE c.name = :p", p="x"))
    assert parameter.column == Column("`customers`", "name")
    [parameter] = read_parameters(query("SELECT 1 FROM customers WHERE name = :p LIMIT 5", p="x"))
    assert parameter.column == Column("`customers`", "name")


def test_a_name_without_an_alias_is_a_value_of_what_is_joined():
    sql = "SELECT 1 FROM customers c LEFT JOIN crm.orders o ON o.c = c.c WHERE name = :p"
    [parameter] = read_parameters(query(sql, p="x"))
    joined = "customers AS c LEFT JOIN crm.orders AS o ON o.c = c.c"
    assert parameter.column == Column(joined, "name")


def test_sql_that_cannot_be_read_or_binds_something_else_is_refused():
    with pytest.raises(EngineError, match="declares: p"):
        read_parameters(query("SELECT 1", p=1))
    with pytest.raises(EngineError, match="cannot be read"):
        read_parameters(query("SELECT (("))


@pytest.mark.parametrize(
    ("text", "year", "left"),
    [
        ("in 2024", 2024, ["in"]),
        ("for the year 2024", 2024, ["for", "the"]),
        ("l'année dernière", 2025, []),
        ("this year", 2026, []),
        ("2024 and 2024", 2024, ["and"]),
        ("2024 or 2025", None, ["2024", "or", "2025"]),
        ("from 2024", None, ["from", "2024"]),
        ("à 2024", None, ["a", "2024"]),
        ("2024-2025", None, ["2024-2025"]),
        ("last year or 2024", None, ["last", "year", "or", "2024"]),
        ("20250", None, ["20250"]),
    ],
)
def test_a_year_is_given_once_and_whole(text, year, left):
    values, rest = filled(text, "SELECT 1 FROM t WHERE YEAR(d) = :year", year=2025)
    assert (values.get("year"), rest) == (year, left)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("fewer than 40 pieces", {"pieces": 40}),
        ("moins de 40 pièces", {"pieces": 40}),
        ("under 2.5", {"pieces": Decimal("2.5")}),
        ("more than 40 pieces", {}),
        ("at most 40 pieces", {}),
        ("no less than 40 pieces", {}),
        ("40 pieces", {"limit": 40}),
        ("top 5", {"limit": 5}),
        ("the three worst", {"limit": 3}),
        ("trois articles sous 10", {"limit": 3, "pieces": 10}),
        ("rated 1", {}),
        ("5000 pieces", {}),
        ("1,000 pieces", {}),
        ("under 10 and under 20", {}),
    ],
)
def test_a_number_fills_the_parameter_that_its_words_name(text, values):
    sql = "SELECT 1 FROM t WHERE stock < :pieces LIMIT :limit"
    assert filled(text, sql, pieces=60, limit=10)[0] == values


@pytest.mark.parametrize(
    "number", ["-5", "\u22125", "\u20135", "5%", "5 %", "$5", "€ 5", "5\u202f€", "5€"]
)
@pytest.mark.parametrize(
    ("words", "condition"),
    [("under {}", "stock < :p"), ("order {}", "id = :p"), ("top {}", "TRUE LIMIT :p")],
)
def test_a_sign_beside_a_number_is_not_overlooked(number, words, condition):
    sql = f"SELECT 1 FROM t WHERE {condition}"
    assert filled(words.format("5"), sql, p=60)[0] == {"p": 5}
    assert filled(words.format(number), sql, p=60)[0] == {}


@pytest.mark.parametrize(
    ("about", "number", "taken"),
    [
        ({"units": {"share": "%"}}, "5 %", True),
        ({"units": {"share": "%"}}, "€5", False),
        ({"units": {"share": "%"}}, "-5%", False),
        ({"units": {"total": "EUR"}}, "€5", True),
        ({"units": {"total": "USD"}}, "5 €", False),
        ({"units": {"total": "USD"}}, "$5", True),
        ({"wordings": ("Which discounts are under 50%?",)}, "5%", True),
        ({"wordings": ("Which prices are under £50?",)}, "5%", False),
    ],
)
def test_a_sign_that_the_query_has_may_stand_beside_a_number(about, number, taken):
    known = replace(query("SELECT 1 FROM t WHERE n < :p", p=60), **about)
    filling = fill_parameters(f"under {number}", read_parameters(known), lookup, TODAY)
    assert filling.values == ({"p": 5} if taken else {})


def test_the_longest_name_that_the_column_holds_is_taken_and_two_are_none():
    sql = "SELECT 1 FROM c WHERE c.name = :name"
    assert filled("orders of kiln & crumb leipzig?", sql, name="x") == (
        {"name": "Kiln & Crumb Leipzig"},
        ["orders", "of"],
    )
    assert filled("those of Alice O'Shea", sql, name="x")[0] == {"name": "Alice O'Shea"}
    assert filled("Alice O'Shea and Kiln & Crumb", sql, name="x")[0] == {}
    assert filled("Kiln Leipzig", sql, name="x") == ({}, ["kiln", "leipzig"])


@pytest.mark.parametrize(
    ("text", "country"),
    [
        ("to Belgium", "BE"),
        ("en Belgique", "BE"),
        ("au Royaume-Uni", "GB"),
        ("to the UK", "GB"),
        ("to FR", "FR"),
        ("to fr", None),
        ("to Japan", None),
        ("Belgium and the United Kingdom", None),
    ],
)
def test_a_country_is_named_in_two_languages_or_by_its_code(text, country):
    values, _ = filled(text, "SELECT 1 FROM c WHERE c.country = :country", country="FR")
    assert values.get("country") == country


def test_two_parameters_that_one_number_could_fill_stay_open():
    sql = "SELECT 1 FROM t WHERE YEAR(a) = :one AND YEAR(b) = :two"
    assert filled("in 2024", sql, one=2025, two=2025)[0] == {}


def test_an_order_number_a_month_and_a_date_are_found():
    sql = "SELECT 1 FROM t WHERE id = :id AND MONTH(d) = :month AND day = :day"
    values, left = filled(
        "order no. 11939, en février, 2026-02-03", sql, id=1, month=1, day=date(2025, 1, 1)
    )
    assert values == {"id": 11939, "month": 2, "day": date(2026, 2, 3)}
    assert left == ["order", "en"]
