"""BM25 over an ordinary table: which word stands in which chunk, how often, among how many."""

import json
import math
import secrets
import time
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Any, Protocol

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from pydantic_core import from_json

from stores.filters import Where
from stores.sql import statements
from stores.words import (
    STEMMED_LANGUAGES,
    index_words,
    indexed,
    stem,
    stemming,
    written_words,
)

_SQL = statements("postings.sql")
# Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond (2009).
_K1, _B = 1.2, 0.75
_POSTING = np.dtype([("seq", ">u4"), ("occurs", ">u2")])
_COUNT_BITS, _LENGTH_BITS = 4, 12  # of `occurs`; BM25 hardly tells 15 occurrences from more
_MOST_OCCURRENCES, _LONGEST = 2**_COUNT_BITS - 1, 2**_LENGTH_BITS - 1
_ROWS_A_STATEMENT = 20_000
_CHUNKS_A_FILL = 500
_BLOCK_BYTES = 500 * _POSTING.itemsize  # a batch of chunks is written at once
# Statistics of the collection are read again when that took less than a hundredth of the time
# since; a second-old average length ranks as well as a new one.
_SHARE_OF_TIME, _YOUNG = 0.01, 1.0  # seconds
_OWN_BLOCKS = 2**32  # numbers below are those of chunks that are their own block

Row = Mapping[str, Any]
Seqs = NDArray[np.int64]


class Connection(Protocol):
    def execute(self, statement: sa.TextClause, values: Mapping[str, Any], /) -> Any: ...


@dataclass(frozen=True)
class Scores:
    """Chunks by their keys, ascending, and what each scored in 0..1."""

    seqs: Seqs
    values: NDArray[np.float64]

    def best(self, limit: int) -> dict[int, float]:
        """The highest scores, the highest first; the older chunk first among equals."""
        kept = np.arange(len(self.seqs))
        if limit < len(kept):
            kept = np.argpartition(-self.values, limit)[:limit]
        order = kept[np.lexsort((self.seqs[kept], -self.values[kept]))]
        return dict(zip(self.seqs[order].tolist(), self.values[order].tolist(), strict=True))

    def of(self, seqs: Iterable[int]) -> dict[int, float]:
        """The scores of these chunks; 0 for those without any of the words."""
        wanted = np.fromiter(seqs, dtype=np.int64)
        if not len(self.seqs):
            return dict.fromkeys(wanted.tolist(), 0.0)
        places = np.minimum(np.searchsorted(self.seqs, wanted), len(self.seqs) - 1)
        found = np.where(self.seqs[places] == wanted, self.values[places], 0.0)
        return dict(zip(wanted.tolist(), found.tolist(), strict=True))

    def among(self, seqs: Seqs) -> "Scores":
        """Only those of these chunks."""
        kept = np.isin(self.seqs, seqs)
        return Scores(self.seqs[kept], self.values[kept])


@dataclass(frozen=True)
class _Statistics:
    chunks: int
    average_length: float
    languages: tuple[str, ...]
    fresh_until: float


@dataclass(frozen=True)
class Analysed:
    """The postings of some chunks in the order of their table, `places` among the chunks.

    Arrays, for a container each would have the garbage collector take longer than the server.
    """

    terms: NDArray[np.uint32]
    blocks: NDArray[np.uint64]
    places: NDArray[np.int64]
    occurs: NDArray[np.uint16]

    def as_json(self, seqs: Sequence[int]) -> Iterator[str]:
        """Rows of [term, block, hexadecimal], when the keys of the chunks are known."""
        if not len(self.terms):
            return
        postings = np.empty(len(self.terms), _POSTING)
        postings["seq"], postings["occurs"] = np.asarray(seqs)[self.places], self.occurs
        digits, width = postings.tobytes().hex(), 2 * _POSTING.itemsize
        changes = (np.diff(self.terms) != 0) | (np.diff(self.blocks) != 0)
        starts = np.flatnonzero(np.append(True, changes))
        ends = np.append(starts[1:], len(self.terms)) * width
        columns = self.terms[starts], self.blocks[starts], starts * width, ends
        for first in range(0, len(starts), _ROWS_A_STATEMENT):
            part = (column[first : first + _ROWS_A_STATEMENT].tolist() for column in columns)
            rows = (
                f'[{t},{b},"{digits[start:end]}"]' for t, b, start, end in zip(*part, strict=True)
            )
            yield f"[{','.join(rows)}]"


