"""BM25 over an ordinary table: which word stands in which chunk, how often, among how many."""

import json
import math
import time
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from pydantic_core import from_json

from stores.filters import Where
from stores.sql import statements
from stores.words import STEMMED_LANGUAGES, index_words, stem, stemming

_SQL = statements("postings.sql")
# Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond (2009).
_K1, _B = 1.2, 0.75
_POSTING = np.dtype([("seq", ">u4"), ("occurs", ">u2")])
_COUNT_BITS, _LENGTH_BITS = 4, 12  # of `occurs`; BM25 hardly tells 15 occurrences from more
_MOST_OCCURRENCES, _LONGEST = 2**_COUNT_BITS - 1, 2**_LENGTH_BITS - 1
_POSTINGS_A_STATEMENT = 20_000
_CHUNKS_A_FILL = 500
# Statistics of the collection are read again when that took less than a hundredth of the time
# since; a second-old average length ranks as well as a new one.
_SHARE_OF_TIME, _YOUNG = 0.01, 1.0  # seconds
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


class Postings:
    """The postings of one chunk table, written in the transactions that write its chunks.

    A word is compared in the language of each chunk: a question's word has one term for every
    language that the collection holds. Each chunk also has a posting of its language, from which
    the number of chunks and their average length come.
    """

    def __init__(self, chunk_table: str) -> None:
        self._tables = {"chunks": f"`{chunk_table}`", "postings": f"`{chunk_table}_posting`"}
        self._statistics: _Statistics | None = None

    def set_up(self, connection: sa.Connection) -> None:
        """Create the table if need be, and fill it from the chunks that are there already."""
        connection.execute(self._sql("create"))
        if connection.scalar(self._sql("is_empty")):
            self._fill(connection)

    def _fill(self, connection: sa.Connection) -> None:
        after = 0
        while True:
            values = {"after": after, "limit": _CHUNKS_A_FILL}
            rows = connection.execute(self._sql("texts"), values).mappings().all()
            if not rows:
                return
            self._insert(connection, ((row["seq"], dict(row)) for row in rows))
            after = rows[-1]["seq"]

    def add(self, connection: sa.Connection, rows: Sequence[Row]) -> None:
        """Write the postings of chunks that were just written."""
        ids = {"ids": [row["chunk_id"] for row in rows]}
        keys = {row.chunk_id: row.seq for row in connection.execute(self._sql("keys"), ids)}
        self._insert(connection, ((keys[row["chunk_id"]], row) for row in rows))

    def remove(self, connection: sa.Connection, where: Where) -> None:
        """Remove the postings of chunks that match, before the chunks themselves."""
        connection.execute(self._sql("remove", where=where), where.values)

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

    def _insert(self, connection: sa.Connection, rows: Iterable[tuple[int, Row]]) -> None:
        postings = sorted(each for seq, row in rows for each in _postings(seq, row))
        for start in range(0, len(postings), _POSTINGS_A_STATEMENT):
            part = json.dumps(postings[start : start + _POSTINGS_A_STATEMENT])
            connection.execute(self._sql("insert"), {"postings": part})

    def _sql(self, statement: str, **holes: object) -> sa.TextClause:
        text = sa.text(_SQL[statement].format_map({**self._tables, **holes}))
        return text.bindparams(sa.bindparam("ids", expanding=True)) if statement == "keys" else text


def _postings(seq: int, row: Row) -> Iterator[tuple[int, int, str]]:
    """Term, key of the chunk, and both numbers of the posting in hexadecimal."""
    metadata = from_json(row["metadata"])
    language = stemming(str(metadata.get("language") or "en"))
    above = (str(metadata.get(key) or "") for key in ("title", "headings"))
    counts = Counter(index_words("\n".join([*above, row["text"]])))
    length = min(counts.total(), _LONGEST)
    terms = Counter({_language_term(language): 1})
    for word, count in counts.items():
        terms[_term(word, language)] += count
    for term, count in terms.items():
        occurs = min(count, _MOST_OCCURRENCES) << _LENGTH_BITS | length
        yield term, seq, f"{seq << 16 | occurs:012x}"


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
