"""What people read: wrapped on a terminal, plain lines elsewhere, and safe to print."""

import io
from dataclasses import replace
from datetime import datetime

import pytest
from llama_index.core.schema import NodeWithScore, TextNode
from rich.console import Console

from engines.answer import Answer, Citation, Joining, Timings
from kb.answer_json import passages_to_values, report_to_values
from kb.cli.rendering import answers, layout, progress, state
from kb.doctor.check import Check
from kb.indexing.report import IndexReport, Progress

CITATION = Citation(
    number=1,
    document="manuals/brume-2.pdf",
    title="Brume 2",
    page=3,
    score=0.8712,
    excerpt="Empty the drip tray after each day.",
)
ANSWER = Answer(timings=Timings({"retrieval": 40.0, "answer": 1200.0}), citations=[CITATION])


class Screen(Console):
    """A console that remembers; a terminal only when it is told so."""

    def __init__(self, width: int = 80, *, terminal: bool = False) -> None:
        super().__init__(
            file=io.StringIO(),
            width=width,
            force_terminal=terminal,
            markup=False,
            highlight=False,
            color_system="standard" if terminal else None,
        )

    @property
    def text(self) -> str:
        assert isinstance(self.file, io.StringIO)
        return self.file.getvalue()

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()


@pytest.fixture
def screen() -> Screen:
    return Screen()


def passage(text: str, **metadata: object) -> NodeWithScore:
    return NodeWithScore(node=TextNode(text=text, id_="p", metadata=metadata), score=0.5)


def test_a_passage_shows_rank_title_place_score_and_its_beginning(screen):
    text = "# Care\n\n" + "Descale every month. " * 30
    answers.show_passages(
        screen, "", [passage(text, path="faq/care.md", title="Care", lines="3-9")]
    )
    assert screen.lines[0] == "1. Care"
    assert screen.lines[1] == "    faq/care.md · lines 3-9 · score 0.50"
    assert screen.lines[2].startswith("    Care Descale every month.")
    assert screen.text.endswith(" …\n")
    assert max(map(len, screen.lines)) <= 80


def test_a_passage_shows_where_it_has_the_words_of_the_question(screen):
    text = (
        "Descale every month. " * 30 + "The gasket is **worn** after a year. " + "Rinse it. " * 30
    )
    answers.show_passages(screen, "When are gaskets worn?", [passage(text, path="a.md")])
    shown = " ".join(line.strip() for line in screen.lines[2:])
    assert "The gasket is worn after a year." in shown
    assert shown.startswith("… ")
    assert shown.endswith(" …")


def test_no_passage_is_said(screen):
    answers.show_passages(screen, "", [])
    assert screen.text == "Nothing found.\n"


def test_a_document_cannot_send_escape_codes_to_the_terminal():
    screen = Screen(terminal=True)
    evil = "\x1b]0;owned\x07\x1b[2J\x9b31m[bold]all[/bold] yours"
    answers.show_passages(screen, "", [passage(evil, path=f"a{evil}.md", title=evil)])
    answers.show_answer(screen, evil)
    answers.show_sources(screen, [replace(CITATION, title=evil, excerpt=evil, document=evil)])
    state.show_failures(screen, [(evil, evil)])
    assert "owned" in screen.text
    assert "[bold]all[/bold]" in screen.text
    for code in ("\x1b]", "\x07", "\x1b[2J", "\x9b"):
        assert code not in screen.text


def test_an_answer_is_wrapped_between_words_and_its_list_hangs(screen):
    answers.show_answer(screen, "From the documents:\n- " + "seventeen words " * 10)
    assert screen.lines[0] == "From the documents:"
    assert screen.lines[1].startswith("- seventeen words")
    assert screen.lines[2].startswith("  seventeen") or screen.lines[2].startswith("  words")
    assert max(map(len, screen.lines)) <= 80


def test_a_stream_is_wrapped_between_words_wherever_its_pieces_end():
    text = "You have thirty days.\n\n- Members have sixty, and a day for luck and more words [1]."
    pieces = [text[start : start + 3] for start in range(0, len(text), 3)]
    lines = "".join(layout.wrap_pieces(iter(pieces), 20)).splitlines()
    assert lines[:3] == ["You have thirty ", "days.", ""]
    assert " ".join(" ".join(lines).split()) == " ".join(text.split())
    assert max(len(line.rstrip()) for line in lines) < 20


def test_a_stream_comes_word_by_word():
    waiting = layout.wrap_pieces(iter(["One ", "tw", "o ", "three"]), 80)
    assert next(waiting) == "One "
    assert list(waiting) == ["two ", "three "]


def test_away_from_a_terminal_a_line_stays_a_line():
    screen = Screen(width=10_000)
    answers.show_answer(screen, "word " * 500)
    assert len(screen.lines) == 1
    assert not screen.text.endswith(" \n")


