"""Which chat sessions there are, and which hold some words; without LlamaIndex."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa

from stores.binding import escape_pattern
from stores.connection import read_snapshot
from stores.sql import statements

_SQL = statements("sessions.sql")
_ALL = sa.text(_SQL["sessions"])
_TEXT = "JSON_VALUE(kb_message.data, '$.blocks[0].text')"  # JSON ignores no accents and capitals
_COLLATION = "COLLATE utf8mb4_uca1400_ai_ci"
_WORDS = 10
_BEFORE = 60
_CHARACTERS = 200


@dataclass(frozen=True)
class Place:
    """A place in a list of sessions: what is behind it can be asked for."""

    is_pinned: bool
    updated: datetime
    id: str


@dataclass(frozen=True)
class SessionInfo:
    """A session; `user` is None when there is only one, `excerpt` is what a search found in it."""

    id: str
    title: str
    created: datetime
    updated: datetime
    turns: int
    user: str | None = None
    excerpt: str | None = None
    is_pinned: bool = False
    tags: tuple[str, ...] = ()

    @property
    def place(self) -> Place:
        return Place(self.is_pinned, self.updated, self.id)


def row_to_info(row: Any) -> SessionInfo:
    values = row._asdict()
    tags = json.loads(values["tags"] or "[]")
    return SessionInfo(**{**values, "tags": tuple(tags), "is_pinned": bool(values["is_pinned"])})


def bind_list(
    user: str | None = None,
    *,
    everybody: bool = True,
    session: str | None = None,
    tag: str | None = None,
    after: Place | None = None,
    limit: int = 1,
) -> dict[str, Any]:
    """Return what a list of sessions binds. Without `everybody`, no user means nobody's."""
    return {
        "session": session,
        "user": user,
        "everybody": everybody and user is None,
        "tag": tag,
        "after_pinned": after and after.is_pinned,
        "after_time": after and after.updated,
        "after_id": after and after.id,
        "limit": limit,
    }


def list_sessions(
    engine: sa.Engine,
    *,
    search: str | None = None,
    user: str | None = None,
    everybody: bool = True,
    tag: str | None = None,
    after: Place | None = None,
    limit: int = 100,
) -> list[SessionInfo]:
    """List the sessions of everybody, or of a user: pinned ones, then others, the last used first.

    Without `everybody` no `user` means those of nobody. `search` are words that all stand in the
    title or in one message, whatever their accents and capitals; `after` is the place of the last
    session of the page before.
    """
    of = bind_list(user, everybody=everybody, tag=tag, after=after, limit=limit)

    def work(connection: sa.Connection) -> Sequence[Any]:
        if search and search.strip():
            return _find_sessions(connection, search, of)
        return connection.execute(_ALL, of).all()

    return [row_to_info(row) for row in read_snapshot(engine, work)]


def _find_sessions(connection: sa.Connection, search: str, of: Mapping[str, Any]) -> Sequence[Any]:
    """Find sessions whose title or one of whose messages holds all words, with an excerpt.

    `of` says whose, and how many at most.
    """
    words = search.split()[:_WORDS]
    patterns = {f"word{number}": f"%{escape_pattern(word)}%" for number, word in enumerate(words)}
    values = {
        **patterns,
        **of,
        "first": words[0],
        "before": _BEFORE,
        "characters": _CHARACTERS,
    }
    return connection.execute(_write_statement(len(words)), values).all()


@cache
def _write_statement(words: int) -> sa.TextClause:
    """Write the statement for so many words; it holds names of values alone."""
    return sa.text(
        _SQL["search_sessions"].format(
            text=_TEXT,
            in_message=_require_words(_TEXT, words),
            in_title=_require_words("title", words),
        )
    )


def _require_words(text: str, words: int) -> str:
    conditions = (f"{text} {_COLLATION} LIKE :word{number}" for number in range(words))
    return f"({' AND '.join(conditions)})"
