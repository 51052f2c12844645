"""The evidence under an answer of a conversation: short, and nothing that matters left out."""

from typing import Any

import pytest
from rich.console import Console

from engines.answer import Answer
from kb.cli.rendering.chat_sessions import show_references

TITLE = "Ticket T-2641: two of seven Brume 2 show CB-121 (order 11939)"
CITATIONS = [
    {"number": 1, "document": "minutes/2026-06-09.md", "title": "Weekly meeting", "lines": "3-5"},
    {"number": 2, "document": "tickets/T-2641.eml", "title": TITLE, "page": 7},
    {"number": 3, "document": "notes.txt", "title": ""},
]
ANSWER = {"route": "both", "model": "fake", "timings": {"documents": 900.0, "database": 350.0}}

TURN = {"turn_id": "t1", "turn": 2, "status": "complete", "standalone": "Which\nones?"}


def shown(metadata: dict[str, Any], width: int = 100) -> str:
    console = Console(width=width, markup=False, highlight=False)
    with console.capture() as capture:
        show_references(console, Answer.from_metadata(metadata))
    return capture.get()


def test_each_source_is_one_line_and_the_commands_that_show_more_are_named():
    metadata = {**ANSWER, "citations": CITATIONS, "sql": "SELECT 1", **TURN}
    assert shown(metadata) == (
        "\nUnderstood as: Which ones?\n"
        "[1] Weekly meeting · minutes/2026-06-09.md · lines 3-5\n"
        f"[2] {TITLE} · tickets/T-2641.eml · page 7\n"
        "[3] notes.txt\n"
        "documents and tables · fake · 1.2 s · /sources · /sql\n"
    )


@pytest.mark.parametrize("width", [20, 60, 80])
def test_a_source_stays_on_its_line_on_a_narrow_terminal(width):
    lines = shown({**ANSWER, "citations": CITATIONS}, width).splitlines()
    numbered = [line for line in lines if line.startswith("[")]
    assert [line[:3] for line in numbered] == ["[1]", "[2]", "[3]"]
    assert max(map(len, numbered)) <= width
    assert TITLE[:12] in numbered[1]


def test_what_is_missing_from_an_answer_is_said():
    said = shown(
        {
            **ANSWER,
            "sql": "SELECT 1",
            "rows": [[1]],
            "truncated": True,
            "errors": {"documents": "x"},
        }
    )
    assert "Only the first 1 row were read.\ndocuments could not answer: x\n" in said


def test_small_talk_has_no_evidence():
    assert shown({"route": None}) == ""
