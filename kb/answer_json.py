"""Answers as the JSON that other programs read; their shapes are promises."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any, Final

from llama_index.core.schema import NodeWithScore
from typing_extensions import TypedDict

from engines.answer import Answer, AnsweredTurn, TableResult, list_keys
from engines.documents.hits import find_excerpts
from engines.tables.query_result import as_json
from engines.visible_text import make_visible
from kb.indexing.report import IndexReport

# How a model came to its statement is kept with a turn, and told to nobody else.
_UNTOLD: Final = {"attempts"}
ROWS: Final = tuple(key for key in list_keys(TableResult) if key not in _UNTOLD)
TURN: Final = list_keys(AnsweredTurn)
# What events of an answer have told before its last one.
TOLD_BEFORE: Final = {"route", "route_reason", "search", "citations", "types", *ROWS}
ANSWER: Final = tuple(key for key in list_keys(Answer) if key not in {*_UNTOLD, *TURN})


class FoundPassage(TypedDict):
    """A passage that a search found; `excerpt` is the part of it that has the question's words."""

    id: str
    path: str | None
    title: str | None
    score: float | None
    text: str
    metadata: dict[str, Any]
    excerpt: str


def report_to_values(report: IndexReport) -> dict[str, Any]:
    return {
        **asdict(report),
        "failed": _with_reasons(report.failed),
        "passed_over": _with_reasons(report.passed_over),
        "moved": [{"from": former, "to": path} for former, path in report.moved],
    }


def _with_reasons(files: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"path": path, "reason": reason} for path, reason in files]


def passages_to_values(question: str, passages: Sequence[NodeWithScore]) -> list[FoundPassage]:
    """Return what was found, each passage with the part of it that has the question's words."""
    excerpts = find_excerpts(question, passages)
    return [
        {
            "id": passage.node_id,
            "path": passage.metadata.get("path"),
            "title": passage.metadata.get("title"),
            "score": passage.score,
            "text": passage.get_content(),
            "metadata": passage.metadata,
            "excerpt": make_visible(excerpt),
        }
        for passage, excerpt in zip(passages, excerpts, strict=True)
    ]


def answer_to_values(answer: Answer) -> dict[str, Any]:
    """Every field of the answer, null where it knows nothing; not the turn it belongs to."""
    known = answer.metadata()
    values = {key: known.get(key) for key in ANSWER}
    return {"answer": answer.text, **values, "rows": as_json(answer.tables.rows)}


def table_to_values(found: TableResult) -> dict[str, Any]:
    """The statement and its rows, as they stand among the values of an answer."""
    values = answer_to_values(Answer(tables=found))
    return {key: values[key] for key in ROWS}
