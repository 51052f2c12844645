"""The passages that answers cite, as they were when the answer was given."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from stores.chats.chat_messages import SQL
from stores.connection import read_snapshot
from stores.text.surrogates import replace_lone_surrogates


@dataclass(frozen=True)
class CitedPassage:
    """A passage under the number by which an answer cites it."""

    number: int
    chunk: str
    document: str
    metadata: Mapping[str, Any]
    text: str


@dataclass(frozen=True)
class KeptPassage:
    """A cited passage as it was, with what became of its document since; times in UTC.

    `content_hash` and `indexed_at` are of the document as it was cited, None where that is not
    known. `root_now` and `path_now` are None for a document that is gone, which was removed
    `removed_at`, None where that is not known either.
    """

    passage: CitedPassage
    content_hash: str | None
    indexed_at: datetime | None
    removed_at: datetime | None
    root_now: str | None
    path_now: str | None
    hash_now: str | None
    indexed_at_now: datetime | None

    @property
    def is_gone(self) -> bool:
        """Tell whether nothing of the document is indexed any more."""
        return self.path_now is None

    @property
    def is_of_same_version(self) -> bool:
        """Tell whether the document is indexed as it was."""
        return self.content_hash is not None and self.content_hash == self.hash_now


def keep_cited_passages(
    connection: sa.Connection, session_id: str, turn: int, cited: Iterable[CitedPassage]
) -> None:
    """Keep the passages that the answer of a turn cites, in the place of those before."""
    place = {"session": session_id, "turn": turn}
    connection.execute(SQL["forget_cited"], place)
    for passage in cited:
        metadata = json.dumps(dict(passage.metadata), ensure_ascii=False, default=str)
        values = {
            "number": passage.number,
            "chunk": passage.chunk,
            "document": passage.document,
            "metadata": replace_lone_surrogates(metadata),
            "text": replace_lone_surrogates(passage.text),
        }
        connection.execute(SQL["keep_cited"], {**place, **values})


def find_kept_passage(
    engine: sa.Engine, session_id: str, turn_id: str, number: int
) -> KeptPassage | None:
    """Find the passage that a turn cites under a number; None where none was kept."""
    values = {"session": session_id, "turn": turn_id, "number": number}
    row = read_snapshot(engine, lambda c: c.execute(SQL["cited"], values).one_or_none())
    if row is None:
        return None
    passage = CitedPassage(
        number, row.chunk_id, row.document_id, json.loads(row.metadata), row.text
    )
    return KeptPassage(
        passage,
        content_hash=row.content_hash,
        indexed_at=row.indexed_at,
        removed_at=row.removed_at,
        root_now=row.root_now,
        path_now=row.path_now,
        hash_now=row.hash_now,
        indexed_at_now=row.indexed_at_now,
    )
