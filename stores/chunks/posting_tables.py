"""The tables of postings: how they are written, merged and swept.

Writing a document adds one row, its fresh postings; removing it takes that row away, or notes the
keys of its chunks as gone. Who writes also tidies: fresh postings are merged into a table that has
them term by term, and what is gone is swept out of that. Each of these steps is one transaction,
before and after which searches find the same.

The row of block 0 says whether all chunks have postings, and has another number after each step
that changes merged postings. Those of a table that an older kb has written are made anew from the
texts, in steps of which each notes how far it came: whoever comes next goes on there, and until the
last one a search is refused.
"""

import json
import logging
import secrets
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from itertools import islice
from typing import Any, Final, Protocol

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from stores.chunks.posting_arrays import (
    POSTING,
    TERM_POSTING,
    Analysed,
    KeySet,
    TermPostings,
    drop_terms,
    join_blocks,
    parts_to_postings,
    unpack_keys,
)
from stores.connection import read_snapshot, run_transaction
from stores.errors import StoreError
from stores.sql import statements

_log = logging.getLogger(__name__)
_SQL = statements("postings.sql")
_CHUNKS_A_FILL = 1000
_ROWS_A_READ = 5000
_PART_BYTES: Final = 340 * POSTING.itemsize  # eight rows a page of the server
_PARTS_A_READ: Final = 7000  # together below the 16 MB of a packet
_PARTS_A_WRITE = 2000  # together 4 MB
_LIST_BYTES: Final = 16_000_000  # of a string that a packet takes
_VERSION_BITS = 31
_ALL_MADE = b"metadata"  # what all chunks have postings of, beside words; else a key, or nothing
_WORTH_TELLING = 20_000  # chunks, whose postings take half a minute
_MOST_FRESH = 2000  # chunks; their postings are two megabytes, which each process reads once
# Sweeping reads every posting, so it waits until a fiftieth of all chunks are gone.
_MOST_GONE, _MOST_GONE_OF = 2000, 50
_LISTS: Final = {
    "remove_blocks": "blocks",
    "take": "blocks",
    "remove_terms": "terms",
}

Row = Mapping[str, Any]
Analyse = Callable[[Iterable[Row]], Analysed]


@dataclass(frozen=True)
class State:
    """What the merged postings do not know as of one moment, and which they are.

    `version` is another number after each change of them.
    """

    blocks: set[int]
    gone: NDArray[np.int64]
    version: bytes

    @cached_property
    def gone_keys(self) -> KeySet:
        return KeySet(self.gone)


class Connection(Protocol):
    def execute(self, statement: sa.TextClause, values: Mapping[str, Any], /) -> Any: ...


