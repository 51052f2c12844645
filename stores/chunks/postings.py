"""What the words of a question score in the chunks that have them: BM25 over postings."""

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import islice
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from stores.chunks.bm25 import Scores, Statistics, WordCounts, score_words
from stores.chunks.posting_arrays import (
    POSTING,
    TermPostings,
    drop_terms,
    join_blocks,
    unpack_lengths,
)
from stores.chunks.posting_tables import Connection, PostingTables
from stores.text.words import (
    STEMMED_LANGUAGES,
    hash_language,
    hash_term,
    list_index_words,
)

_MOST_WORDS = 300  # of a question; a pasted page has said by then what it is about
# Statistics of the collection are read again when that took less than a hundredth of the time
# since; a second-old average length ranks as well as a new one.
_SHARE_OF_TIME, _YOUNG = 0.01, 1.0  # seconds


@dataclass(frozen=True)
class _Fresh:
    """Fresh postings by their blocks, and all of them by their terms, which are ascending."""

    blocks: Mapping[int, TermPostings]
    terms: NDArray[np.uint32]
    postings: NDArray[Any]

    def find_terms(self, terms: Sequence[int]) -> dict[int, NDArray[Any]]:
        """Find the postings of each term that has any, as POSTING."""
        firsts = np.searchsorted(self.terms, terms, "left").tolist()
        lasts = np.searchsorted(self.terms, terms, "right").tolist()
        return {
            term: self.postings[first:last]
            for term, first, last in zip(terms, firsts, lasts, strict=True)
            if first < last
        }


@dataclass(frozen=True)
class _Changes:
    """What the merged postings do not know yet, as of the moment of one search."""

    fresh: _Fresh
    gone: NDArray[np.int64]


_NOTHING_FRESH: Final = _Fresh({}, np.empty(0, np.uint32), np.empty(0, POSTING))
_NONE: Final = np.empty(0, POSTING)


