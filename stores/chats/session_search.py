"""Words in past conversations: which sessions hold them, and where."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa

from stores.binding import escape_pattern
from stores.sql import statements

_SQL = statements("sessions.sql")["search_sessions"]
_TEXT = "JSON_VALUE(kb_message.data, '$.blocks[0].text')"  # JSON ignores no accents and capitals
_COLLATION = "COLLATE utf8mb4_uca1400_ai_ci"
_WORDS = 10
_BEFORE = 60
_CHARACTERS = 200


def find_sessions(connection: sa.Connection, search: str, of: Mapping[str, Any]) -> Sequence[Any]:
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
        _SQL.format(
            text=_TEXT,
            in_message=_require_words(_TEXT, words),
            in_title=_require_words("title", words),
        )
    )


def _require_words(text: str, words: int) -> str:
    conditions = (f"{text} {_COLLATION} LIKE :word{number}" for number in range(words))
    return f"({' AND '.join(conditions)})"
