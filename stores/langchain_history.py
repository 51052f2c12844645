"""MariaDBChatMessageHistory: LangChain's history of a chat, as a stored session of kb.

It needs the extra langchain, and nothing else of kb imports it.
"""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    BaseMessageChunk,
    HumanMessage,
    message_chunk_to_message,
)

from stores.chats.chat_messages import SQL, lock_own_session
from stores.chats.chat_sessions import SessionStore
from stores.chats.turns import (
    AboutAnswer,
    Asking,
    Turn,
    find_last_turn,
    make_owner,
    row_to_turn,
    store_answer,
    store_question,
)
from stores.errors import StoreError
from stores.text.surrogates import replace_lone_surrogates
from stores.typed_json import dumps, loads

_KEY: Final = "langchain"
"""Where LangChain's own fields of a message are, in the options and the evidence of its turn."""
_MODEL_CHARACTERS: Final = 255


class MariaDBChatMessageHistory(BaseChatMessageHistory):
    """The turns of a session as LangChain's messages; what either side writes, the other reads.

    A HumanMessage begins a turn, the AIMessage behind it ends it; their ids, names and metadata
    come back as they were. Messages that are added together are written in one transaction, all or
    none. What no turn holds, as the calls of tools and what they return, is refused with a
    StoreError. Of kb's turns, those that failed are left out, as `kb chat` does.
    """

    def __init__(self, sessions: SessionStore, session_id: str, user: str | None = None) -> None:
        self._sessions, self._session_id, self._user = sessions, session_id, user

    @property
    def messages(self) -> list[BaseMessage]:  # type: ignore[override]  # LangChain's own is a field
        """The messages of all turns, the oldest first. Raises StoreError for another's session."""
        self._sessions.check_owner(self._session_id, self._user)
        turns = self._sessions.list_turns(self._session_id)
        return [message for turn in turns for message in _turn_to_messages(turn)]

    def add_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Add questions, answers, or both in turn.

        Raises StoreError for what no turn holds, and for an answer that no question waits for; then
        nothing is added.
        """
        said = [_read_message(message) for message in messages]

        def work(connection: sa.Connection, _: Any) -> None:
            for one in said:
                if one.is_question:
                    self._begin_turn(connection, one)
                else:
                    self._end_turn(connection, one)

        if said:
            self._sessions.write_together(self._session_id, self._user, work)

    def clear(self) -> None:
        """Delete everything of the session but itself, what kb remembers of it among that."""
        self._sessions.check_owner(self._session_id, self._user)
        if self._sessions.list_turns(self._session_id, limit=1):
            self._sessions.reset(self._session_id)

    def _begin_turn(self, connection: sa.Connection, said: "_Said") -> None:
        session = lock_own_session(connection, self._session_id, self._user)
        asking = Asking(said.text, make_owner(), {_KEY: said.fields})
        store_question(connection, session, secrets.token_hex(8), asking)

    def _end_turn(self, connection: sa.Connection, said: "_Said") -> None:
        row = find_last_turn(connection, self._session_id)
        if row is None or not _is_waiting(row_to_turn(row)):
            raise StoreError(
                f"No question of the session {self._session_id!r} waits for an AIMessage. Add the "
                "HumanMessage that it answers before it, or both together."
            )
        if row.status == "failed":  # as its process ended; the question is part of the chat again
            place = {"session": self._session_id, "number": row.number}
            connection.execute(SQL["reopen_question"], place)
        store_answer(connection, row, said.text, "complete", said.about)


@dataclass(frozen=True)
class _Said:
    """A message as a turn holds it: its text, and what else LangChain knows of it."""

    is_question: bool
    text: str
    fields: dict[str, Any]

    @property
    def about(self) -> AboutAnswer:
        used = self.fields.get("usage_metadata") or {}
        told = self.fields.get("response_metadata") or {}
        model = told.get("model_name") or told.get("model")
        return AboutAnswer(
            evidence={_KEY: self.fields},
            model=str(model)[:_MODEL_CHARACTERS] if model else None,
            prompt_tokens=used.get("input_tokens"),
            completion_tokens=used.get("output_tokens"),
        )


def _read_message(given: BaseMessage) -> _Said:
    """Read a message for its turn. Raises StoreError for what no turn holds."""
    message = message_chunk_to_message(given) if isinstance(given, BaseMessageChunk) else given
    match message:
        case HumanMessage():
            if not message.text.strip():
                raise _refuse(message, "has no text, and a question of a session is one")
        case AIMessage():
            if message.tool_calls or message.invalid_tool_calls:
                raise _refuse(message, "calls tools, and is no answer yet")
        case _:
            raise _refuse(message, "is neither a question nor an answer")
    text = replace_lone_surrogates(str(message.text))
    told_by_turn = {"type", "content"} if isinstance(message.content, str) else {"type"}
    fields = message.model_dump(exclude=told_by_turn, exclude_defaults=True)
    if loads(dumps(fields)) != fields:
        raise _refuse(message, "has metadata or contents that would not come back as they are")
    return _Said(isinstance(message, HumanMessage), text, fields)


def _refuse(message: BaseMessage, why: str) -> StoreError:
    return StoreError(
        f"A message of the kind {message.type!r} {why}. A session keeps questions with their "
        "answers: add the HumanMessage and the last AIMessage alone, and keep the steps between "
        "them in a checkpointer of LangGraph."
    )


def _turn_to_messages(turn: Turn) -> Iterator[BaseMessage]:
    if turn.status == "failed" and not _is_waiting(turn):
        return
    yield HumanMessage(**_read_fields(turn.question, turn.options))
    if turn.status in ("complete", "partial"):
        yield AIMessage(**_read_fields(turn.answer, turn.evidence))


def _read_fields(text: str, kept: Mapping[str, Any]) -> dict[str, Any]:
    return {"content": text, **kept.get(_KEY, {})}


def _is_waiting(turn: Turn) -> bool:
    """Whether LangChain asked, and its answer may still be added, however long that takes."""
    return _KEY in turn.options and turn.answered_at is None
