"""Whatever is typed is gone through in a moment, as it holds up every other question."""

import pytest
from growth import grows_with_the_square
from turns import turn

from engines.chat.conversation import is_about_conversation
from engines.follow_ups.rewriting import Rewriter, Rewritten
from engines.search.query_analysis import AnalysedQuery, analyse_question
from engines.small_talk import remove_greeting, reply_to_small_talk

LENGTH = 20_000
REPEATED = [
    *("resume ", "recap ", "summary of ", "did i a ", "je ai ", "what is my ", "have you "),
    *(" ", "\t \n", "?", " ?", "?!. \n", ". ", "\u2026", "\u00e9", "\ufdfa", "a", "A ", "a.", "a-"),
    *("it ", "le ", "-le", "-t-il", "d'", "and ", "who ", "which one ", "the second one "),
    *("2024 ", "in 2024 to ", "in may ", "France ", "order 1 ", "Brume 2 ", "1", "1-", "a1"),
    *(
        '"',
        '" a',
        "\u00ab",
        "\u201c",
        "key:v ",
        "-k:",
        'k:"',
        "after:2024 ",
        "http://a",
        "@.",
        ":x ",
    ),
]
TYPED = [
    *((each * LENGTH)[:LENGTH] for each in REPEATED),
    f"a{' ' * LENGTH}x",
    f"a{' ' * 200}x" * 100,
    f"a{' ?' * (LENGTH // 2)}x",
]


def analysed(question: str) -> AnalysedQuery:
    return analyse_question(question, ["product"])


def followed(question: str) -> Rewritten:
    return Rewriter().rewrite("and in 2024?", [turn("What was it in 2023?"), turn(question)])


def follows(question: str) -> Rewritten:
    return Rewriter().rewrite(question, [turn("What was our revenue in 2025?")])


ALL = [is_about_conversation, reply_to_small_talk, remove_greeting, analysed]


@pytest.mark.parametrize("reads", [*ALL, follows, followed])
def test_no_text_is_slow_to_go_through(reads):
    assert [text[:20] for text in TYPED if grows_with_the_square(reads, text)] == []
