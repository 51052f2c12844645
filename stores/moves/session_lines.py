"""A session as lines of an export, and back; two are the same when their lines are."""

import json
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any, Final

import sqlalchemy as sa

from stores.chunks.chunk_table import ChunkTable
from stores.moves.move_file import SavedChunk, make_chunk, write_item
from stores.sql import statements

_SQL = statements("moves.sql")
_SESSIONS = statements("sessions.sql")
_CHUNKS = statements("moves.sql")["memory_chunks"]
_PUT: Final = {
    "session": _SQL["put_session"],
    "turn": _SQL["put_turn"],
    "message": _SQL["put_message"],
    "feedback": _SQL["put_feedback"],
}
_KINDS: Final = tuple(_PUT)
# What files of before do not hold.
_ADDED: Final[dict[str, dict[str, Any]]] = {
    "session": {"pinned_at": None, "tags": None},
    "turn": {"options": None, "parent": None, "is_current": True},
}

Item = tuple[str, Any]


def read_session_lines(
    connection: sa.Connection, session: str, memory: ChunkTable | None
) -> Iterator[bytes]:
    """Read a session with all that belongs to it, line by line; none when there is no session."""
    for kind in _KINDS:
        rows = connection.execute(sa.text(_SQL[kind]), {"session": session}).mappings()
        for row in rows.all():
            plain = {
                name: str(value) if isinstance(value, date) else value  # a datetime is a date
                for name, value in row.items()
            }
            yield write_item(kind, plain)
    for chunk in _read_memory(connection, session, memory) if memory else ():
        yield write_item("memory", chunk)


def _read_memory(
    connection: sa.Connection, session: str, memory: ChunkTable
) -> Iterator[SavedChunk]:
    statement = sa.text(_CHUNKS.format(table=f"`{memory.name}`"))
    for row in connection.execute(statement, {"session": session}).all():
        yield make_chunk(row, row.chunk_id)


def put_session(connection: sa.Connection, items: Sequence[Item]) -> None:
    """Write a session that is not there. Raises ValueError for lines of another shape."""
    session = items[0][1]["id"]
    for kind, written in items:
        if kind != "memory":
            values = _ADDED.get(kind, {}) | written
            statement = sa.text(_PUT[kind])
            wanted = set(statement.compile().params) - {"session"}
            if wanted != set(values):
                raise ValueError(kind)
            bound = values if kind == "session" else {**values, "session": session}
            connection.execute(statement, bound)


def remove_session(connection: sa.Connection, session: str, memory: ChunkTable | None) -> None:
    """Delete a session, to write another in its place; the searches of it stay."""
    values = {"session": session}
    connection.execute(sa.text(_SESSIONS["forget_feedback"]), values)
    connection.execute(sa.text(_SESSIONS["delete_session"]), values)
    if memory:
        statement = sa.text(_SQL["forget_memory"].format(table=f"`{memory.name}`"))
        connection.execute(statement, values)


def is_of_session(chunk: SavedChunk, session: dict[str, Any]) -> bool:
    """Tell whether a memory belongs to a session, so that it takes the place of no other's."""
    about = (chunk.metadata.get("session_id"), chunk.metadata.get("user"))
    return chunk.id.endswith(f":{session['id']}") and about == (
        session["id"],
        session["user"] or "",
    )


def drop_memory(lines: Sequence[Item]) -> list[Item]:
    """Drop what is made of a session, which is made again where another model embeds."""
    return [
        (kind, {**values, "memory": None} if kind == "session" else values)
        for kind, values in lines
        if kind != "memory"
    ]


def read_items_of(lines: Iterator[bytes]) -> list[Item]:
    """Read lines that were just written."""
    items = [item for line in lines for item in json.loads(line).items()]
    return [
        (kind, SavedChunk.model_validate(values) if kind == "memory" else values)
        for kind, values in items
    ]