def analysed(rows: Iterable[Row]) -> Analysed:
    """The terms of some chunks with their blocks."""
    terms: list[int] = []
    occurs: list[int] = []
    sizes, blocks = [], []
    for row in rows:
        found = _occurrences(row)
        terms += found
        occurs += found.values()
        sizes.append(len(found))
        blocks.append(row["block"])
    places = np.repeat(np.arange(len(sizes)), sizes)
    of_chunks = np.array(blocks, dtype=np.uint64)
    of_terms = np.array(terms, np.uint32)
    order = np.lexsort((places, of_chunks[places], of_terms))
    return Analysed(
        terms=of_terms[order],
        blocks=of_chunks[places][order],
        places=places[order],
        occurs=np.array(occurs, np.uint16)[order],
    )


def _occurrences(row: Row) -> dict[int, int]:
    """For each term how often it stands among how many words, as a posting packs both."""
    metadata = from_json(row["metadata"])
    language = stemming(str(metadata.get("language") or "en"))
    above = (str(metadata.get(key) or "") for key in ("title", "headings"))
    terms: dict[int, int] = {}
    for written, count in Counter(written_words("\n".join([*above, row["text"]]))).items():
        for term in _terms_of(written, language):
            terms[term] = terms.get(term, 0) + count
    length = min(sum(terms.values()), _LONGEST)
    terms[_language_term(language)] = 1
    return {
        term: min(count, _MOST_OCCURRENCES) << _LENGTH_BITS | length
        for term, count in terms.items()
    }


class Postings:
    """The postings of one chunk table, written in the transactions that write its chunks.

    A word is compared in the language of each chunk: a question's word has one term for every
    language that the collection holds. Each chunk also has a posting of its language, from which
    the number of chunks and their average length come.
    """

    def __init__(self, chunk_table: str) -> None:
        self.name = f"`{chunk_table}_posting`"
        self._holes = {
            "chunks": f"`{chunk_table}`",
            "postings": f"`{chunk_table}_posting`",
            "bytes": _BLOCK_BYTES,
            "characters": 2 * _BLOCK_BYTES,
        }
        self._statistics: _Statistics | None = None

    def set_up(self, connection: sa.Connection) -> None:
        """Create the table if need be, and fill it from the chunks that are there already."""
        connection.execute(self._sql("create"))
        connection.execute(self._sql("add_block"))
        if connection.scalar(self._sql("is_empty")):
            connection.execute(self._sql("forget_blocks"))
            self._fill(connection)

    def _fill(self, connection: sa.Connection) -> None:
        after = 0
        while True:
            values = {"after": after, "limit": _CHUNKS_A_FILL}
            rows = connection.execute(self._sql("texts"), values).mappings().all()
            if not rows:
                return
            self._insert(connection, [row["seq"] for row in rows], analysed(map(dict, rows)))
            after = rows[-1]["seq"]

    def add(self, connection: sa.Connection, chunk_ids: Sequence[str], terms: Analysed) -> None:
        """Write the postings of chunks that were just written."""
        rows = connection.execute(self._sql("keys"), {"ids": chunk_ids})
        keys = {row.chunk_id: row.seq for row in rows}
        self._insert(connection, [keys[each] for each in chunk_ids], terms)

    def remove(self, connection: sa.Connection, where: Where) -> None:
        """Remove the postings of chunks that match, before the chunks themselves."""
        remaining = connection.execute(self._sql("remaining", where=where), where.values)
        rows = [dict(row) for row in remaining.mappings()]
        connection.execute(self._sql("remove", where=where), where.values)
        self._insert(connection, [row["seq"] for row in rows], analysed(rows))

    def clear(self, connection: sa.Connection) -> None:
        connection.execute(self._sql("clear"))

    def forget_statistics(self) -> None:
        """Have them read again: this process has just written."""
        self._statistics = None

    def scores(self, connection: Connection, text: str) -> Scores:
        """BM25 of every chunk that has a word of the text, divided by the most that any could have.

        So weak evidence scores low, however it compares: a chunk with one of five rare words
        has at most a fifth, also when it is the best.
        """
        statistics = self._current(connection)
        names = self._names_in(connection, text)
        asked = dict.fromkeys(index_words(text, unsplit=names))
        words = [_terms(word, statistics.languages) for word in asked]
        found = self._found(connection, {term for terms in words for term in terms})
        return _bm25(
            [[found[term] for term in terms if term in found] for terms in words], statistics
        )

    def _names_in(self, connection: Connection, text: str) -> set[str]:
        """Names such as `max_size` that chunks have as they are: then their parts are not asked."""
        names = {_term(word, ""): word for word in index_words(text) if "_" in word}
        return {names[term] for term in self._found(connection, names)} if names else set()

    def _current(self, connection: Connection) -> _Statistics:
        statistics = self._statistics
        if statistics is None or time.monotonic() > statistics.fresh_until:
            self._statistics = statistics = self._measured(connection)
        return statistics

    def _measured(self, connection: Connection) -> _Statistics:
        began = time.monotonic()
        markers = {_language_term(language): language for language in {"", *STEMMED_LANGUAGES}}
        found = self._found(connection, markers)
        lengths = [_length(postings) for postings in found.values()]
        chunks = sum(map(len, lengths))
        now = time.monotonic()
        return _Statistics(
            chunks=chunks,
            average_length=sum(int(each.sum()) for each in lengths) / chunks if chunks else 1.0,
            languages=tuple(sorted(markers[term] for term in found)),
            fresh_until=now + max(_YOUNG, (now - began) / _SHARE_OF_TIME) if chunks else 0.0,
        )

    def _found(self, connection: Connection, terms: Iterable[int]) -> dict[int, NDArray[Any]]:
        """The postings of each term that has any."""
        rows = connection.execute(self._sql("postings"), {"terms": json.dumps(list(terms))})
        return {
            row.term: np.frombuffer(row.postings, dtype=_POSTING) for row in rows if row.postings
        }

    def _insert(self, connection: sa.Connection, seqs: Sequence[int], terms: Analysed) -> None:
        for part in terms.as_json(seqs):
            connection.execute(self._sql("insert"), {"postings": part})

    def _sql(self, statement: str, **holes: object) -> sa.TextClause:
        text = sa.text(_SQL[statement].format_map({**self._holes, **holes}))
        return text.bindparams(sa.bindparam("ids", expanding=True)) if statement == "keys" else text