def test_a_source_shows_number_title_document_page_score_and_excerpt(screen):
    answers.show_sources(screen, [CITATION])
    assert screen.lines == [
        "[1] Brume 2",
        "    manuals/brume-2.pdf · page 3 · score 0.87",
        "    Empty the drip tray after each day.",
    ]


def test_an_excerpt_that_the_answer_quotes_is_not_shown_again(screen):
    answers.show_sources(screen, [CITATION], "- “Empty the drip tray after each day.” [1]")
    assert len(screen.lines) == 2


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"model": "qwen3:8b"}, "Written by qwen3:8b in 1.2 s."),
        ({"model": None}, "Quoted in 1.2 s;"),
        ({"model": None, "citations": []}, ""),
    ],
)
def test_the_footing_says_who_wrote(screen, changes, expected):
    answers.show_footing(screen, replace(ANSWER, **changes))
    assert expected in screen.text
    assert bool(expected) == bool(screen.text)


def test_what_failed_is_told_by_itself(screen):
    answers.show_failures(screen, replace(ANSWER, errors={"database": "timed\nout"}))
    assert screen.text.strip() == "database could not answer: timed out"


@pytest.mark.parametrize(
    ("joining", "told"),
    [
        (None, None),
        (Joining(), None),
        (Joining("documents"), "The documents were asked first."),
        (Joining("database"), "The tables were asked first."),
        (
            Joining("database", ["Galet", "Brume 2"]),
            "The tables were asked first, and the documents searched for Galet, Brume 2.",
        ),
    ],
)
def test_the_footing_says_which_source_was_asked_first(screen, joining, told):
    answers.show_footing(screen, replace(ANSWER, route="both", joining=joining))
    text = " ".join(screen.text.split())
    assert ("asked first" in text) == bool(told)
    assert (told or "") in text


def test_a_report_counts_and_names_what_failed_and_what_is_missing(screen):
    failed = (("a/broken.pdf", "no text in it"),)
    state.show_report(screen, IndexReport(added=3, chunks=12, seconds=2, failed=failed, missing=2))
    assert screen.lines[0] == "Documents: 3 added, 1 failed. 12 chunks written in 2.0 s."
    assert "still answering: 2. Indexing without --keep" in " ".join(screen.text.split())
    assert screen.lines[-1] == "  a/broken.pdf: no text in it"


def test_a_report_names_what_has_moved_and_what_was_removed(screen):
    removed = [f"{number}.md" for number in range(25)]
    report = IndexReport(removed=25, removed_paths=removed, moved=[("a.md", "b/a.md")])
    state.show_report(screen, report)
    assert screen.lines[0].startswith("Documents: 1 moved, 25 removed.")
    assert screen.lines[1:3] == ["Moved:", "  a.md -> b/a.md"]
    assert "19.md" in screen.text
    assert "20.md" not in screen.text
    assert screen.lines[-1] == "  … and 5 more; --json names all."


def test_a_report_says_that_a_directory_may_not_be_mounted(screen):
    state.show_report(screen, IndexReport(missing=7, missing_paths=["a.md"], emptied=True))
    text = " ".join(screen.text.split())
    assert "7 documents still answer" in text
    assert "--prune removes them" in text


def test_a_report_names_what_was_passed_over_not_read_again_and_hard_linked(screen):
    report = IndexReport(
        failed=[("a.pdf", "no text")],
        unread=1,
        passed_over=[(".env", "it holds secrets")],
        hard_linked=[f"{number}.md" for number in range(7)],
    )
    state.show_report(screen, report)
    assert "(hard links): 7: 0.md, 1.md, 2.md, 3.md, 4.md, …" in screen.text
    assert screen.lines[2:] == [
        "Passed over:",
        "  .env: it holds secrets",
        "Not indexed:",
        "  a.pdf: no text",
        "Not read again, as they failed before and are unchanged: 1. --retry reads them.",
    ]


def test_a_report_counts_what_has_no_text_and_tells_new_failures_from_old_ones(screen):
    report = IndexReport(
        failed=[("a.pdf", "no text"), ("b.pdf", "damaged")],
        still_failing=["a.pdf"],
        without_text={"picture": 12, "video": 1, "made by a tool": 2},
    )
    state.show_report(screen, report)
    assert screen.lines[1:] == [
        "Passed over: 12 pictures, 1 video, 2 folders made by tools.",
        "Still unreadable:",
        "  a.pdf: no text",
        "Not indexed:",
        "  b.pdf: damaged",
    ]
    assert report.has_new_failures
    assert not replace(report, failed=report.failed[:1]).has_new_failures


def test_a_report_of_nothing_says_so(screen):
    state.show_report(screen, IndexReport())
    assert screen.text == "Documents: none found. 0 chunks written in 0.0 s.\n"


