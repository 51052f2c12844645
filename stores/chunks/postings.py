"""An ordinary table of which word stands in which chunk, for BM25."""

import json
import secrets
import time
import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce
from itertools import groupby, islice
from typing import Any, Protocol

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from pydantic_core import from_json

from stores.chunks.bm25 import (
    POSTING,
    Scores,
    Statistics,
    WordCounts,
    pack_occurrences,
    score_words,
    unpack_lengths,
)
from stores.chunks.metadata_filters import Where
from stores.sql import statements
from stores.text.words import (
    STEMMED_LANGUAGES,
    choose_stemmer,
    find_written_words,
    list_index_words,
    split_index_word,
    stem_word,
)

_SQL = statements("postings.sql")
_ROWS_A_STATEMENT = 20_000
_CHUNKS_A_FILL = 500
_MOST_WORDS = 300  # of a question; a pasted page has said by then what it is about
_BLOCK_BYTES = 500 * POSTING.itemsize  # a batch of chunks is written at once
# Statistics of the collection are read again when that took less than a hundredth of the time
# since; a second-old average length ranks as well as a new one.
_SHARE_OF_TIME, _YOUNG = 0.01, 1.0  # seconds
_OWN_BLOCKS = 2**32  # numbers below are those of chunks that are their own block

Row = Mapping[str, Any]


class Connection(Protocol):
    def execute(self, statement: sa.TextClause, values: Mapping[str, Any], /) -> Any: ...


@dataclass(frozen=True)
class Analysed:
    """The postings of some chunks in the order of their table, `places` among the chunks.

    Arrays, for a container each would have the garbage collector take longer than the server.
    """

    terms: NDArray[np.uint32]
    blocks: NDArray[np.uint64]
    places: NDArray[np.int64]
    occurs: NDArray[np.uint16]

    def to_json(self, seqs: Sequence[int]) -> Iterator[str]:
        """Write rows of [term, block, hexadecimal], when the keys of the chunks are known."""
        if not len(self.terms):
            return
        postings = np.empty(len(self.terms), POSTING)
        postings["seq"], postings["occurs"] = np.asarray(seqs)[self.places], self.occurs
        digits, width = postings.tobytes().hex(), 2 * POSTING.itemsize
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


def analyse_chunks(rows: Iterable[Row]) -> Analysed:
    """Count the terms of some chunks, with the blocks that they are written to."""
    terms: list[int] = []
    packed: list[int] = []
    sizes, blocks = [], []
    for row in rows:
        found = _count_terms(row)
        terms += found
        packed += found.values()
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
        occurs=np.array(packed, np.uint16)[order],
    )


