"""A second chunk table in the vectors of another model, kept like the living one until a switch.

Documents are copied whole, each in one transaction with a note of which version it is: the keys of
its chunks in the living table, which are never given again. So what was indexed, moved or removed
meanwhile shows as another version, and a copy that was killed goes on where it was. The switch
keeps writers waiting while it copies the last ones.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import sqlalchemy as sa
from llama_index.core.schema import BaseNode, MetadataMode, TextNode

from stores.chunks import vectors
from stores.chunks.chunk_rows import hash_text, row_to_node
from stores.chunks.chunk_table import ChunkTable
from stores.chunks.vector_index import build_index_after
from stores.connection import read_snapshot, run_transaction
from stores.errors import CollectionMismatch, InvalidVector, StoreError
from stores.registry.collection import FIRST_TABLE, Collection
from stores.registry.current_table import OtherCollection, find_other
from stores.sql import statements

_SQL = statements("embeddings.sql")
_DOCUMENTS_A_LOOK: Final = 500
_CHUNKS_TOGETHER: Final = 128
_FEW: Final = 50  # documents that are left for the moment in which writers wait
_MOST_PASSES: Final = 10
_CHARACTERS_A_TOKEN: Final = 4
_EVERYTHING: Final = 2**62

OnCopied = Callable[[int], None]


@dataclass(frozen=True)
class Work:
    """What is still to be embedded; `tokens` is a guess by the number of characters."""

    documents: int
    chunks: int
    tokens: int


@dataclass(frozen=True)
class Side:
    """One of the two tables, with its collection and what chats remember in its vectors."""

    collection: Collection
    table: ChunkTable
    memory: ChunkTable


@dataclass(frozen=True)
class Embedder:
    """Gives nodes the vectors of the other model; `release` forgets those that are stored."""

    embed: Callable[[Sequence[TextNode]], None]
    release: Callable[[Sequence[TextNode]], None]


@dataclass(frozen=True)
class SecondTable:
    """The living table, the other one, and the model of the other one."""

    engine: sa.Engine
    current: Side
    other: Side
    embedder: Embedder

    def set_up(self) -> None:
        """Make the tables. Raises StoreError where chunks belong to no document."""

        def make(connection: sa.Connection) -> None:
            for side in (self.current, self.other):
                side.memory.set_up(connection)
            self.other.table.set_up(connection)
            if connection.scalar(self._fill("without_document")):
                raise StoreError(
                    f"{self.current.table.name} holds chunks that belong to no document, which a "
                    "program has written past kb. Remove them, or index them with kb."
                )

        run_transaction(self.engine, make)

    def measure_work(self) -> Work:
        """Measure what is still to be embedded."""
        row = read_snapshot(self.engine, lambda c: c.execute(self._fill_versions("left")).one())
        return Work(int(row.documents), int(row.chunks), int(row.characters) // _CHARACTERS_A_TOKEN)

    def list_sample(self, chunks: int = 16) -> list[str]:
        """List the texts of some chunks as they are embedded, to measure a model with."""
        rows = read_snapshot(
            self.engine, lambda c: c.execute(self._fill("sample"), {"limit": chunks}).all()
        )
        return [_row_to_text_node(row).get_content(MetadataMode.EMBED) for row in rows]

    def catch_up(self, on_copied: OnCopied = lambda _: None, rate: float | None = None) -> int:
        """Copy what differs, at most `rate` chunks a second; return how many documents did.

        Raises ModelUnavailable; what was copied until then stays.
        """
        with build_index_after(self.engine, self.other.table, self.measure_work().chunks):
            return self._copy_differing(on_copied, rate)

    def _copy_differing(
        self, on_copied: OnCopied = lambda _: None, rate: float | None = None
    ) -> int:
        done = self._remove_gone()
        while found := self._find_differing(_DOCUMENTS_A_LOOK):
            for group in _group_by_chunks(found):
                begun = time.monotonic()
                chunks = self._copy_documents(group)
                on_copied(chunks)
                if rate:
                    time.sleep(max(0.0, chunks / rate - (time.monotonic() - begun)))
            done += len(found)
        self._copy_memories()
        return done

    def _find_differing(self, limit: int) -> list[Any]:
        statement, values = self._fill_versions("differing"), {"limit": limit}
        return list(read_snapshot(self.engine, lambda c: c.execute(statement, values).all()))

    def _remove_gone(self) -> int:
        statement, values, done = self._fill("gone"), {"limit": _DOCUMENTS_A_LOOK}, 0
        while ids := read_snapshot(self.engine, lambda c: c.scalars(statement, values).all()):
            self.other.table.transact(self.engine, partial(self._remove_together, ids))
            done += len(ids)
        return done

    def _remove_together(self, ids: Sequence[str], connection: sa.Connection) -> None:
        self.other.table.delete_documents(connection, ids)
        connection.execute(_of_ids(_SQL["forget_version"]), {"ids": ids})

    def _copy_documents(self, ids: Sequence[str]) -> int:
        """Copy some documents as they are at one moment; return how many chunks they have."""
        where = self.current.table.make_where()
        where.require_any("document_id", ids)
        read_chunks = self.current.table.fill("fetch", where)
        read_versions = _of_ids(self._fill("versions", where=_SQL["some_documents"]).text)

        def read(connection: sa.Connection) -> tuple[list[Any], list[Any]]:
            versions = connection.execute(read_versions, {"ids": ids}).all()
            values = {**where.values, "limit": _EVERYTHING}
            return list(versions), list(connection.execute(read_chunks, values).all())

        versions, chunks = read_snapshot(self.engine, read)
        nodes = [_row_to_text_node(row) for row in chunks]
        self.embedder.embed(nodes)
        rows = self._make_rows(chunks, nodes)

        def write(connection: sa.Connection) -> None:
            self.other.table.delete_documents(connection, ids)
            self.other.table.put(connection, rows)
            for version in versions:
                connection.execute(sa.text(_SQL["note_version"]), version._asdict())

        self.other.table.transact(self.engine, write)
        self.embedder.release(nodes)
        return len(rows)

    def _make_rows(self, chunks: Sequence[Any], nodes: Sequence[BaseNode]) -> list[dict[str, Any]]:
        return [
            {
                "chunk_id": row.chunk_id,
                "document_id": row.document_id,
                "text": row.text,
                "metadata": row.metadata,
                "node": row.node,
                "embedding": self._require_vector(node),
                "text_hash": hash_text(node.get_content(MetadataMode.EMBED)),
            }
            for row, node in zip(chunks, nodes, strict=True)
        ]

    def _require_vector(self, node: BaseNode) -> bytes:
        try:
            return vectors.to_bytes(node.get_embedding(), self.other.table.dimension)
        except InvalidVector as error:
            raise InvalidVector(f"{node.node_id!r} cannot be copied: {error}") from error

    def _copy_memories(self) -> None:
        """Copy what chats remember of sessions that are there, and nothing of others."""
        statement = self._fill("missing_memories")
        values = {"limit": _CHUNKS_TOGETHER}
        while rows := read_snapshot(self.engine, lambda c: c.execute(statement, values).all()):
            nodes = [_row_to_text_node(row) for row in rows]
            self.embedder.embed(nodes)
            copied = self._make_rows(rows, nodes)
            run_transaction(self.engine, partial(self.other.memory.put, rows=copied))
            self.embedder.release(nodes)
        run_transaction(self.engine, lambda c: c.execute(self._fill("remove_forgotten")))

    def switch(self, on_copied: OnCopied = lambda _: None) -> None:
        """Have the collection answer from the other table, and the living one be the former.

        Both hold the same documents then: who writes waits for the last ones to be copied. Raises
        CollectionMismatch when somebody else has switched, StoreError when too much changes.
        """
        for _ in range(_MOST_PASSES):
            if self.catch_up(on_copied) <= _FEW:
                break
        else:
            raise StoreError(
                "More documents change than are embedded meanwhile. Switch again when no large run "
                "is indexing."
            )
        run_transaction(self.engine, self._switch_together)
        self._copy_memories()  # which a chat has added meanwhile to the table that was left

    def _switch_together(self, connection: sa.Connection) -> None:
        """Switch in one transaction; what it reads is as of after the lock."""
        name = {"name": self.current.collection.name}
        table = connection.scalar(sa.text(_SQL["lock_collection"]), name)
        if table != self.current.table.name:
            raise CollectionMismatch("Somebody else has switched the collection meanwhile.")
        self._copy_differing()
        if connection.execute(self._fill_versions("differing"), {"limit": 1}).first():
            raise StoreError("Documents were written past kb meanwhile. Switch again.")
        connection.execute(sa.text(_SQL["switch_collection"]), _name_table(self.other.collection))
        connection.execute(sa.text(_SQL["put_former"]), _name_table(self.current.collection))
        connection.execute(sa.text(_SQL["forget_documents"]))
        there = f"`{self.other.table.name}`"
        connection.execute(self._fill_versions("note_all_versions", table=there))

    def _fill(self, statement: str, **holes: str) -> sa.TextClause:
        names = {
            "table": f"`{self.current.table.name}`",
            "memory": f"`{self.current.memory.name}`",
            "other": f"`{self.other.memory.name}`",
        }
        return sa.text(_SQL[statement].format_map({**names, **holes}))

    def _fill_versions(self, statement: str, **holes: str) -> sa.TextClause:
        versions = self._fill("versions", where=_SQL["every_document"], **holes).text
        return self._fill(statement, versions=versions, **holes)


def add_other(engine: sa.Engine, current: Collection, model: str, dimension: int) -> Collection:
    """Find the second table of a collection, begun for this model if there is none.

    Raises CollectionMismatch when there is one of another model.
    """
    if find_other(engine, current.name) is None:
        number = int(current.chunk_table.removeprefix(FIRST_TABLE).lstrip("_") or 1) + 1
        begun = Collection(current.name, f"{FIRST_TABLE}_{number}", model, dimension)

        def add(connection: sa.Connection) -> None:
            connection.execute(sa.text(_SQL["forget_documents"]))
            connection.execute(sa.text(_SQL["add_other"]), _name_table(begun))

        run_transaction(engine, add)
    other = find_other(engine, current.name)
    if other is None or other.embedding_model != model:
        there = other.embedding_model if other else "nothing"
        raise CollectionMismatch(
            f"There is a second table already, of the embedding model {there}. Remove it before "
            f"one of {model} is begun: kb embeddings clean"
        )
    return other


def remove_other(engine: sa.Engine, other: OtherCollection) -> None:
    """Remove the second table with all that belongs to it."""
    table = other.chunk_table
    names = {"table": table, "memory": other.memory_table}
    names |= {ending: f"{table}_{ending}" for ending in ("fresh", "term", "gone")}
    quoted = {hole: f"`{name}`" for hole, name in names.items()}

    def remove(connection: sa.Connection) -> None:
        connection.execute(sa.text(_SQL["drop_tables"].format_map(quoted)))
        connection.execute(sa.text(_SQL["forget_documents"]))
        connection.execute(sa.text(_SQL["forget_other"]), {"name": other.name})

    run_transaction(engine, remove)


def _name_table(collection: Collection) -> dict[str, Any]:
    return {
        "name": collection.name,
        "chunk_table": collection.chunk_table,
        "embedding_model": collection.embedding_model,
        "dimension": collection.dimension,
    }


def _row_to_text_node(row: Any) -> TextNode:
    node = row_to_node(row)
    if not isinstance(node, TextNode):
        raise StoreError(f"The chunk {row.chunk_id!r} has no text that could be embedded.")
    return node


def _group_by_chunks(found: Sequence[Any]) -> list[list[str]]:
    """Group documents so that few chunks are in memory at a time, if no single one has many."""
    groups: list[list[str]] = []
    size = _CHUNKS_TOGETHER
    for row in found:
        if size >= _CHUNKS_TOGETHER:
            groups.append([])
            size = 0
        groups[-1].append(row.id)
        size += row.chunks
    return groups


def _of_ids(statement: str) -> sa.TextClause:
    return sa.text(statement).bindparams(sa.bindparam("ids", expanding=True))
