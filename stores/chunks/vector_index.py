"""The vector index of a chunk table: built of all rows at once where a table is filled from empty.

A row that is written beside an index has the server look for its neighbours, in a graph that each
transaction reads anew: 2.7 ms a row among 284,000, where all at once take .54 (`growth.py` of the
benchmarks). A table without an index is searched by comparing all of its rows.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

import sqlalchemy as sa

from stores.chunks.chunk_table import ChunkTable
from stores.connection import is_cluster_node, run_transaction
from stores.errors import StoreError
from stores.text.translations import Message

_WORTH_IT: Final = 20_000  # rows; those are written beside an index in half a minute


@contextmanager
def build_index_after(
    engine: sa.Engine,
    table: ChunkTable,
    expected: int,
    say: Callable[[str], None] = lambda _: None,
) -> Iterator[None]:
    """Have a block fill an empty table with about `expected` rows before the index is built.

    An index that a killed run has left unbuilt is built then, too. Raises StoreError where that
    cannot be done; what the block wrote stays, and the next run tries again.
    """

    def drop_from_empty(connection: sa.Connection) -> None:
        if not is_cluster_node(connection) and not table.find_last_key(connection):
            connection.execute(table.fill("drop_index"))

    if expected >= _WORTH_IT:
        # Without the right to, or while somebody reads for long, rows are written beside the index.
        with suppress(StoreError):
            run_transaction(engine, drop_from_empty, attempts=1)
    try:
        yield
    except Exception:
        with suppress(StoreError):  # the reason why the block ended matters more
            _build_missing(engine, table, say)
        raise
    _build_missing(engine, table, say)


def _build_missing(engine: sa.Engine, table: ChunkTable, say: Callable[[str], None]) -> None:
    def build(connection: sa.Connection) -> None:
        if not table.has_vector_index(connection):
            say(Message("Building the vector index …"))
            build = table.fill("build_index", m=table.m, distance=table.distance)
            connection.execute(build)

    try:
        run_transaction(engine, build, attempts=1)  # again would be all of it again
    except StoreError as error:
        raise type(error)(
            f"The documents are written, but not their vector index: {error} Searches compare all "
            "vectors until the next run of `kb index` has built it."
        ) from error
