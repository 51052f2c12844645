"""One table of chunks: its definition, its statements, and what is written to it."""

import json
import logging
import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, TypeVar, assert_never, get_args

import sqlalchemy as sa

from stores.audiences import Groups
from stores.chunks.chunk_terms import analyse_blocks, analyse_chunks, assign_blocks
from stores.chunks.posting_tables import PostingTables
from stores.chunks.postings import Postings
from stores.chunks.table_size import TableSize
from stores.chunks.where import (
    INDEXED_CHARACTERS,
    Where,
    name_filter_column,
    to_json_path,
)
from stores.connection import run_transaction
from stores.errors import CollectionMismatch, StoreError
from stores.replicas import note_write
from stores.sql import statements

_log = logging.getLogger(__name__)
_SQL = statements("chunks.sql")
_IDENTIFIER = re.compile(r"[A-Za-z0-9_$]{1,50}")
_MOST_DIMENSIONS = 16383  # of a column VECTOR
_STATEMENT_BYTES = 64 * 2**10  # around the values
_VECTORS_TO_WARM = 300
_CANDIDATES = 4  # of a walk through the vector index, for each row that it shall find
_CANDIDATES_OF_ROOT = 2.0  # times the root of all rows, which are estimated
_EF_STEP, _MOST_EF_SEARCH = 64, 10_000  # the server takes no more
_GRAPH_BYTES = 700  # around a vector at M=16, measured among 80,000; itself has 2 a dimension
_BATCH_ROWS = 500
_BATCH_BYTES = 4 * 2**20

Distance = Literal["cosine", "euclidean"]
Words = Literal["bm25", "fulltext", "none"]
Row = Mapping[str, Any]
T = TypeVar("T")


def list_chunk_tables(connection: sa.Connection) -> list[str]:
    """List the names of the chunk tables of a database, whoever writes to them."""
    return list(connection.scalars(sa.text(_SQL["chunk_tables"])))


