"""A chat as who has a link to it sees it: questions, answers and their evidence, no more."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import sqlalchemy as sa
from typing_extensions import TypedDict

from engines.answer import Answer, Citation, RouteName
from engines.tables.query_result import as_json
from stores.chats.chat_sessions import Turn
from stores.chats.cited_passages import find_kept_passage
from stores.chats.shares import Shares

if TYPE_CHECKING:
    from kb.assembly.components import Components


class FrozenCitation(TypedDict):
    """A passage that an answer cites, as it was when it did."""

    number: int
    title: str
    document: str
    place: str
    text: str


class SharedAnswer(TypedDict):
    """A question with its answer and the rows that it rests on; the time in UTC."""

    question: str
    answer: str
    route: RouteName | None
    asked_at: str
    sql: str | None
    columns: list[str]
    rows: list[list[str | bool | int | float | None]]
    truncated: bool


class FrozenTurn(SharedAnswer):
    citations: list[FrozenCitation]


def share_session(components: "Components", session_id: str) -> str:
    """Keep a session as it is now, and return the secret of a link to it. Raises StoreError."""
    info = components.session_store.one(session_id)
    turns = components.session_store.list_turns(session_id)
    frozen = [dict(turn) for turn in _freeze_turns(components.engine, session_id, turns)]
    return Shares(components.engine).add(session_id, info.title, frozen)


def _freeze_turns(
    engine: sa.Engine, session_id: str, turns: Sequence[Turn]
) -> Iterator[FrozenTurn]:
    """Freeze the turns that have an answer, with the passages and the rows that it rests on."""
    for turn in turns:
        if not turn.answer or turn.status == "open":
            continue
        answer = Answer.from_metadata(turn.evidence, turn.answer)
        tables = answer.tables
        yield {
            "question": turn.question,
            "answer": turn.answer,
            "route": answer.route,
            "asked_at": turn.asked_at.isoformat(),
            "citations": [
                _freeze_citation(engine, session_id, turn.id, cited) for cited in answer.citations
            ],
            "sql": tables.sql,
            "columns": list(tables.columns),
            "rows": as_json(tables.rows),
            "truncated": tables.truncated,
        }


def _freeze_citation(
    engine: sa.Engine, session_id: str, turn_id: str, cited: Citation
) -> FrozenCitation:
    kept = find_kept_passage(engine, session_id, turn_id, cited.number)
    return {
        "number": cited.number,
        "title": cited.title or cited.document,
        "document": cited.document,
        "place": str(cited.place),
        "text": kept.passage.text if kept else cited.excerpt,
    }
