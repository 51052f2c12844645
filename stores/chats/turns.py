"""A turn of a chat session: asked, answered, or left behind by a process that ended."""

import os
import platform
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias, TypedDict, assert_never

import sqlalchemy as sa
from llama_index.core.base.llms.types import MessageRole

from stores.chats.chat_messages import SQL, make_message, read_text, store_message
from stores.chats.cited_passages import CitedPassage, keep_cited_passages
from stores.chats.turn_versions import choose_way, read_ways
from stores.errors import StoreError, TurnUnderWay
from stores.text.surrogates import replace_lone_surrogates
from stores.typed_json import dumps, loads

UNDER_WAY = 600  # seconds after which nobody answers an open turn any more
_SILENCE = 30  # seconds without a sign of life from another machine, which gives one each second
ABANDONED = "What answered this question ended before the answer was whole."
_TITLE_CHARACTERS = 60

Ended: TypeAlias = Literal["complete", "partial", "failed"]
Status: TypeAlias = Literal["open", "complete", "partial", "failed"]


@dataclass(frozen=True)
class Turn:
    """A question and what came of it; times in UTC.

    `standalone` is the question as it was put to the sources, None when that is as it was asked;
    `rewritten_by` is "", "model" or "rule". `evidence` is the answer's metadata with its types.
    While it is open, `answer` is what was said so far, and `evidence` what is known of it, as far
    as whoever answers notes that. `options` say how it was asked, as who began it gave them.
    """

    id: str
    number: int
    question: str
    standalone: str | None
    rewritten_by: str
    answer: str
    status: Status
    error: str | None
    evidence: Mapping[str, Any]
    model: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    asked_at: datetime
    answered_at: datetime | None
    options: Mapping[str, Any] = field(default_factory=dict)


class AboutAnswer(TypedDict, total=False):
    """What is stored with an answer; `evidence` may hold what a database's cells are made of.

    `cited` are the passages that the answer cites, which are kept as they are. `owner` is not
    stored: it has to be who began the turn, where it is given.
    """

    error: str | None
    standalone: str | None
    rewritten_by: str
    evidence: Mapping[str, Any] | None
    cited: Sequence[CitedPassage]
    model: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    owner: str


def make_owner() -> str:
    """Name who begins a turn: machine, process and call; at most 255 characters."""
    return f"{name_process()}{secrets.token_hex(6)}"


def name_process() -> str:
    """Name this process, as the beginning of what `make_owner` makes."""
    return f"{platform.node()[:200]}:{os.getpid()}:"


def find_turn(connection: sa.Connection, session_id: str, turn_id: str) -> Any:
    values = {"session": session_id, "turn": turn_id, "before": None, "limit": 1}
    return connection.execute(SQL["turns"], values).one_or_none()


def find_last_turn(connection: sa.Connection, session_id: str) -> Any:
    """Find the current turn that was asked last."""
    values = {"session": session_id, "turn": None, "before": None, "limit": 1}
    return connection.execute(SQL["turns"], values).one_or_none()


def row_to_turn(row: Any) -> Turn:
    return Turn(
        id=row.id,
        number=row.number,
        question=read_text(row.asked),
        standalone=row.standalone,
        rewritten_by=row.rewritten_by,
        answer=(row.said or "") if row.status == "open" else read_text(row.answered),
        status=row.status,
        error=row.error,
        evidence=loads(row.evidence) if row.evidence else {},
        model=row.model,
        prompt_tokens=row.prompt_tokens,
        completion_tokens=row.completion_tokens,
        asked_at=row.asked_at,
        answered_at=row.answered_at,
        options=loads(row.options) if row.options else {},
    )


@dataclass(frozen=True)
class Asking:
    """A question that is asked now, with its options, and who answers it.

    `replaces` is the turn whose place it takes, of which it is another version.
    """

    question: str
    owner: str
    options: Mapping[str, Any]
    replaces: str | None = None

    def values(self) -> dict[str, Any]:
        return {"owner": self.owner, "options": dumps(self.options) if self.options else None}


def store_question(connection: sa.Connection, session: Any, turn_id: str, asking: Asking) -> None:
    """Store a question, and leave the place behind it to its answer."""
    abandon_open_turns(connection, session.id)
    number, position = session.turns + 1, session.messages + 1
    parent = _find_parent(connection, session.id, asking.replaces)
    place = {"session": session.id, "number": number, "parent": parent, "turn": turn_id}
    connection.execute(SQL["add_turn"], {**place, **asking.values()})
    message = make_message(MessageRole.USER, asking.question)
    store_message(connection, session.id, position, message, turn=number)
    counted = {
        "session": session.id,
        "turns": number,
        "messages": position + 1,
        "title": cut_title(asking.question),
    }
    connection.execute(SQL["count_up"], counted)


def _find_parent(connection: sa.Connection, session_id: str, replaces: str | None) -> int:
    """Find the turn before a question; what it replaces, with all that follows, is current no more.

    Raises StoreError for a turn that is not there, TurnUnderWay while a current one is answered.
    """
    ways = read_ways(connection, session_id)
    if replaces is None:
        return ways.end
    parent = ways.find_parent(replaces)
    if parent is None:
        raise StoreError(f"There is no turn {replaces!r} in this session, so nothing replaces it.")
    if connection.execute(SQL["open_turns"], {"session": session_id}).first():
        raise TurnUnderWay(f"The turn {replaces!r} is replaced when none is being answered.")
    choose_way(connection, session_id, ways.lead_to(parent))
    return parent


