"""What was said in chat sessions, as LlamaIndex's Memory reads and writes it."""

import asyncio
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.storage.chat_store.base_db import AsyncDBChatStore, MessageStatus
from pydantic import ConfigDict, Field

from stores.connection import read_snapshot, run_transaction
from stores.errors import StoreError
from stores.sql import statements
from stores.text.surrogates import replace_lone_surrogates

_LISTS: Final = ("positions", "ids")  # of values
SQL: Final = {
    name: sa.text(sql).bindparams(
        *(sa.bindparam(many, expanding=True) for many in _LISTS if f":{many}" in sql)
    )
    for name, sql in statements("sessions.sql").items()
    if "{" not in sql
}
ID_CHARACTERS = 190
ALL = 2**31 - 1
_MESSAGE_BYTES = 16 * 2**20  # a packet of the server holds it, escaped

T = TypeVar("T")


class MariaDBChatStore(AsyncDBChatStore):
    """The messages of the sessions of a user, in order; a session is made with its first one.

    A write to a session of somebody else raises StoreError. Those of a turn are written with the
    turn, by SessionStore. A message is deleted by its position, and a turn whose question is
    deleted goes with it.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    engine: sa.Engine = Field(exclude=True, repr=False)
    user: str | None = None

    @classmethod
    def class_name(cls) -> str:
        return "MariaDBChatStore"

    async def get_messages(
        self,
        key: str,
        status: MessageStatus | None = MessageStatus.ACTIVE,
        limit: int | None = None,
        offset: int | None = None,
    ) -> list[ChatMessage]:
        values = {
            "session": key,
            "status": status and status.value,
            "limit": ALL if limit is None else limit,
            "offset": offset or 0,
        }
        rows = await self._read_messages(lambda c: c.execute(SQL["messages"], values).all())
        return [row_to_message(row) for row in rows]

    async def count_messages(
        self, key: str, status: MessageStatus | None = MessageStatus.ACTIVE
    ) -> int:
        values = {"session": key, "status": status and status.value}
        return int(await self._read_messages(lambda c: c.scalar(SQL["count_messages"], values)))

    async def add_message(
        self, key: str, message: ChatMessage, status: MessageStatus = MessageStatus.ACTIVE
    ) -> None:
        await self.add_messages(key, [message], status)

    async def add_messages(
        self,
        key: str,
        messages: list[ChatMessage],
        status: MessageStatus = MessageStatus.ACTIVE,
    ) -> None:
        await self._write(key, lambda c, session: _add_messages(c, session, messages, status))

    async def set_messages(
        self,
        key: str,
        messages: list[ChatMessage],
        status: MessageStatus = MessageStatus.ACTIVE,
    ) -> None:
        def work(connection: sa.Connection, session: Any) -> None:
            _delete_messages(connection, key, _read_messages(connection, key, None))
            _add_messages(connection, session, messages, status)

        await self._write(key, work)

    async def delete_message(self, key: str, idx: int) -> ChatMessage | None:
        def work(connection: sa.Connection, _: Any) -> list[ChatMessage]:
            rows = connection.execute(SQL["message"], {"session": key, "position": idx}).all()
            return _delete_messages(connection, key, rows)

        deleted = await self._write(key, work)
        return deleted[0] if deleted else None

    async def delete_messages(self, key: str, status: MessageStatus | None = None) -> None:
        await self._write(
            key, lambda c, _: _delete_messages(c, key, _read_messages(c, key, status))
        )

    async def delete_oldest_messages(self, key: str, n: int) -> list[ChatMessage]:
        return await self._write(
            key,
            lambda c, _: _delete_messages(c, key, _read_messages(c, key, MessageStatus.ACTIVE, n)),
        )

    async def archive_oldest_messages(self, key: str, n: int) -> list[ChatMessage]:
        def work(connection: sa.Connection, _: Any) -> list[ChatMessage]:
            rows = _read_messages(connection, key, MessageStatus.ACTIVE, n)
            _change_at(connection, "archive_messages", key, rows)
            return [row_to_message(row) for row in rows]

        return await self._write(key, work)

    async def get_keys(self) -> list[str]:
        return await self._read_messages(lambda c: list(c.scalars(SQL["all_ids"])))

    async def _read_messages(self, work: Callable[[sa.Connection], T]) -> T:
        return await asyncio.to_thread(read_snapshot, self.engine, work)

    async def _write(self, key: str, work: Callable[[sa.Connection, Any], T]) -> T:
        """Run the one transaction that writes to the session."""
        check_id("session", key)
        check_user(self.user)

        def lock_and_work(connection: sa.Connection) -> T:
            return work(connection, lock_own_session(connection, key, self.user))

        return await asyncio.to_thread(run_transaction, self.engine, lock_and_work)


def check_id(what: str, given: str) -> None:
    """Raises StoreError for what is no id: ids are compared byte by byte, never mended."""
    if not isinstance(given, str) or not given:
        raise StoreError(f"The {what} id is {given!r}; it has to be a text that is not empty.")
    if len(given) > ID_CHARACTERS:
        raise StoreError(
            f"The {what} id {given[:40]!r}… has {len(given)} characters; at most "
            f"{ID_CHARACTERS} are possible."
        )
    try:
        given.encode()
    except UnicodeEncodeError as error:
        raise StoreError(f"The {what} id {given!r} holds half a character.") from error


def check_user(user: str | None) -> None:
    """Raises StoreError for what names nobody, not even the only user, who is None."""
    if user is not None:
        check_id("user", user)


def lock_own_session(connection: sa.Connection, session_id: str, user: str | None) -> Any:
    """The row of a session, which is made if need be, locked. Raises StoreError."""
    connection.execute(SQL["make_session"], {"session": session_id, "user": user})
    session = connection.execute(SQL["lock_session"], {"session": session_id}).one()
    check_owner(session, user)
    return session


def check_owner(session: Any, user: str | None) -> None:
    if session.user != user:
        raise StoreError(f"The session {session.id!r} belongs to another user.")


def store_message(
    connection: sa.Connection,
    session_id: str,
    position: int,
    message: ChatMessage,
    *,
    turn: int | None = None,
    status: str = MessageStatus.ACTIVE.value,
) -> None:
    """Raises StoreError for a message that is too long."""
    data = replace_lone_surrogates(json.dumps(message.model_dump(mode="json"), ensure_ascii=False))
    if (size := len(data.encode())) > _MESSAGE_BYTES:
        raise StoreError(
            f"The message has {size / 2**20:.0f} MB; at most {_MESSAGE_BYTES // 2**20} MB are "
            "possible. Index long texts as documents, and ask about them."
        )
    values = {
        "session": session_id,
        "position": position,
        "turn": turn,
        "role": message.role.value,
        "status": status,
        "data": data,
    }
    connection.execute(SQL["add_message"], values)


def read_text(data: str | None) -> str:
    """Read the text of a stored message; none of what is not there."""
    return (ChatMessage.model_validate_json(data).content or "") if data else ""


def make_message(role: MessageRole, text: str) -> ChatMessage:
    return ChatMessage(role=role, content=replace_lone_surrogates(text))


def row_to_message(row: Any) -> ChatMessage:
    return ChatMessage.model_validate_json(row.data)


def _read_messages(
    connection: sa.Connection, key: str, status: MessageStatus | None, limit: int = ALL
) -> Sequence[Any]:
    values = {"session": key, "status": status and status.value, "limit": limit, "offset": 0}
    return connection.execute(SQL["messages"], values).all()


def _add_messages(
    connection: sa.Connection, session: Any, messages: Iterable[ChatMessage], status: MessageStatus
) -> None:
    position = session.messages
    for message in messages:
        position += 1
        store_message(connection, session.id, position, message, status=status.value)
    counted = {"session": session.id, "turns": session.turns, "messages": position, "title": ""}
    connection.execute(SQL["count_up"], counted)


def _delete_messages(connection: sa.Connection, key: str, rows: Sequence[Any]) -> list[ChatMessage]:
    _change_at(connection, "delete_messages", key, rows)
    connection.execute(SQL["delete_unasked_turns"], {"session": key})
    return [row_to_message(row) for row in rows]


def _change_at(connection: sa.Connection, statement: str, key: str, rows: Sequence[Any]) -> None:
    if rows:
        positions = [row.position for row in rows]
        connection.execute(SQL[statement], {"session": key, "positions": positions})