class PostingTables:
    """Three tables beside a chunk table: postings by term, fresh ones by block, and keys gone."""

    def __init__(self, chunk_table: str) -> None:
        self._names = {name: f"`{chunk_table}_{name}`" for name in ("fresh", "term", "gone")}
        self._holes = {
            "chunks": f"`{chunk_table}`",
            "former": f"`{chunk_table}_posting`",
            "part_bytes": _PART_BYTES,
            "parts_a_read": _PARTS_A_READ,
            "list_bytes": _LIST_BYTES,
            **self._names,
        }
        self._changed = _MOST_FRESH  # chunks written and removed since `tidy` looked

    def set_up(self, connection: sa.Connection, chunk_columns: Collection[str]) -> None:
        """Create the tables if need be; `fill` makes the postings of chunks that have none.

        Those of kb 0.2 go first: later nobody would know that they are still there.
        """
        names = {part: name.strip("`") for part, name in self._names.items()}
        if connection.scalar(self._sql("count_made"), names) < len(names):
            for statement in ("drop_former", "create_term", "create_fresh", "create_gone"):
                connection.execute(self._sql(statement))
        if "block" not in chunk_columns:
            connection.execute(self._sql("add_block"))

    def fill(self, engine: sa.Engine, analyse: Analyse) -> bool:
        """Make the postings of all chunks from their texts; False when all had theirs.

        What was made stays made, whoever is killed; several at once take turns.
        """
        made = read_snapshot(engine, lambda c: c.execute(self._sql("made")).one())
        if made.postings == _ALL_MADE:
            return False
        left = made.last - _read_place(made.postings or b"")
        if left >= _WORTH_TELLING:
            _log.warning(
                "The words of about %d chunks in %s are listed anew, as a new version needs it. "
                "It may be stopped, and goes on from there when kb is started again.",
                left,
                self._holes["chunks"],
            )
        while run_transaction(engine, partial(self._fill_some, analyse)):
            pass
        return True

    def _fill_some(self, analyse: Analyse, connection: sa.Connection) -> bool:
        """Make the postings of the next chunks, as the only one that does; False after the last.

        Chunks whose postings are fresh were written meanwhile.
        """
        connection.execute(self._sql("begin_or_wait"))
        made = bytes(connection.scalar(self._sql("wait_to_merge")))
        if made == _ALL_MADE:
            return False
        if not made.isdigit():  # nothing, or words alone
            for forget in ("forget_term", "forget_fresh", "forget_gone"):
                connection.execute(self._sql(forget))
        values = {"after": _read_place(made), "limit": _CHUNKS_A_FILL}
        rows = connection.execute(self._sql("texts"), values).mappings().all()
        seqs = [row["seq"] for row in rows]
        self._append(connection, analyse(map(dict, rows)).set_keys(seqs))
        place = b"%d" % seqs[-1] if rows else _ALL_MADE
        connection.execute(self._sql("note_place"), {"place": place, **_draw_version()})
        return bool(rows)

    def add(
        self,
        connection: sa.Connection,
        keys: Mapping[int, Sequence[int]],
        terms: Mapping[int, Analysed],
    ) -> None:
        """Write the postings of the chunks of some blocks, by the keys that these have got."""
        self._changed += sum(map(len, keys.values()))
        written = [
            {
                "block": block,
                "chunks": len(keys[block]),
                "postings": analysed.set_keys(keys[block]).tobytes(),
            }
            for block, analysed in terms.items()
        ]
        connection.execute(self._sql("add"), written)

    def remove(self, connection: sa.Connection, chunks: Sequence[sa.Row[Any]]) -> None:
        """Remove the postings of chunks that were just deleted, by their `seq` and `block`."""
        if not chunks:
            return
        self._changed += len(chunks)
        sizes = Counter(chunk.block for chunk in chunks)
        going = [(chunk.seq, chunk.block, sizes[chunk.block]) for chunk in chunks]
        gone = connection.execute(self._sql("mark_gone"), {"going": json.dumps(going)})
        if gone.rowcount < len(chunks):
            values = {"going": json.dumps([*sizes.items()])}
            whole = connection.scalars(self._sql("whole_blocks"), values).all()
            connection.execute(self._sql("remove_blocks"), {"blocks": whole})

    def clear(self, connection: sa.Connection) -> None:
        """Remove all postings and chunks, while nobody else can write.

        Fresh ones first, with the note that all chunks have postings: a process that dies in
        between leaves chunks whose postings return.
        """
        connection.execute(self._sql("lock_all"))
        try:
            for table in (*self._names.values(), self._holes["chunks"]):
                connection.execute(self._sql("truncate", table=table))
            connection.execute(self._sql("complete"), {"place": _ALL_MADE, **_draw_version()})
        finally:
            connection.execute(self._sql("unlock"))

    def tidy(self, engine: sa.Engine) -> None:
        """Merge what is fresh and sweep out what is gone, when it has become much of either.

        That is looked at first, and again when a tenth of much was written.
        """
        if self._changed < min(_MOST_FRESH, _MOST_GONE) // 10:
            return
        self._changed = 0
        untidy = read_snapshot(engine, lambda c: c.execute(self._sql("untidy")).one())
        if untidy.fresh >= _MOST_FRESH:
            self.merge(engine)
        if untidy.gone >= max(_MOST_GONE, untidy.ever // _MOST_GONE_OF):
            self.sweep(engine)

    def merge(self, engine: sa.Engine) -> None:
        """Move fresh postings to the terms; those that are just being removed stay."""
        blocks, _ = read_snapshot(engine, self.read_changes)

        def merge_alone(connection: sa.Connection) -> None:
            if connection.execute(self._sql("try_to_merge")).all():  # or another one is at it
                self._move_postings(connection, blocks)

        if blocks:
            run_transaction(engine, merge_alone)

    def _move_postings(self, connection: sa.Connection, blocks: Collection[int]) -> None:
        """Move the fresh postings of some blocks to the terms, as the only one that does."""
        if not blocks:
            return
        rows = connection.execute(self._sql("take"), {"blocks": list(blocks)}).all()
        if rows:
            self._append(
                connection, join_blocks(np.frombuffer(row.postings, TERM_POSTING) for row in rows)
            )
            taken = {"blocks": [row.block for row in rows]}
            connection.execute(self._sql("remove_blocks"), taken)
            self.set_version(connection)

    def set_version(self, connection: sa.Connection) -> None:
        """Say that what was read of the chunks may be no longer so."""
        connection.execute(self._sql("set_version"), _draw_version())

    def sweep(self, engine: sa.Engine) -> None:
        """Take the postings of chunks that are gone out of the terms, some terms at a time."""
        self.merge(engine)
        seqs = read_snapshot(engine, self._read_gone_of_terms)
        gone = KeySet(seqs)
        after: int | None = 0
        while after is not None:
            after = run_transaction(engine, partial(self._sweep_terms, gone, after))
        values = {"seqs": json.dumps(seqs.tolist())}
        run_transaction(engine, lambda c: c.execute(self._sql("unmark_gone"), values))

    def _sweep_terms(self, gone: KeySet, first: int, connection: sa.Connection) -> int | None:
        """Sweep the terms from one on; return where to go on, None when there are no more."""
        connection.execute(self._sql("wait_to_merge"))
        rows = connection.execute(self._sql("parts"), {"first": first, "rows": _ROWS_A_READ}).all()
        if not rows:
            return None
        postings = parts_to_postings(rows)
        dead = gone.find(postings["seq"])
        swept = np.unique(postings["term"][dead])
        if len(swept):
            connection.execute(self._sql("remove_terms"), {"terms": swept.tolist()})
            kept = ~dead & np.isin(postings["term"], swept)
            self._append(connection, postings[kept])
            self.set_version(connection)
        return int(rows[-1].term) + 1

    def read_terms(self, connection: Connection, terms: Sequence[int]) -> dict[int, NDArray[Any]]:
        """Read the merged postings of each term that has any, as POSTING."""
        strings: dict[int, list[bytes]] = {}
        asked = [[term, 0] for term in terms]
        while asked:
            values = {"asked": json.dumps(asked)}
            rows = [row for row in connection.execute(self._sql("postings"), values) if row.last]
            for row in rows:
                strings.setdefault(row.term, []).append(row.postings)
            asked = [
                [row.term, row.first + _PARTS_A_READ]
                for row in rows
                if row.last > row.first + _PARTS_A_READ
            ]
        return {term: np.frombuffer(b"".join(parts), POSTING) for term, parts in strings.items()}

    def read_changes(self, connection: Connection) -> tuple[set[int], NDArray[np.int64]]:
        """Read which blocks are fresh, and the keys of chunks that are gone."""
        changes = self.read_state(connection)
        return changes.blocks, changes.gone

    def read_state(self, connection: Connection) -> State:
        """Read what merged postings do not know. Raises StoreError until all chunks have some."""
        [row] = connection.execute(self._sql("changes"), {})
        if max(len(row.fresh or ""), len(row.gone or b"")) >= _LIST_BYTES:
            raise StoreError(
                f"More postings of {self._holes['chunks']} wait to be merged, or to be swept, than "
                "a search can read. Write or delete a chunk, which does both, and search again."
            )
        blocks = set(map(int, row.fresh.split(","))) if row.fresh else set()
        gone = unpack_keys(row.gone)
        version, _, made = bytes(row.state or b"").partition(b" ")
        if made != _ALL_MADE:
            raise StoreError(
                f"The words of the chunks in {self._holes['chunks']} are still being listed, as a "
                "new version needs it, so a search would miss some. Search again when that is "
                "done; if nobody is at it, start kb again, which goes on with it."
            )
        return State(blocks, gone, version)

    def read_blocks(
        self, connection: Connection, blocks: Collection[int]
    ) -> dict[int, TermPostings]:
        """Read the fresh postings of some blocks."""
        rows = connection.execute(self._sql("fresh"), {"blocks": json.dumps(list(blocks))})
        return {row.block: np.frombuffer(row.postings, TERM_POSTING) for row in rows}

    def _read_gone_of_terms(self, connection: sa.Connection) -> NDArray[np.int64]:
        """Read the keys of chunks that are gone and, if they have postings, have them merged."""
        blocks, gone = self.read_changes(connection)
        fresh = join_blocks(self.read_blocks(connection, blocks).values())
        return np.setdiff1d(gone, fresh["seq"])

    def _append(self, connection: sa.Connection, postings: TermPostings) -> None:
        """Write postings behind those that their terms have."""
        terms, starts = np.unique(postings["term"], return_index=True)
        if not len(terms):
            return
        asked = {"terms": json.dumps(terms.tolist())}
        rows = connection.execute(self._sql("last_parts"), asked)
        last = {row.term: (row.part, bytes(row.postings)) for row in rows}
        packed = drop_terms(postings).tobytes()
        ends = np.append(starts[1:], len(postings)) * POSTING.itemsize
        parts = (
            {"term": term, "part": part, "postings": piece}
            for term, start, end in zip(
                terms.tolist(), starts * POSTING.itemsize, ends, strict=True
            )
            for part, piece in _cut_parts(*last.get(term, (0, b"")), packed[start:end])
        )
        while some := list(islice(parts, _PARTS_A_WRITE)):
            connection.execute(self._sql("put_parts"), some)

    def _sql(self, statement: str, **holes: object) -> sa.TextClause:
        sql = _SQL[statement].format_map({**self._holes, **holes})
        return _make_text(sql, _LISTS.get(statement))


def _draw_version() -> dict[str, int]:
    """Draw a number that tells these postings from all that were before."""
    return {"version": secrets.randbits(_VERSION_BITS)}


def _read_place(made: bytes) -> int:
    """Read up to which key chunks have postings."""
    return int(made) if made.isdigit() else 0


@lru_cache(maxsize=256)
def _make_text(sql: str, expanding: str | None) -> sa.TextClause:
    """Make a statement, the same one again, which a reader has prepared by then."""
    text = sa.text(sql)
    return text.bindparams(sa.bindparam(expanding, expanding=True)) if expanding else text


def _cut_parts(last: int, begun: bytes, more: bytes) -> Iterator[tuple[int, bytes]]:
    """Cut postings into numbered parts, of which the first goes on where the last one ended."""
    if len(begun) == _PART_BYTES:
        last, begun = last + 1, b""
    postings = begun + more
    for start in range(0, len(postings), _PART_BYTES):
        yield last + start // _PART_BYTES, postings[start : start + _PART_BYTES]