def estimate_graph_bytes(chunks: int, dimension: int) -> int:
    """Estimate the memory that a server needs for the whole graph of a vector index."""
    return chunks * (2 * dimension + _GRAPH_BYTES)


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
    postings: Postings | None = field(init=False, compare=False)  # with words="bm25"
    size: TableSize = field(init=False, compare=False)

    def __post_init__(self) -> None:
        if not _IDENTIFIER.fullmatch(self.name):
            raise StoreError(
                f"{self.name!r} cannot name a table: use up to 50 letters, digits, _ and $."
            )
        if not 1 <= self.dimension <= _MOST_DIMENSIONS:
            raise StoreError(
                f"The embeddings of {self.name} would have {self.dimension} dimensions; MariaDB "
                f"keeps 1 to {_MOST_DIMENSIONS}. Give the number that the embedding model has."
            )
        for key in self.filter_keys:
            if not _IDENTIFIER.fullmatch(key):
                raise StoreError(
                    f"{key!r} cannot be a declared filter key: use up to 50 letters, digits, _ "
                    "and $. Filters work on any other key too, without an index."
                )
        if self.distance not in get_args(Distance):
            names = ", ".join(get_args(Distance))
            raise StoreError(f"The distance {self.distance!r} is not one of {names}.")
        if self.words not in get_args(Words):
            raise StoreError(f"words is {self.words!r}; it is one of {', '.join(get_args(Words))}.")
        postings = Postings(self.name) if self.words == "bm25" else None
        object.__setattr__(self, "postings", postings)
        object.__setattr__(self, "size", TableSize(self.name))

    def fill(self, statement: str, where: Where | None = None, **holes: object) -> sa.TextClause:
        """Fill the holes of a named statement with identifiers and conditions."""
        names = {"table": f"`{self.name}`", "words_lock": f"`{self.name}_fts`"}
        holes = {**names, "where": where, **holes}
        return _make_text(_SQL[statement].format_map(holes))

    @property
    def distance_function(self) -> str:
        match self.distance:
            case "cosine":
                return "VEC_DISTANCE_COSINE"
            case "euclidean":
                return "VEC_DISTANCE_EUCLIDEAN"
            case _:
                assert_never(self.distance)

    def to_similarity(self, distance: float) -> float:
        """Turn a distance into a similarity, which is 1 for what is the same."""
        match self.distance:
            case "cosine":
                return 1.0 - distance
            case "euclidean":
                return 1.0 / (1.0 + distance)
            case _:
                assert_never(self.distance)

    def make_where(self, groups: Groups | None = None) -> Where:
        """Make conditions to add to; with `groups`, on chunks that these may see."""
        return Where(self.filter_keys, groups=groups)

    def set_up(self, connection: sa.Connection) -> None:
        """Create what is missing. Raises CollectionMismatch when the table has another shape.

        Where nothing is, no statement asks for more than an account has that reads and writes rows.
        What a later kb added to chunk tables is added here too, by statements that may run again:
        numbered migrations know neither the names of these tables nor their filter keys.
        """
        columns = self._read_columns(connection)
        if not columns:
            create = self.fill(
                "create",
                dimension=self.dimension,
                m=self.m,
                distance=self.distance,
                compression="" if self.words == "fulltext" else "COMPRESSED",
            )
            connection.execute(create)
            columns = self._read_columns(connection)
        self._check_shape(connection, columns)
        if "text_hash" not in columns:
            connection.execute(self.fill("add_text_hash"))
        match self.words:
            case "bm25":
                PostingTables(self.name).set_up(connection, columns)
            case "fulltext":
                if "context" not in columns:
                    connection.execute(self.fill("create_words_lock"))
                    connection.execute(self.fill("add_words_lock"))
                    connection.execute(self.fill("add_fulltext"))
            case "none":
                pass
            case _:
                assert_never(self.words)
        for key in self.filter_keys:
            if (column := name_filter_column(key)) not in columns:
                connection.execute(
                    self.fill(
                        "add_filter_column",
                        column=f"`{column}`",
                        path=f"'{to_json_path(key)}'",
                        characters=INDEXED_CHARACTERS,
                    )
                )

    def fill_postings(self, engine: sa.Engine) -> None:
        """Make the postings of chunks that an older kb wrote, or go on with it."""
        if self.postings and self.postings.tables.fill(engine, analyse_chunks):
            note_write(engine)

    def require_made(self, connection: sa.Connection) -> None:
        """Raise CollectionMismatch when the table has another shape, and an error without one."""
        self._check_shape(connection, self._read_columns(connection))

    def is_made(self, connection: sa.Connection) -> bool:
        """Whether the table is there, whatever its shape."""
        return bool(self._read_columns(connection))

    def _read_columns(self, connection: sa.Connection) -> dict[str, str]:
        rows = connection.execute(self.fill("columns"), {"table": self.name})
        return {row.name: str(row.type) for row in rows}

    def _check_shape(self, connection: sa.Connection, columns: Mapping[str, str]) -> None:
        distance = self._read_distance(connection) or self.distance
        found = columns.get("embedding", "no embedding column"), distance
        wanted = f"vector({self.dimension})", self.distance
        if found != wanted:
            raise CollectionMismatch(
                f"The table {self.name} exists with {found[0]} and {found[1]} distance; "
                f"{wanted[0]} and {wanted[1]} were asked for. Use another table, or the embedding "
                "model that this one was built with."
            )

    def has_vector_index(self, connection: sa.Connection) -> bool:
        """Whether there is one; without, searches compare all rows (see `vector_index.py`)."""
        return self._read_distance(connection) is not None

    def _read_distance(self, connection: sa.Connection) -> str | None:
        """Read the distance of the vector index from the definition; None without an index."""
        definition = str(connection.execute(self.fill("definition")).one()[1])
        found = re.search(r"VECTOR KEY [^\n]*`?DISTANCE`?='?(\w+)", definition, re.IGNORECASE)
        return found[1].lower() if found else None

    def transact(self, engine: sa.Engine, work: Callable[[sa.Connection], T]) -> T:
        """Run a transaction that changes chunks, of which searches by words see all or nothing."""

        def work_and_lock(connection: sa.Connection) -> T:
            result = work(connection)
            if self.words == "fulltext":
                connection.execute(self.fill("commit_words"))
            return result

        result = run_transaction(engine, work_and_lock)
        note_write(engine)
        if self.postings:
            with suppress(StoreError):  # what was written stands; who writes next will try again
                self.postings.tables.tidy(engine)
        return result

    def put(self, connection: sa.Connection, rows: Sequence[Row]) -> None:
        """Write rows, replacing those of the same chunk id. Raises StoreError for one too large."""
        last = {row["chunk_id"]: row for row in rows}
        if last:
            _check_packet(connection, max(last.values(), key=_weigh_row))
        for batch in _split_batches(last.values()):
            if self.postings:
                self._put_with(self.postings.tables, connection, batch)
            else:
                connection.execute(self.fill("put"), batch)

    def _put_with(
        self, postings: PostingTables, connection: sa.Connection, batch: Sequence[Row]
    ) -> None:
        rows = assign_blocks(batch)
        with ThreadPoolExecutor(1) as meanwhile:  # the server takes longer for the vectors
            terms = meanwhile.submit(analyse_blocks, rows)
            seqs = self._insert(connection, rows)
            keys: dict[int, list[int]] = defaultdict(list)
            for row in rows:
                keys[row["block"]].append(seqs[row["chunk_id"]])
            postings.add(connection, keys, terms.result())

    def _insert(self, connection: sa.Connection, rows: Sequence[Row]) -> dict[str, int]:
        """Insert chunks and return their keys; what they replace goes, no key is given again."""
        blocks = {row["chunk_id"]: row["block"] for row in rows}
        connection.execute(self.fill("put_new"), rows)
        held = self._hold_ids(connection, list(blocks))
        replaced = {row.chunk_id for row in held if row.block != blocks[row.chunk_id]}
        if replaced:
            self.delete_ids(connection, list(replaced))
            connection.execute(
                self.fill("put_new"), [row for row in rows if row["chunk_id"] in replaced]
            )
            held = self._hold_ids(connection, list(blocks))
        return {row.chunk_id: row.seq for row in held}

    def find_embeddings(
        self, connection: sa.Connection, hashes: Sequence[bytes]
    ) -> dict[bytes, bytes]:
        """Find the vectors of texts by what `hash_text` made of them."""
        statement = self.fill("embeddings").bindparams(sa.bindparam("hashes", expanding=True))
        rows = connection.execute(statement, {"hashes": hashes})
        return {row.text_hash: row.embedding for row in rows}

    def choose_ef_search(self, connection: Any, limit: int) -> int:
        """Choose how many candidates a walk keeps: more for more rows, and in a large table.

        Else some questions end in a wrong part of the index and find none of the true ten: among
        200,000 chunks 1 of 100 with 448, none with 640, among a million 1 with 1472, none with
        1536. It goes by steps, for each number is a statement of its own.
        """
        rows = self.size.estimate_rows(connection)
        wanted = max(_CANDIDATES_OF_ROOT * math.sqrt(rows), _CANDIDATES * limit)
        steps = math.ceil(wanted / _EF_STEP) * _EF_STEP
        return max(self.ef_search, min(steps, _MOST_EF_SEARCH))

    def find_last_key(self, connection: sa.Connection) -> int:
        """Find the key of the chunk that was written last; 0 without any."""
        return int(connection.scalar(self.fill("last_key")) or 0)

    def warm_up(
        self, connection: sa.Connection, is_ended: Callable[[], bool], after: int = 0
    ) -> None:
        """Have the server read the vector index into memory, before a search waits for that.

        Vectors from all over the table, or of what was written after a key, are searched for, until
        `is_ended`: who writes has the server forget what lies around that.
        """
        first, last = connection.execute(self.fill("key_range"), {"after": after}).one()
        if first is None:
            return
        self._warn_of_small_cache(connection)
        step = max(1, (last - first) // _VECTORS_TO_WARM)
        keys = {"keys": json.dumps([*range(first, last + 1, step)])}
        ef_search = self.choose_ef_search(connection, 1)
        visit = self.fill("visit", ef_search=ef_search, distance=self.distance_function)
        for vector in connection.scalars(self.fill("vectors"), keys).all():
            if is_ended():
                return
            connection.execute(visit, {"vector": vector}).all()

    def _warn_of_small_cache(self, connection: sa.Connection) -> None:
        """Warn where the server's cache is smaller than the graph: its walks then end too early."""
        given = int(connection.scalar(self.fill("vector_cache")) or 0)
        needed = estimate_graph_bytes(self.size.estimate_rows(connection), self.dimension)
        if given < needed:
            _log.warning(
                "mhnsw_max_cache_size of the server is %d MB, and the vector index of %s needs "
                "about %d: searches by vector miss what is near. `kb doctor` says what to set.",
                given // 2**20,
                self.name,
                needed // 2**20,
            )

    def delete(self, connection: sa.Connection, where: Where) -> None:
        if self.postings:
            deleted = connection.execute(self.fill("delete_with_blocks", where), where.values)
            self.postings.tables.remove(connection, deleted.all())
        else:
            connection.execute(self.fill("delete", where), where.values)

    def hold(
        self,
        connection: sa.Connection,
        where: Where,
        columns: str = "chunk_id, document_id, text, metadata, node, embedding",
    ) -> Sequence[Any]:
        """Read the chunks that match and keep others from changing them until the end."""
        return connection.execute(self.fill("hold", where, columns=columns), where.values).all()

    def hold_ids(self, connection: sa.Connection, chunk_ids: Sequence[str]) -> list[str]:
        """Find which of these chunks there are, and keep others from adding those there are not."""
        return [row.chunk_id for row in self._hold_ids(connection, chunk_ids)]

    def _hold_ids(self, connection: sa.Connection, chunk_ids: Sequence[str]) -> list[sa.Row[Any]]:
        return [
            row
            for some in _split_ids(sorted(chunk_ids))
            for row in connection.execute(
                self.fill("hold_ids"), {"ids": json.dumps(some, ensure_ascii=False)}
            )
        ]

    def delete_ids(self, connection: sa.Connection, chunk_ids: Sequence[str]) -> None:
        for some in _split_ids(chunk_ids):
            where = self.make_where()
            where.require_any("chunk_id", some)
            self.delete(connection, where)

    def clear(self, connection: sa.Connection) -> None:
        if self.postings:
            self.postings.tables.clear(connection)
        else:
            connection.execute(self.fill("clear"))

    def note_change(self, connection: sa.Connection) -> None:
        """Note that chunks were changed in their place, for whoever keeps what they said."""
        if self.postings:
            self.postings.tables.set_version(connection)

    def delete_document(self, connection: sa.Connection, document_id: str) -> None:
        self.delete_documents(connection, [document_id])

    def delete_documents(self, connection: sa.Connection, document_ids: Sequence[str]) -> None:
        for some in _split_ids(document_ids):
            where = self.make_where()
            where.require_any("document_id", some)
            self.delete(connection, where)


@lru_cache(maxsize=256)
def _make_text(sql: str) -> sa.TextClause:
    return sa.text(sql)


def _split_ids(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """Split ids into lists that a statement may name."""
    for start in range(0, len(ids), _BATCH_ROWS):
        yield ids[start : start + _BATCH_ROWS]


def _split_batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Split rows into batches whose statements stay well below the server's packet limit."""
    batch: list[Row] = []
    size = 0
    for row in rows:
        weight = _weigh_row(row)
        if batch and (len(batch) == _BATCH_ROWS or size + weight > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(row)
        size += weight
    if batch:
        yield batch


def _check_packet(connection: sa.Connection, row: Row) -> None:
    """Refuse a row that no statement can carry: the server would hang up without a reason."""
    if _weigh_row(row) <= _BATCH_BYTES:
        return
    values = (value for value in row.values() if value is not None)
    size = sum(len(value.encode() if isinstance(value, str) else value) for value in values)
    most = int(connection.exec_driver_sql("SELECT @@max_allowed_packet").scalar_one())
    if size + _STATEMENT_BYTES > most:
        raise StoreError(
            f"The chunk {row['chunk_id']!r} has {size / 1e6:.0f} MB, a statement of the server "
            f"holds {most / 1e6:.0f} MB (max_allowed_packet). Split its text."
        )


def _weigh_row(row: Row) -> int:
    return sum(len(value) for value in row.values() if value is not None)
