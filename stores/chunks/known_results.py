"""Results of searches that were made before, for as long as no chunk and no audience has changed.

The postings of a chunk table tell of each transaction that writes, deletes or clears chunks: it
adds a block by a random number, takes one away, notes keys as gone, or sets another version, as
who moves a document does. What they say as of one moment is therefore the version of the
collection. A result is kept under the version that its own snapshot had, and looked for under the
one that the database has now, so that no process is given what was found before a change that is
committed.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final

from llama_index.core.vector_stores.types import VectorStoreQuery

from stores.audiences import Groups, read_version
from stores.caches.cache import Cache, make_key
from stores.chunks.posting_tables import Connection
from stores.chunks.postings import Postings
from stores.chunks.ranked_search import Hit

_COLUMNS: Final = ("chunk_id", "document_id", "text", "metadata", "node")


@dataclass(frozen=True)
class KnownResults:
    """The results that a cache has of one chunk table."""

    cache: Cache
    postings: Postings

    def read_key(self, connection: Connection, asked: bytes, *, by_groups: bool) -> bytes:
        """Read under which key the result of what is asked is kept as of this moment.

        What is asked `by_groups` depends on who may see what, too.
        """
        state = self.postings.tables.read_state(connection)
        audiences = read_version(connection) if by_groups else None
        version = sorted(state.blocks), state.gone.tobytes(), state.version, audiences
        return make_key(asked, version)

    def find(self, key: bytes) -> list[Hit] | None:
        """Find the hits that are kept under a key."""
        if (kept := self.cache.find(key)) is None:
            return None
        found = json.loads(kept)
        return [
            (SimpleNamespace(**dict(zip(_COLUMNS, values, strict=True))), score)
            for *values, score in found
        ]

    def keep(self, key: bytes, hits: Sequence[Hit]) -> None:
        """Keep hits under a key."""
        rows = [[*(getattr(row, name) for name in _COLUMNS), score] for row, score in hits]
        self.cache.keep(key, json.dumps(rows, ensure_ascii=False).encode())


def describe_search(
    query: VectorStoreQuery, options: dict[str, Any], groups: Groups | None, *how: object
) -> bytes:
    """Describe what is asked of a table: two that are the same find the same.

    `how` is what the table is asked by.
    """
    fields = {name: _describe(value) for name, value in vars(query).items()}
    others = {name: _describe(value) for name, value in options.items()}
    seen_by = None if groups is None else sorted(groups)
    return make_key(fields, others, seen_by, how)


def _describe(value: Any) -> Any:
    """Describe a value of a query by its kind and what it holds."""
    dump: Callable[..., Any] | None = getattr(value, "model_dump", None)
    if dump:
        return [type(value).__name__, dump(mode="json", serialize_as_any=True)]
    return repr(value)