class Postings:
    """The postings of one chunk table, as searches read them.

    A word is compared in the language of each chunk: a question's word has one term for every
    language that the collection holds. Each chunk also has a posting of its language, from which
    the number of chunks and their average length come.
    """

    def __init__(self, chunk_table: str) -> None:
        self.tables = PostingTables(chunk_table)
        self._statistics: Statistics | None = None
        self._statistics_until = 0.0
        self._last_fresh = _NOTHING_FRESH

    def forget_statistics(self) -> None:
        """Have the statistics read again, as this process has just written."""
        self._statistics = None

    def score_chunks(self, connection: Connection, text: str) -> Scores:
        """Score every chunk that has a word of the text, by BM25 over the most that any could have.

        So weak evidence scores low, however it compares: a chunk with one of five rare words
        has at most a fifth, also when it is the best.
        """
        changes = self._read_changes(connection)
        statistics = self._read_statistics(connection, changes)
        names = self._find_names(connection, changes, text)
        asked = islice(dict.fromkeys(list_index_words(text, unsplit=names)), _MOST_WORDS)
        words = [_hash_word(word, statistics.languages) for word in asked]
        asked_terms = {term for terms in words for term in terms}
        found = self._read_postings(connection, changes, asked_terms)
        return score_words(
            [[found[term] for term in terms if term in found] for terms in words], statistics
        )

    def _find_names(self, connection: Connection, changes: _Changes, text: str) -> set[str]:
        """Find names such as `max_size` that chunks have as they are; their parts are not asked."""
        names = {hash_term(word, ""): word for word in list_index_words(text) if "_" in word}
        if not names:
            return set()
        return {names[term] for term in self._read_postings(connection, changes, names)}

    def _read_statistics(self, connection: Connection, changes: _Changes) -> Statistics:
        """Read the statistics of the collection, or take those that were read just before."""
        known = self._statistics  # another thread may forget them meanwhile
        if known and time.monotonic() <= self._statistics_until:
            return known
        began = time.monotonic()
        statistics = self._measure_statistics(connection, changes)
        now = time.monotonic()
        self._statistics_until = now + max(_YOUNG, (now - began) / _SHARE_OF_TIME)
        if statistics.chunks:
            self._statistics = statistics
        return statistics

    def _measure_statistics(self, connection: Connection, changes: _Changes) -> Statistics:
        markers = {hash_language(language): language for language in {"", *STEMMED_LANGUAGES}}
        found = self._read_postings(connection, changes, markers)
        lengths = [unpack_lengths(postings) for postings in found.values()]
        chunks = sum(map(len, lengths))
        return Statistics(
            chunks=chunks,
            average_length=sum(int(part.sum()) for part in lengths) / chunks if chunks else 1.0,
            languages=tuple(sorted(markers[term] for term in found)),
        )

    def find_without_words(self, connection: Connection, seqs: Iterable[int]) -> list[int]:
        """Find those of some chunks that have no posting of a language, so none of a word."""
        markers = map(hash_language, {"", *STEMMED_LANGUAGES})
        found = self._read_postings(connection, self._read_changes(connection), markers)
        have = {seq for postings in found.values() for seq in postings["seq"].tolist()}
        return [seq for seq in seqs if seq not in have]

    def find_keys(self, connection: Connection, phrase: str) -> list[int] | None:
        """Find the keys of chunks that have every word of a phrase; None when it has no word."""
        words = [word for word in list_index_words(phrase) if word.isalnum()]
        if not words:
            return None
        changes = self._read_changes(connection)
        languages = self._read_statistics(connection, changes).languages
        terms = [_hash_word(word, languages) for word in words]
        found = self._read_postings(
            connection, changes, {term for alternatives in terms for term in alternatives}
        )
        keys = [
            np.concatenate([_NONE, *(found[term] for term in alternatives if term in found)])
            for alternatives in terms
        ]
        common: Any = reduce(np.intersect1d, (postings["seq"] for postings in keys))
        return [int(key) for key in common]

    def _read_postings(
        self, connection: Connection, changes: _Changes, terms: Iterable[int]
    ) -> dict[int, NDArray[Any]]:
        """Read the postings of each term that has any, merged and fresh."""
        terms = list(terms)
        found = self.tables.read_terms(connection, terms)
        for term, fresh in changes.fresh.find_terms(terms).items():
            found[term] = np.concatenate([found[term], fresh]) if term in found else fresh
        if len(changes.gone):
            for term, postings in found.items():
                found[term] = postings[~np.isin(postings["seq"].astype(np.int64), changes.gone)]
        return {term: postings for term, postings in found.items() if len(postings)}

    def _read_changes(self, connection: Connection) -> _Changes:
        """Read what was written lately, of which only new blocks are fetched: none ever changes."""
        blocks, gone = self.tables.read_changes(connection)
        last = self._last_fresh  # another thread may read others meanwhile
        if blocks != last.blocks.keys():
            known = {block: last.blocks[block] for block in blocks & last.blocks.keys()}
            known |= self.tables.read_blocks(connection, blocks - known.keys())
            postings = join_blocks(known.values())
            terms = postings["term"].astype(np.uint32)
            self._last_fresh = last = _Fresh(known, terms, drop_terms(postings))
        return _Changes(last, gone)

    def count_chunks_with(self, connection: Connection, words: Collection[str]) -> WordCounts:
        """Count the chunks that have each word, as `list_index_words` writes it."""
        changes = self._read_changes(connection)
        statistics = self._read_statistics(connection, changes)
        terms = {word: _hash_word(word, statistics.languages) for word in words}
        found = self._read_postings(connection, changes, set[int]().union(*terms.values()))
        counts = {
            word: sum(len(found[term]) for term in own if term in found)
            for word, own in terms.items()
        }
        return WordCounts(statistics.chunks, counts)


def _hash_word(word: str, languages: Iterable[str]) -> set[int]:
    return {hash_term(word, language) for language in languages}
