"""A follow-up of a verified query fills it again where it says another value, and only there."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest
from fake_models import HashEmbedding
from sample_shop import TODAY

from engines.tables.query_result import QueryResult
from engines.verified.matching import Match, VerifiedMatcher
from stores.verified_queries import VerifiedQuery

NAMES = {"FR", "BE", "Kiln", "Tallow"}
# By the kind of a parameter: its condition, a question, its value there and another one.
KINDS: dict[str, tuple[str, str, Any, tuple[str, Any]]] = {
    "year": ("YEAR(d) = :p", "How many orders were there in 2023?", 2023, ("2024", 2024)),
    "month": ("MONTH(d) = :p", "How many orders were there in May?", 5, ("March", 3)),
    "date": (
        "DATE(d) = :p",
        "How many orders were there on 2024-01-01?",
        date(2024, 1, 1),
        ("2024-02-01", date(2024, 2, 1)),
    ),
    "bound": ("stock < :p", "How many have a stock below 5?", 5, ("below 10", 10)),
    "number": ("id = :p", "Where is order 11939?", 11939, ("10001", 10001)),
    "limit": ("TRUE LIMIT :p", "Who are our top 3 customers?", 3, ("top 5", 5)),
    "name": ("name = :p", "How many orders has Kiln?", "Kiln", ("Tallow", "Tallow")),
    "country": ("country = :p", "How many orders in France?", "FR", ("Belgium", "BE")),
}
CHANGING = (
    *("since", "before", "after", "until", "by", "from", "to", "up to", "as of"),
    *("avant", "après", "depuis", "dès", "jusqu'en", "jusqu\u2019à", "à partir de"),
)


def run(_: str, values: Mapping[str, Any]) -> QueryResult:
    return QueryResult(("name",), [(value,) for value in values.values() if value in NAMES])


def refill(kind: str, follow_up: str, asked: str = "") -> Any:
    """Return the new value of the parameter; None where the query is not asked again."""
    condition, question, value, _ = KINDS[kind]
    table = "SELECT COUNT(*) AS n FROM t WHERE "
    query = VerifiedQuery("q", question, table + condition, "en", "Tom", TODAY, {"p": value})
    matcher = VerifiedMatcher([query], HashEmbedding(), run, lambda: TODAY)
    match = matcher.refill(follow_up, asked or question, Match(query, {"p": value}, frozenset("p")))
    return match and match.values["p"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("words", ["and", "and what about", "et", "also"])
def test_a_value_alone_asks_for_the_query_again(kind, words):
    written, value = KINDS[kind][-1]
    assert refill(kind, f"{words} {written}?") == value


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("words", CHANGING)
def test_a_begin_or_an_end_is_another_question(kind, words):
    written, _ = KINDS[kind][-1]
    assert refill(kind, f"and {words} {written}?") is None
    assert refill(kind, f"et {words} {written} ?") is None


@pytest.mark.parametrize("number", ["-10", "\u221210", "10%", "$10", "10 €"])
def test_another_sign_beside_the_number_is_another_question(number):
    assert refill("bound", f"and below {number}?") is None
    assert refill("number", f"and order {number}?") is None


@pytest.mark.parametrize("word", ["since", "before", "after", "until", "by", "avant", "depuis"])
def test_the_word_that_stood_before_the_value_may_stand_there_again(word):
    assert refill("year", f"and {word} 2024?", f"How many orders were there {word} 2023?") == 2024


@pytest.mark.parametrize("word", ["to", "from", "à", "jusqu'au"])
def test_an_end_is_no_day_and_no_month_of_a_whole_question_either(word):
    for kind in ("date", "month"):
        condition, question, value, (written, _) = KINDS[kind]
        sql = f"SELECT COUNT(*) AS n FROM t WHERE {condition}"
        query = VerifiedQuery("q", question, sql, "en", "Tom", TODAY, {"p": value})
        matcher = VerifiedMatcher([query], HashEmbedding(), run, lambda: TODAY)
        assert matcher.match(f"How many orders were there in {written}?").values["p"] != value
        assert matcher.match(f"How many orders were there {word} {written}?") is None
