"""What the command line shows is French where the terminal is: no text is left in English."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import get_args

import pytest
from french import find_english, shown_on, speak_french, wide_screen
from llama_index.core.schema import NodeWithScore, TextNode

from engines.answer import Answer, Citation, Joining, TableResult, Timings
from kb.assembly.experiments import Comparison, LiveReport, ProfileReport, Share
from kb.cli.rendering import (
    answers,
    chat_sessions,
    profiles_in_use,
    progress,
    sql_evaluations,
    state,
)
from kb.cli.terminal import say
from kb.config.sections import Config
from kb.doctor.models import check_models
from kb.evaluation.sql_evaluation import SQLAnswer, SQLOutcome
from kb.evaluation.sql_questions import SQLSet
from kb.indexing.file_kinds import FileKind
from kb.indexing.report import IndexReport, Progress
from stores.text.translations import Message

ANSWER = Answer(
    text="Trente jours [1].",
    route="both",
    route_reason="les deux répondent",
    timings=Timings({"answer": 1200.0}),
    citations=[Citation(1, "garanties.md", lines="3-9", score=0.5, excerpt="Trente jours.")],
    tables=TableResult("SELECT 1", columns=["a"], rows=[[1]] * 30, truncated=True),
    errors={"documents": "trop tard"},
)
SEARCH = {
    "profile": "legal",
    "strategy": "rrf",
    "vector_weight": 0.05,
    "kind": "keywords",
    "language": "",
    "candidates": 2,
    "id": "4f2a",
    "notes": [],
}
REPORT = IndexReport(
    added=2,
    changed=1,
    removed=1,
    unchanged=3,
    failed=[("a.pdf", "illisible")],
    chunks=12,
    missing=1,
    unread=1,
    passed_over=[(".env", "clés")],
    hard_linked=["b.md"],
    still_failing=["a.pdf"],
    without_text=dict.fromkeys(get_args(FileKind), 2),
)
ROOT = {"name": "docs", "path": "/srv", "documents": 4, "indexed_at": datetime.now(UTC)}
STATUS = {
    "server": "11.8.6-MariaDB",
    "embedding": "local/mini",
    "dimension": 384,
    "llm": None,
    "documents": 4,
    "chunks": 19,
    "indexing": ["docs"],
    "unfindable": {"looked_at": 3, "without_vector": 1, "without_words": 0},
    "roots": [ROOT],
    "failed": [{"root": "docs", "path": "x.pdf", "reason": "illisible"}],
}
SERVER = {"running": True, "pid": None, "binary": "/b", "data_directory": "/d", "log": "/l"}


@pytest.fixture(autouse=True)
def french() -> Iterator[None]:
    with speak_french():
        yield


def test_an_answer_with_its_evidence_is_french():
    screen = wide_screen()
    chat_sessions.show_evidence(screen, ANSWER)
    chat_sessions.show_references(screen, ANSWER)
    answers.show_footing(
        screen, Answer(model="m", joining=Joining(first="database", names=["Galet"]))
    )
    answers.show_search(screen, SEARCH)
    found = TextNode(text="Trente jours.", metadata={"path": "a.md", "page": 3})
    answers.show_passages(screen, "", [NodeWithScore(node=found, score=0.5)])
    answers.show_passages(screen, "", [])
    assert "Seules les 30 premières lignes ont été lues." in shown_on(screen)
    assert "lignes 3-9" in shown_on(screen)
    assert find_english(shown_on(screen)) == []


def test_a_report_of_indexing_is_french():
    screen = wide_screen()
    state.show_report(screen, REPORT)
    state.show_report(screen, IndexReport())
    with progress.show_index_progress(screen) as show, pytest.MonkeyPatch.context() as patch:
        patch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0.0)
        show(Progress(50, 100, 200))
    assert "2 ajoutés, 1 modifié, 1 retiré, 3 inchangés, 1 en échec" in shown_on(screen)
    assert find_english(shown_on(screen)) == []


def test_the_state_of_everything_is_french():
    screen = wide_screen()
    state.show_status(screen, STATUS)
    state.show_server(screen, SERVER)
    for check in check_models(Config()):
        state.show_check(screen, check)
    assert "Documents  4 en 19 fragments" in shown_on(screen)
    assert find_english(shown_on(screen)) == []


def test_what_the_layers_below_say_is_french(capsys):
    say(Message("Embeddings come from {model}", model="openai"))
    assert capsys.readouterr().err == "Les embeddings viennent de openai\n"


def test_english_is_found_where_it_is_left():
    left = "Documents: 3 added. 1 chunk written in 2.0 s.\nServer  MariaDB"
    found = find_english(left)
    assert {"Documents: {counts}.", "{n} added", "Server"} <= set(found)


def test_evaluations_are_french():
    screen = wide_screen()
    share = Share(3, 4, 0.75, 0.3, 0.95)
    used = ProfileReport("legal", 9, 4, share, Share(0, 0, None, None, None), 0.5, 2, 4.0, 9.0)
    difference = Comparison("thumbs up", "legal", "default", 0.1, 0.04)
    profiles_in_use.show_live(screen, LiveReport(1, [used], [difference]))
    profiles_in_use.show_live(screen, LiveReport(7, [], []))
    figures = dict.fromkeys((*sql_evaluations._LABELS, "repairs", "questions"), 1)
    milliseconds = {"share_right": 0.5, "p50_ms": 1.0, "p95_ms": 2.0}
    missed = SQLAnswer("q1", "Combien ?", "subset", "SELECT 1", None, 0, 1.0)
    outcome = SQLOutcome("qwen", {**figures, **milliseconds}, [missed], run=3)
    sql_evaluations.show_sql_outcome(screen, SQLSet("boutique", ()), outcome)
    assert "3 sur 4 : 75% (30% à 95%)" in shown_on(screen)
    assert find_english(shown_on(screen)) == []