def test_the_status_lists_roots_and_failures():
    screen = Screen(120)
    root = {
        "name": "docs",
        "path": "/srv/docs",
        "documents": 4,
        "indexed_at": datetime(2026, 7, 1, 9, 30),  # noqa: DTZ001 - as the database gives it
    }
    status = {
        "server": "11.8.6-MariaDB-deb13",
        "embedding": "local/all-MiniLM-L6-v2",
        "dimension": 384,
        "llm": None,
        "documents": 4,
        "chunks": 19,
        "indexing": ["docs"],
        "unfindable": {"looked_at": 3, "without_vector": 0, "without_words": 0},
        "roots": [root],
        "failed": [{"root": "docs", "path": "x.pdf", "reason": "no text"}],
    }
    state.show_status(screen, status)
    assert "Server     MariaDB 11.8.6\n" in screen.text
    assert "Documents  4 in 19 chunks\n" in screen.text
    assert "Being indexed now: docs\n" in screen.text
    assert screen.text.split("Directory")[1].split("\n")[1].split() == [
        "docs",
        "4",
        "2026-07-01",
        "09:30",
        "/srv/docs",
    ]
    assert screen.lines[-1] == "  docs/x.pdf: no text"


def test_a_check_that_is_not_ok_says_what_to_change(screen):
    state.show_check(screen, Check("Disk", "warn", "3 MB free", "Free some space."))
    assert screen.lines == ["warn Disk: 3 MB free", "     → Free some space."]


def test_progress_away_from_a_terminal_is_a_plain_line_now_and_then(screen, monkeypatch):
    with progress.show_index_progress(screen) as show:
        show(Progress(1, 100, 3))
        assert screen.text == ""
        monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0.0)
        show(Progress(1, 100, 3))
        show(Progress(50, 100, 200))
    assert screen.lines[0].startswith("1/100 files, 3 chunks, ")
    assert "left" not in screen.lines[0]
    assert screen.lines[1].endswith(" s left")
    assert "\x1b" not in screen.text


def test_the_time_left_is_told_by_bytes(screen, monkeypatch):
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0.0)
    clock = iter([0.0, 90.0, 90.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with progress.show_index_progress(screen) as show:
        show(Progress(1, 100, 3, bytes_done=900, bytes_total=1000))
        show(Progress(99, 100, 3, bytes_done=50, bytes_total=1000))
    assert screen.lines[0].endswith("about 10 s left")
    assert "left" not in screen.lines[1]


def test_progress_of_no_files_is_no_line(screen, monkeypatch):
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0.0)
    with progress.show_index_progress(screen) as show:
        show(Progress(0, 0, 0))
    assert screen.text == ""


def test_progress_on_a_terminal_is_a_bar_that_vanishes():
    screen = Screen(terminal=True)
    with progress.show_index_progress(screen) as show:
        show(Progress(50, 100, 200))
    assert "50/100 files, 200 chunks" in screen.text
    assert screen.text.endswith("\x1b[2K")


def test_a_search_explains_itself(screen):
    search = {
        "profile": "legal",
        "strategy": "rrf",
        "vector_weight": 0.05,
        "kind": "question",
        "language": "",
        "candidates": 1,
        "id": "4f2a90c1d7b3",
        "notes": ["Only what has \x1b[2Jcategory policy.", "Words decide. " * 12],
    }
    answers.show_search(screen, search)
    first, second, third, fourth, *_ = screen.lines
    assert first == "Searched by profile legal · rrf, vectors weigh 0.05 · question in no known"
    assert second == "language · 1 candidate · id 4f2a90c1d7b3."
    assert third.startswith("- Only what has ")
    assert "\x1b" not in third
    assert fourth.startswith("- Words decide.")


def test_the_shapes_of_json():
    report = IndexReport(
        root="docs",
        added=1,
        failed=[("a.pdf", "no text")],
        chunks=2,
        seconds=0.5,
        moved=[("a.md", "b.md")],
        passed_over=[(".env", "it holds secrets")],
    )
    assert report_to_values(report) == {
        "root": "docs",
        "added": 1,
        "changed": 0,
        "removed": 0,
        "unchanged": 0,
        "failed": [{"path": "a.pdf", "reason": "no text"}],
        "chunks": 2,
        "seconds": 0.5,
        "moved": [{"from": "a.md", "to": "b.md"}],
        "removed_paths": [],
        "missing": 0,
        "missing_paths": [],
        "emptied": False,
        "unread": 0,
        "passed_over": [{"path": ".env", "reason": "it holds secrets"}],
        "hard_linked": [],
        "still_failing": [],
        "without_text": {},
    }
    assert passages_to_values("text", [passage("Text", path="a.md", title="A")]) == [
        {
            "id": "p",
            "path": "a.md",
            "title": "A",
            "score": 0.5,
            "text": "Text",
            "metadata": {"path": "a.md", "title": "A"},
            "excerpt": "Text",
        }
    ]
