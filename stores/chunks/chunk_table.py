"""One table of chunks: its definition, its statements, and what is written to it."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, TypeVar, get_args

import sqlalchemy as sa

from stores.chunks.metadata_filters import INDEXED_CHARACTERS, Where, filter_column, json_path
from stores.chunks.postings import Postings, analysed, with_blocks
from stores.connection import in_transaction
from stores.errors import CollectionMismatch, StoreError
from stores.sql import statements

_SQL = statements("chunks.sql")
_IDENTIFIER = re.compile(r"[A-Za-z0-9_$]{1,50}")
_BATCH_ROWS = 500
_BATCH_BYTES = 4 * 2**20

Distance = Literal["cosine", "euclidean"]
Words = Literal["bm25", "fulltext", "none"]
Row = Mapping[str, Any]
T = TypeVar("T")


@dataclass(frozen=True)
class ChunkTable:
    """A chunk table by its name and shape. Raises StoreError for an impossible name."""

    name: str
    dimension: int
    distance: Distance = "cosine"
    m: int = 12
    ef_search: int = 64
    filter_keys: tuple[str, ...] = ()
    words: Words = "bm25"
    postings: Postings | None = field(init=False, compare=False)

    def __post_init__(self) -> None:
        if not _IDENTIFIER.fullmatch(self.name):
            raise StoreError(
                f"{self.name!r} cannot name a table: use up to 50 letters, digits, _ and $."
            )
        for key in self.filter_keys:
            if not _IDENTIFIER.fullmatch(key):
                raise StoreError(
                    f"{key!r} cannot be a declared filter key: use up to 50 letters, digits, _ "
                    "and $. Filters work on any other key too, without an index."
                )
        if self.distance not in ("cosine", "euclidean"):
            raise StoreError(f"The distance {self.distance!r} is not one of cosine, euclidean.")
        if self.words not in get_args(Words):
            raise StoreError(f"words is {self.words!r}; it is one of {', '.join(get_args(Words))}.")
        postings = Postings(self.name) if self.words == "bm25" else None
        object.__setattr__(self, "postings", postings)

    def sql(self, statement: str, where: Where | None = None, **holes: object) -> sa.TextClause:
        """A named statement over this table, its holes filled with identifiers and conditions."""
        names = {"table": f"`{self.name}`", "words_lock": f"`{self.name}_fts`"}
        holes = {**names, "where": where, **holes}
        return _text(_SQL[statement].format_map(holes))

    @property
    def distance_function(self) -> str:
        return f"VEC_DISTANCE_{self.distance.upper()}"

    def where(self) -> Where:
        return Where(self.filter_keys)

    def set_up(self, connection: sa.Connection) -> None:
        """Create what is missing. Raises CollectionMismatch when the table has another shape."""
        create = self.sql("create", dimension=self.dimension, m=self.m, distance=self.distance)
        connection.execute(create)
        columns = self._columns(connection)
        self._check_shape(connection, columns)
        if self.words == "fulltext":
            self._set_up_fulltext(connection, columns)
        if self.postings:
            self.postings.set_up(connection, columns)
        for key in self.filter_keys:
            if filter_column(key) not in columns:
                self._add_filter_column(connection, key)

    def _set_up_fulltext(self, connection: sa.Connection, columns: Mapping[str, str]) -> None:
        connection.execute(self.sql("create_words_lock"))
        connection.execute(self.sql("add_words_lock"))
        if "context" not in columns:
            connection.execute(self.sql("add_fulltext"))

    def _columns(self, connection: sa.Connection) -> dict[str, str]:
        rows = connection.execute(self.sql("columns"), {"table": self.name})
        return {row.name: str(row.type) for row in rows}

    def _check_shape(self, connection: sa.Connection, columns: Mapping[str, str]) -> None:
        definition = str(connection.execute(self.sql("definition")).one()[1])
        found = columns.get("embedding", "no embedding column"), _distance_in(definition)
        wanted = f"vector({self.dimension})", self.distance
        if found != wanted:
            raise CollectionMismatch(
                f"The table {self.name} exists with {found[0]} and {found[1]} distance; "
                f"{wanted[0]} and {wanted[1]} were asked for. Use another table, or the embedding "
                "model that this one was built with."
            )

    def _add_filter_column(self, connection: sa.Connection, key: str) -> None:
        column, path = f"`{filter_column(key)}`", f"'{json_path(key)}'"
        connection.execute(
            self.sql("add_filter_column", column=column, path=path, characters=INDEXED_CHARACTERS)
        )

    def transact(self, engine: sa.Engine, work: Callable[[sa.Connection], T]) -> T:
        """`in_transaction`, for what changes chunks: searches by words see all of it or nothing."""

        def whole(connection: sa.Connection) -> T:
            result = work(connection)
            if self.words == "fulltext":
                connection.execute(self.sql("commit_words"))
            return result

        result = in_transaction(engine, whole)
        if self.postings:
            self.postings.forget_statistics()
        return result

    def put(self, connection: sa.Connection, rows: Sequence[Row]) -> None:
        """Write rows, replacing those of the same chunk id."""
        for batch in _batches(rows):
            if self.postings:
                self._put_with(self.postings, connection, batch)
            else:
                connection.execute(self.sql("put"), batch)

    def _put_with(
        self, postings: Postings, connection: sa.Connection, batch: Sequence[Row]
    ) -> None:
        replaced = self.where()
        replaced.any_of("chunk_id", [row["chunk_id"] for row in batch])
        postings.remove(connection, replaced)
        rows = with_blocks(batch)
        with ThreadPoolExecutor(1) as meanwhile:  # the server takes longer for the vectors
            terms = meanwhile.submit(analysed, rows)
            connection.execute(self.sql("put_with_block"), rows)
            postings.add(connection, [row["chunk_id"] for row in rows], terms.result())

    def delete(self, connection: sa.Connection, where: Where) -> None:
        if self.postings:
            self.postings.remove(connection, where)
        connection.execute(self.sql("delete", where), where.values)

    def clear(self, connection: sa.Connection) -> None:
        """Postings first: a process that dies in between leaves chunks, whose postings return."""
        if not self.postings:
            connection.execute(self.sql("clear"))
            return
        connection.execute(self.sql("lock_with_postings", postings=self.postings.name))
        try:
            self.postings.clear(connection)
            connection.execute(self.sql("clear"))
        finally:
            connection.execute(self.sql("unlock"))

    def delete_document(self, connection: sa.Connection, document_id: str) -> None:
        where = self.where()
        where.any_of("document_id", [document_id])
        self.delete(connection, where)


@lru_cache(maxsize=256)
def _text(sql: str) -> sa.TextClause:
    return sa.text(sql)


def _distance_in(definition: str) -> str:
    found = re.search(r"VECTOR KEY [^\n]*`?DISTANCE`?=(\w+)", definition, re.IGNORECASE)
    return found[1].lower() if found else "no vector index"


def _batches(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Statements that stay well below the server's packet limit."""
    batch: list[Row] = []
    size = 0
    for row in rows:
        weight = _weight(row)
        if batch and (len(batch) == _BATCH_ROWS or size + weight > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(row)
        size += weight
    if batch:
        yield batch


def _weight(row: Row) -> int:
    return sum(len(value) for value in row.values() if value is not None)
