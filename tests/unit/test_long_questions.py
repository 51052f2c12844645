"""Whatever is typed is gone through in a moment, as it holds up every other question."""

import time

import pytest
from test_follow_ups import by_rule, turn

from engines.chat.conversation import is_about_conversation
from engines.follow_ups.dependent_questions import is_dependent
from engines.follow_ups.rewriting import Rewritten
from engines.follow_ups.slots import unmarked
from engines.search.query_analysis import AnalysedQuery, analyse
from engines.small_talk import small_talk, without_greeting

LENGTH = 20_000
SECONDS = 0.5
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
    return analyse(question, ["product"])


def followed(question: str) -> Rewritten:
    return by_rule("and in 2024?", turn("What was it in 2023?"), turn(question))


def follows(question: str) -> Rewritten:
    return by_rule(question, turn("What was our revenue in 2025?"))


ALL = [is_dependent, is_about_conversation, small_talk, without_greeting, analysed, unmarked]


@pytest.mark.parametrize("reads", [*ALL, follows, followed])
def test_no_text_is_slow_to_go_through(reads):
    reads("and in 2024?")  # reads the word lists
    slow = {}
    for text in TYPED:
        since = time.process_time()
        reads(text)
        if (taken := time.process_time() - since) > SECONDS:
            slow[text[:20]] = taken
    assert slow == {}


@pytest.mark.parametrize("space", [" ", "\n", "\u00a0"])
def test_the_marks_that_end_a_question_are_taken_off_at_once(space):
    inside = f"a{space * LENGTH}x"
    assert unmarked(f"{inside}{space}?{space}") == inside


def test_a_very_long_question_is_no_follow_up():
    asked = "and in 2024? " + "it " * 1000
    done = by_rule(asked, turn("What was our revenue in 2025?"))
    assert (done.by, done.question.query_str) == ("", asked)


def test_a_follow_up_of_a_very_long_question_takes_its_beginning():
    before = turn(f"What was our revenue in 2025? {'Please tell me. ' * 20_000}")
    done = by_rule("and why?", before)
    assert done.by == "rule"
    assert done.question.query_str.startswith("What was our revenue in 2025?")
    assert len(done.question.query_str) < 2 * LENGTH
