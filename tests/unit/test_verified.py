"""Whatever is asked, a question gets a match or none, and names reach the database bound."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fake_models import HashEmbedding
from growth import grows_with_the_square
from hypothesis import given
from hypothesis import strategies as st
from sample_shop import TODAY

from engines.tables.query_result import QueryResult
from engines.verified.matching import VerifiedMatcher
from kb.verified_query_file import read_verified_queries

QUERIES = read_verified_queries(Path(__file__).parents[2] / "data" / "verified_queries.yaml")
LOOKUPS: list[tuple[str, Mapping[str, Any]]] = []
WORDS = (
    *("orders", "of", "revenue", "2025", "how many", "each", "country", "where", "order", "11939"),
    *(
        "'",
        '"',
        "`",
        ":",
        ";",
        "--",
        "\\",
        "%s",
        "?",
        "Kiln & Crumb",
        "France",
        "d'",
        "-",
        "é",
        "🙂",
    ),
    *("by", "par", "chiffre d'affaires", "top 3", "under 5", "last year", "٣", "²", "\x00", "\n"),
)


def run(sql: str, values: Mapping[str, Any]) -> QueryResult:
    """Every name is one that the column holds."""
    LOOKUPS.append((sql, values))
    return QueryResult(("name",), [(value,) for value in values.values()])


MATCHER = VerifiedMatcher(QUERIES, HashEmbedding(), run, lambda: TODAY)


@given(st.one_of(st.text(), st.lists(st.sampled_from(WORDS)).map(" ".join)))
def test_any_text_matches_or_does_not_and_only_placeholders_reach_the_sql(text):
    LOOKUPS.clear()
    match = MATCHER.match(text)
    assert match is None or set(match.values) == set(match.query.parameters)
    for sql, values in LOOKUPS:
        places = ", ".join(f":{name}" for name in values)
        assert sql.split(" IN ") == [sql.split(" IN ")[0], f"({places})"]
        assert sql.split(" IN ")[0] in (
            "SELECT DISTINCT `name` FROM `customers` WHERE `name`",
            "SELECT DISTINCT `country` FROM `customers` WHERE `country`",
            "SELECT DISTINCT `sku` FROM `products` WHERE `sku`",
        )


def test_a_name_is_looked_up_only_where_the_words_agree():
    LOOKUPS.clear()
    assert MATCHER.match("What was our revenue with Kiln & Crumb in 2025?") is None
    assert LOOKUPS == []
    MATCHER.match("Show the orders of Kiln & Crumb")
    [(_, values)] = LOOKUPS
    assert "Kiln & Crumb" in values.values()


def test_a_very_long_question_is_refused_before_names_are_looked_up():
    LOOKUPS.clear()
    question = "show the orders of " + "Kiln & Crumb " * 20_000
    assert not grows_with_the_square(MATCHER.match, question)
    assert MATCHER.match(question) is None
    assert LOOKUPS == []