def reopen_turn(connection: sa.Connection, row: Any, asking: Asking) -> bool:
    """Open a stored turn again if it is to be answered now. Raises TurnUnderWay, StoreError."""
    if not row.is_current:
        raise StoreError(f"Another version of the turn {row.id!r} is chosen. Choose it first.")
    if read_text(row.asked) != asking.question:
        raise StoreError(
            f"The turn {row.id!r} of this session asks something else. Give each question a turn "
            "id of its own."
        )
    status: Status = row.status
    match status:
        case "complete":
            return False
        case "open" if row.owner != asking.owner:
            if not is_abandoned(row):
                raise TurnUnderWay(
                    f"The turn {row.id!r} is being answered, since {row.age} seconds. Ask for it "
                    "again when that is over."
                )
            abandon_open_turns(connection, row.session_id)
        case "open" | "partial" | "failed":
            pass
        case _:
            assert_never(status)
    place = {"session": row.session_id, "number": row.number}
    connection.execute(SQL["reopen_turn"], {**place, **asking.values()})
    connection.execute(SQL["reopen_question"], place)
    return True


def store_answer(
    connection: sa.Connection, row: Any, answer: str, status: Ended, about: AboutAnswer
) -> None:
    """Store what came of a turn, if nothing is stored yet. Raises StoreError for a lost turn."""
    if about.get("owner") not in (None, row.owner):
        raise StoreError(
            f"The turn {row.id!r} took so long that somebody else answers it. Ask for it again, "
            "with the same turn id."
        )
    if row.answered_at is None:
        _keep_answer(connection, row, replace_lone_surrogates(answer), status, about)


def _keep_answer(
    connection: sa.Connection, row: Any, answer: str, ended: Ended, about: AboutAnswer
) -> None:
    """Store an answer; what failed leaves the active window of the conversation."""
    place = {"session": row.session_id, "number": row.number}
    if ended == "failed":
        connection.execute(SQL["set_turn_status"], {**place, "status": "archived"})
    if answer or ended != "failed":
        _store_said(connection, row, answer)
    connection.execute(SQL["finish_turn"], {**place, "status": ended, **_describe_answer(about)})
    keep_cited_passages(connection, row.session_id, row.number, about.get("cited", ()))
    connection.execute(SQL["touch"], {"session": row.session_id})


def _store_said(connection: sa.Connection, row: Any, answer: str) -> None:
    """Store what was said of an answer, in the window in which its question stands."""
    place = {"session": row.session_id, "number": row.number}
    question = connection.execute(SQL["question"], place).one()
    message = make_message(MessageRole.ASSISTANT, answer)
    where = row.session_id, question.position + 1
    store_message(connection, *where, message, turn=row.number, status=question.status)


def _describe_answer(about: AboutAnswer) -> dict[str, Any]:
    evidence = about.get("evidence")
    return {
        "error": _mend(about.get("error")),
        "standalone": _mend(about.get("standalone")),
        "rewritten_by": about.get("rewritten_by", ""),
        "evidence": None if evidence is None else dumps(evidence),
        "model": about.get("model"),
        "prompt_tokens": about.get("prompt_tokens"),
        "completion_tokens": about.get("completion_tokens"),
    }


def _mend(text: str | None) -> str | None:
    return None if text is None else replace_lone_surrogates(text)


def abandon_open_turns(connection: sa.Connection, session_id: str) -> None:
    """End the turns whose process ended, so that no question stays unanswered.

    They are partial with what was said so far, and failed where nothing was.
    """
    rows = connection.execute(SQL["open_turns"], {"session": session_id}).all()
    for row in filter(is_abandoned, rows):
        place = {"session": session_id, "number": row.number}
        status: Ended = "partial" if row.said else "failed"
        connection.execute(SQL["abandon_turn"], {**place, "status": status, "error": ABANDONED})
        if row.said:
            _store_said(connection, row, row.said)
        else:
            connection.execute(SQL["set_turn_status"], {**place, "status": "archived"})


def is_abandoned(row: Any) -> bool:
    """Whether nobody answers an open turn any more."""
    machine, process, _ = row.owner.rsplit(":", 2)
    is_here = machine == platform.node()[:200]
    if is_here and not _is_alive(int(process)):
        return True
    if row.silent is None:
        return bool(row.age >= UNDER_WAY)
    return bool(row.silent >= (UNDER_WAY if is_here else _SILENCE))


def _is_alive(process: int) -> bool:
    if os.name == "nt":  # where a signal 0 ends a process; the age of its turn decides
        return True
    with suppress(PermissionError):  # it lives, as somebody else's
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return False
    return True


def cut_title(question: str) -> str:
    """Cut a title from the beginning of a question, between words."""
    words = " ".join(question.split())
    if len(words) <= _TITLE_CHARACTERS:
        return words
    return words[: _TITLE_CHARACTERS - 1].rsplit(" ", 1)[0].rstrip(" ,;:") + "…"