def with_blocks(rows: Iterable[Row]) -> list[Row]:
    """Rows with the number of their block: neighbours of one document share a random one."""
    groups = groupby(rows, key=lambda row: row["document_id"] or row["chunk_id"])
    return [
        {**row, "block": block}
        for block, group in ((secrets.randbits(63) | _OWN_BLOCKS, group) for _, group in groups)
        for row in group
    ]


@lru_cache(maxsize=200_000)
def _terms_of(written: str, language: str) -> tuple[int, ...]:
    return tuple(_term(word, language) for word in indexed(written))


def _terms(word: str, languages: Iterable[str]) -> set[int]:
    return {_term(word, language) for language in languages}


def _term(word: str, language: str) -> int:
    stemmed = stem(word, language)
    return zlib.crc32(f"{language}:{stemmed}".encode() if word.isalpha() else stemmed.encode())


def _language_term(language: str) -> int:
    return zlib.crc32(f"{language}:".encode())


def _length(postings: NDArray[Any]) -> NDArray[np.int64]:
    lengths: NDArray[np.int64] = postings["occurs"].astype(np.int64) & _LONGEST
    return lengths


def _bm25(words: Sequence[Sequence[NDArray[Any]]], statistics: _Statistics) -> Scores:
    """`words` holds, for each word of the question, the postings of its terms."""
    frequencies = [sum(map(len, postings)) for postings in words]
    chunks = max([statistics.chunks, *frequencies])  # others may have written since
    weights = [math.log(1 + (chunks - each + 0.5) / (each + 0.5)) for each in frequencies]
    reach = sum(weights) * (_K1 + 1)
    seqs, parts = [], []
    for weight, postings in zip(weights, words, strict=True):
        for each in postings:
            seqs.append(each["seq"].astype(np.int64))
            parts.append(weight / reach * _saturated(each, statistics.average_length))
    if not seqs:
        return Scores(np.empty(0, np.int64), np.empty(0))
    found, places = np.unique(np.concatenate(seqs), return_inverse=True)
    return Scores(found, np.bincount(places, np.concatenate(parts)).astype(np.float64))


def _saturated(postings: NDArray[Any], average_length: float) -> NDArray[np.float64]:
    count = (postings["occurs"] >> _LENGTH_BITS).astype(np.float64)
    norm = _K1 * (1 - _B + _B * _length(postings) / average_length)
    saturated: NDArray[np.float64] = count * (_K1 + 1) / (count + norm)
    return saturated
