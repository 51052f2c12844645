"""What a collection needs of its server, and whether it is whole; nothing is written."""

import json
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from stores.chunks.chunk_table import ChunkTable, estimate_graph_bytes
from stores.chunks.postings import Postings
from stores.connection import read_snapshot
from stores.registry.collection import Collection, find_collection
from stores.registry.document_counts import read_totals
from stores.sql import statements

_SQL = statements("inspection.sql")
_REGISTRY = statements("registry.sql")
_LOOKED_AT = 1000


@dataclass(frozen=True)
class CollectionFacts:
    """A collection with its numbers of chunks and failed documents, and its size in bytes."""

    collection: Collection
    chunks: int
    failed: int
    table_bytes: int
    has_vector_index: bool = True

    @property
    def vector_cache_bytes(self) -> int:
        """What searches keep in memory: the whole graph of the vector index."""
        return estimate_graph_bytes(self.chunks, self.collection.dimension)


def inspect_collection(engine: sa.Engine, name: str = "default") -> CollectionFacts | None:
    """Look at a collection; None when nothing was ever indexed."""
    if (
        read_snapshot(engine, lambda connection: _measure_table(connection, "kb_collection"))
        is None
    ):
        return None
    collection = find_collection(engine, name)
    if collection is None:
        return None
    return read_snapshot(engine, lambda connection: _read_facts(connection, collection))


@dataclass(frozen=True)
class Health:
    """How many chunks were looked at, and how many of them a search cannot find by one leg."""

    looked_at: int
    without_vector: int
    without_words: int

    @property
    def is_good(self) -> bool:
        return not (self.without_vector or self.without_words)


def inspect_health(engine: sa.Engine, collection: Collection) -> Health:
    """Look whether chunks have vectors and postings, which a dump of another program may lack.

    A thousand chunks are looked at, evenly over the table and each by its key, however many there
    are: what loses vectors loses them all, or those of a whole part.
    """
    table = collection.chunk_table
    postings = Postings(table)
    key_range, health = (
        sa.text(_SQL[name].format(table=table)) for name in ("key_range", "health")
    )

    def work(connection: sa.Connection) -> Health:
        if None in (
            _measure_table(connection, table),
            _measure_table(connection, f"{table}_gone"),
        ):
            return Health(0, 0, 0)  # they are made when documents are first searched or indexed
        first, last = connection.execute(key_range).one()
        if first is None:
            return Health(0, 0, 0)
        steps = min(_LOOKED_AT - 1, last - first)
        keys = [first + (last - first) * step // max(steps, 1) for step in range(steps + 1)]
        zero = bytes(4 * collection.dimension)
        values = {"keys": json.dumps(keys), "zero": zero}
        rows = connection.execute(health, values).all()
        return Health(
            looked_at=len(rows),
            without_vector=sum(row.has_no_direction for row in rows),
            without_words=len(postings.find_without_words(connection, [row.seq for row in rows])),
        )

    return read_snapshot(engine, work)


def list_indexed_files(engine: sa.Engine) -> list[Path]:
    """List the files that documents were made of, where they were when that was done."""
    statement = sa.text(_SQL["indexed_files"])
    rows = read_snapshot(engine, lambda connection: connection.execute(statement).all())
    return [Path(row.directory, row.path) for row in rows]


def _read_facts(connection: sa.Connection, collection: Collection) -> CollectionFacts:
    _, chunks = read_totals(connection)
    failures = connection.execute(sa.text(_REGISTRY["failures"])).all()
    size = _measure_table(connection, collection.chunk_table)
    table = ChunkTable(collection.chunk_table, collection.dimension)
    has_index = size is None or table.has_vector_index(connection)
    return CollectionFacts(collection, chunks, len(failures), size or 0, has_index)


def _measure_table(connection: sa.Connection, table: str) -> int | None:
    size = connection.scalar(sa.text(_SQL["table_bytes"]), {"table": table})
    return None if size is None else int(size)
