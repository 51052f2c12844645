"""The numbers of cited sentences that do not stand in the passages cited for them."""

import pytest
from llama_index.core.schema import NodeWithScore, TextNode

from engines.documents.cited_numbers import find_unsupported_numbers

PASSAGES = [
    NodeWithScore(node=TextNode(text=text, metadata=metadata))
    for text, metadata in (
        ("Unopened items may come back for thirty days. The fee is 1,200.50 EUR.", {}),
        ("In 2024 the shop sold 12 000 kettles, and Ireland has 45 days.", {"title": "Guide 7"}),
    )
]


def find(text: str, question: str = "") -> list[str]:
    return find_unsupported_numbers(text, PASSAGES, question)


@pytest.mark.parametrize(
    "text",
    [
        "You have 30 days [1].",
        "It costs 1.200,50 EUR [1].",
        "Il coûte 1\u202f200,50 EUR [1].",
        "They sold 12,000 kettles [2].",
        "They sold 12 000 in 2024 [2].",
        "Guide 7 tells it [2].",
        "It is 30 days, in Ireland 45 [1][2].",
        "It is 30 days, in Ireland 45. [1] [2]",
        "Nothing is cited for 99.",
        "In all 99 tell nothing. It is 30 days [1].",
        "1. It is 30 days [1].\n2. In Ireland 45 [2].",
        "The model X99 and type 9-B [1].",
        "It runs `sleep 99` [1].",
        "It is 99 days [7].",
        "",
    ],
)
def test_what_the_passages_hold_however_it_is_written_is_not_told(text: str) -> None:
    assert find(text) == []


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("You have 45 days [1].", ["45"]),
        ("You have 45 days. [1]", ["45"]),
        ("You have 45 days\n[1]", ["45"]),
        ("It is 30 days [1], and 60 in Ireland [2].", ["60"]),
        ("It is 99 days, 99 at most [1][2].", ["99"]),
        ("It costs 12.00 EUR, or 1,250 [1].", ["12.00", "1,250"]),
        ("- In all 75 days [1][2]", ["75"]),
    ],
)
def test_a_number_that_no_cited_passage_holds_is_told_once(text: str, missing: list[str]) -> None:
    assert find(text) == missing


def test_a_number_of_the_question_is_not_the_answers_own() -> None:
    assert find("After 99 days it is too late [1].", "May I return it after 99 days?") == []


def test_a_very_long_number_is_only_a_number() -> None:
    assert find(f"{'9' * 5000} [1].") == ["9" * 5000]