def _count_terms(row: Row) -> dict[int, int]:
    """Count for each term of a chunk how often it stands among how many, packed as in a posting."""
    metadata = from_json(row["metadata"])
    language = choose_stemmer(str(metadata.get("language") or "en"))
    above = (str(metadata.get(key) or "") for key in ("title", "headings"))
    terms: dict[int, int] = {}
    for written, count in Counter(find_written_words("\n".join([*above, row["text"]]))).items():
        for term in _hash_written(written, language):
            terms[term] = terms.get(term, 0) + count
    length = sum(terms.values())
    terms[_hash_language(language)] = 1
    return {term: pack_occurrences(count, length) for term, count in terms.items()}


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
        self._statistics: Statistics | None = None
        self._fresh_until = 0.0

    def set_up(self, connection: sa.Connection, chunk_columns: Collection[str]) -> None:
        """Create the table if need be, and fill it from the chunks that are there already."""
        connection.execute(self._sql("create"))
        if "block" not in chunk_columns:
            connection.execute(self._sql("add_block"))
        if connection.scalar(self._sql("is_empty")):
            connection.execute(self._sql("forget_blocks"))
            self._fill_table(connection)

    def _fill_table(self, connection: sa.Connection) -> None:
        after = 0
        while True:
            values = {"after": after, "limit": _CHUNKS_A_FILL}
            rows = connection.execute(self._sql("texts"), values).mappings().all()
            if not rows:
                return
            self._insert(connection, [row["seq"] for row in rows], analyse_chunks(map(dict, rows)))
            after = rows[-1]["seq"]

    def add(self, connection: sa.Connection, chunk_ids: Sequence[str], terms: Analysed) -> None:
        """Write the postings of chunks that were just written."""
        rows = connection.execute(self._sql("keys"), {"ids": chunk_ids})
        keys = {row.chunk_id: row.seq for row in rows}
        self._insert(connection, [keys[chunk_id] for chunk_id in chunk_ids], terms)

    def remove(self, connection: sa.Connection, where: Where) -> None:
        """Remove the postings of chunks that match, before the chunks themselves."""
        remaining = connection.execute(self._sql("remaining", where=where), where.values)
        rows = [dict(row) for row in remaining.mappings()]
        connection.execute(self._sql("remove", where=where), where.values)
        self._insert(connection, [row["seq"] for row in rows], analyse_chunks(rows))

    def clear(self, connection: sa.Connection) -> None:
        connection.execute(self._sql("clear"))

    def forget_statistics(self) -> None:
        """Have the statistics read again, as this process has just written."""
        self._statistics = None

    def score_chunks(self, connection: Connection, text: str) -> Scores:
        """Score every chunk that has a word of the text, by BM25 over the most that any could have.

        So weak evidence scores low, however it compares: a chunk with one of five rare words
        has at most a fifth, also when it is the best.
        """
        statistics = self._read_statistics(connection)
        names = self._find_names(connection, text)
        asked = islice(dict.fromkeys(list_index_words(text, unsplit=names)), _MOST_WORDS)
        words = [_hash_word(word, statistics.languages) for word in asked]
        found = self._read_postings(connection, {term for terms in words for term in terms})
        return score_words(
            [[found[term] for term in terms if term in found] for terms in words], statistics
        )

    def _find_names(self, connection: Connection, text: str) -> set[str]:
        """Find names such as `max_size` that chunks have as they are; their parts are not asked."""
        names = {_hash_term(word, ""): word for word in list_index_words(text) if "_" in word}
        return {names[term] for term in self._read_postings(connection, names)} if names else set()

    def _read_statistics(self, connection: Connection) -> Statistics:
        """Read the statistics of the collection, or take those that were read just before."""
        known = self._statistics  # another thread may forget them meanwhile
        if known and time.monotonic() <= self._fresh_until:
            return known
        began = time.monotonic()
        statistics = self._measure_statistics(connection)
        now = time.monotonic()
        self._fresh_until = now + max(_YOUNG, (now - began) / _SHARE_OF_TIME)
        if statistics.chunks:
            self._statistics = statistics
        return statistics

    def _measure_statistics(self, connection: Connection) -> Statistics:
        markers = {_hash_language(language): language for language in {"", *STEMMED_LANGUAGES}}
        found = self._read_postings(connection, markers)
        lengths = [unpack_lengths(postings) for postings in found.values()]
        chunks = sum(map(len, lengths))
        return Statistics(
            chunks=chunks,
            average_length=sum(int(part.sum()) for part in lengths) / chunks if chunks else 1.0,
            languages=tuple(sorted(markers[term] for term in found)),
        )

    def find_keys(self, connection: Connection, phrase: str) -> list[int] | None:
        """Find the keys of chunks that have every word of a phrase; None when it has no word."""
        words = [word for word in list_index_words(phrase) if word.isalnum()]
        if not words:
            return None
        languages = self._read_statistics(connection).languages
        terms = [_hash_word(word, languages) for word in words]
        found = self._read_postings(
            connection, {term for alternatives in terms for term in alternatives}
        )
        nothing = np.empty(0, POSTING)
        keys = [
            np.concatenate([nothing, *(found[term] for term in alternatives if term in found)])
            for alternatives in terms
        ]
        common: Any = reduce(np.intersect1d, (postings["seq"] for postings in keys))
        return [int(key) for key in common]

    def _read_postings(
        self, connection: Connection, terms: Iterable[int]
    ) -> dict[int, NDArray[Any]]:
        """Read the postings of each term that has any."""
        rows = connection.execute(self._sql("postings"), {"terms": json.dumps(list(terms))})
        return {
            row.term: np.frombuffer(row.postings, dtype=POSTING) for row in rows if row.postings
        }

    def count_chunks_with(self, connection: Connection, words: Collection[str]) -> WordCounts:
        """Count the chunks that have each word, as `list_index_words` writes it."""
        statistics = self._read_statistics(connection)
        terms = {word: _hash_word(word, statistics.languages) for word in words}
        found = self._read_postings(connection, set[int]().union(*terms.values()))
        counts = {
            word: sum(len(found[term]) for term in own if term in found)
            for word, own in terms.items()
        }
        return WordCounts(statistics.chunks, counts)

    def _insert(self, connection: sa.Connection, seqs: Sequence[int], terms: Analysed) -> None:
        for part in terms.to_json(seqs):
            connection.execute(self._sql("insert"), {"postings": part})

    def _sql(self, statement: str, **holes: object) -> sa.TextClause:
        text = sa.text(_SQL[statement].format_map({**self._holes, **holes}))
        return text.bindparams(sa.bindparam("ids", expanding=True)) if statement == "keys" else text


def assign_blocks(rows: Iterable[Row]) -> list[Row]:
    """Number the block of each row: neighbours of one document share a random one."""
    groups = groupby(rows, key=lambda row: row["document_id"] or row["chunk_id"])
    return [
        {**row, "block": block}
        for block, group in ((secrets.randbits(63) | _OWN_BLOCKS, group) for _, group in groups)
        for row in group
    ]


@lru_cache(maxsize=200_000)
def _hash_written(written: str, language: str) -> tuple[int, ...]:
    return tuple(_hash_term(word, language) for word in split_index_word(written))


def _hash_word(word: str, languages: Iterable[str]) -> set[int]:
    return {_hash_term(word, language) for language in languages}


def _hash_term(word: str, language: str) -> int:
    stemmed = stem_word(word, language)
    return zlib.crc32(f"{language}:{stemmed}".encode() if word.isalpha() else stemmed.encode())


def _hash_language(language: str) -> int:
    return zlib.crc32(f"{language}:".encode())
