"""What the words of a question score in the chunks that have them: BM25 over postings."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from itertools import islice
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from stores.chunks.bm25 import Scores, Statistics, score_words
from stores.chunks.chunk_terms import hash_language, hash_term
from stores.chunks.posting_arrays import (
    POSTING,
    TERM_POSTING,
    TermPostings,
    drop_terms,
    join_blocks,
    unpack_lengths,
)
from stores.chunks.posting_tables import Connection, PostingTables
from stores.text.words import STEMMED_LANGUAGES, list_index_words

_MOST_WORDS = 300  # of a question; a pasted page has said by then what it is about
# Statistics of the collection are read again when that took less than a hundredth of the time
# since; a second-old average length ranks as well as a new one.
_SHARE_OF_TIME, _YOUNG = 0.01, 1.0  # seconds


@dataclass(frozen=True)
class _Fresh:
    """Fresh postings by their blocks, and all of them together."""

    blocks: Mapping[int, TermPostings]
    postings: TermPostings

    def find_term(self, term: int) -> NDArray[Any]:
        """Find the postings of a term, as POSTING."""
        first, last = np.searchsorted(self.postings["term"], [term, term + 1])
        return drop_terms(self.postings[first:last])


_NOTHING_FRESH: Final = _Fresh({}, np.empty(0, TERM_POSTING))
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
        names = {hash_term(word, ""): word for word in list_index_words(text) if "_" in word}
        return {names[term] for term in self._read_postings(connection, names)} if names else set()

    def _read_statistics(self, connection: Connection) -> Statistics:
        """Read the statistics of the collection, or take those that were read just before."""
        known = self._statistics  # another thread may forget them meanwhile
        if known and time.monotonic() <= self._statistics_until:
            return known
        began = time.monotonic()
        statistics = self._measure_statistics(connection)
        now = time.monotonic()
        self._statistics_until = now + max(_YOUNG, (now - began) / _SHARE_OF_TIME)
        if statistics.chunks:
            self._statistics = statistics
        return statistics

    def _measure_statistics(self, connection: Connection) -> Statistics:
        markers = {hash_language(language): language for language in {"", *STEMMED_LANGUAGES}}
        found = self._read_postings(connection, markers)
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
        keys = [postings["seq"] for postings in self._read_postings(connection, markers).values()]
        have = set(np.concatenate(keys).tolist()) if keys else set()
        return [seq for seq in seqs if seq not in have]

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
        keys = [
            np.concatenate([_NONE, *(found[term] for term in alternatives if term in found)])
            for alternatives in terms
        ]
        common: Any = reduce(np.intersect1d, (postings["seq"] for postings in keys))
        return [int(key) for key in common]

    def _read_postings(
        self, connection: Connection, terms: Iterable[int]
    ) -> dict[int, NDArray[Any]]:
        """Read the postings of each term that has any, merged and fresh."""
        terms = list(terms)
        merged = self.tables.read_terms(connection, terms)
        fresh, gone = self._read_fresh(connection), self.tables.read_gone(connection)
        found = {}
        for term in terms:
            postings = np.concatenate([merged.get(term, _NONE), fresh.find_term(term)])
            if len(gone):
                postings = postings[~np.isin(postings["seq"].astype(np.int64), gone)]
            if len(postings):
                found[term] = postings
        return found

    def _read_fresh(self, connection: Connection) -> _Fresh:
        """Read the fresh postings, of which only new blocks are fetched: a block never changes."""
        last = self._last_fresh  # another thread may read others meanwhile
        blocks = self.tables.list_fresh_blocks(connection)
        if blocks == last.blocks.keys():
            return last
        known = {block: last.blocks[block] for block in blocks & last.blocks.keys()}
        known |= self.tables.read_blocks(connection, blocks - known.keys())
        self._last_fresh = fresh = _Fresh(known, join_blocks(known.values()))
        return fresh


def _hash_word(word: str, languages: Iterable[str]) -> set[int]:
    return {hash_term(word, language) for language in languages}
