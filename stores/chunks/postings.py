"""What the words of a question score in the chunks that have them: BM25 over postings."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from itertools import islice
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from stores.audiences import Groups, read_version
from stores.chunks.bm25 import Scores, Seqs, Statistics, WordCounts, score_words
from stores.chunks.language_markers import LanguageMarkers
from stores.chunks.metadata_terms import AllOf, AnyOf, Terms
from stores.chunks.posting_arrays import POSTING, KeySet, TermPostings, drop_terms, join_blocks
from stores.chunks.posting_tables import Connection, PostingTables, State
from stores.text.words import STEMMED_LANGUAGES, hash_language, hash_term, list_index_words

# The terms of the languages that words are stemmed in, and of all others.
_MARKERS: Final = {hash_language(name): name for name in sorted({"", *STEMMED_LANGUAGES})}
_MOST_SEEN = 8  # sets of groups whose visible chunks are kept, with 8 bytes a chunk and a KeySet
_MOST_WORDS = 300  # of a question; a pasted page has said by then what it is about


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
    state: State

    @property
    def gone(self) -> Seqs:
        return self.state.gone

    def is_same(self, other: "_Changes") -> bool:
        """Whether nothing was written, merged or swept between the two."""
        return (
            self.state.version == other.state.version
            and self.fresh is other.fresh
            and np.array_equal(self.gone, other.gone)
        )

    def leads_to(self, later: "_Changes") -> bool:
        """Whether chunks were written and went between the two, and nothing was merged or swept."""
        return self.state.version == later.state.version and bool(
            np.isin(self.gone, later.gone).all()
        )

    def list_written(self, later: "_Changes") -> Seqs:
        """List the keys, ascending, of the chunks that were written between the two."""
        return _list_keys(later.fresh.blocks, without=self.fresh.blocks)

    def drop_lost(self, seqs: Seqs, later: "_Changes") -> Seqs:
        """Drop the keys of chunks that went between the two."""
        lost = _list_keys(self.fresh.blocks, without=later.fresh.blocks)
        return seqs[~KeySet(np.concatenate([lost, later.gone])).find(seqs)]


@dataclass(frozen=True)
class VisibleChunks:
    """The keys, ascending, of the chunks that some groups may see, and their statistics."""

    seqs: Seqs
    keys: KeySet
    statistics: Statistics

    def keep(self, found: Mapping[int, NDArray[Any]]) -> dict[int, NDArray[Any]]:
        """Keep the postings of these chunks, of terms that have any."""
        kept = {
            term: postings.compress(self.keys.find(postings["seq"]))
            for term, postings in found.items()
        }
        return {term: postings for term, postings in kept.items() if len(postings)}


@dataclass(frozen=True)
class _Seen:
    """What some groups see as of one moment, and of which version of the audiences."""

    changes: _Changes
    version: int
    chunks: VisibleChunks


_NOTHING_FRESH: Final = _Fresh({}, np.empty(0, np.uint32), np.empty(0, POSTING))
_NONE: Final = np.empty(0, POSTING)
_NO_KEYS: Final = np.empty(0, np.int64)


class Postings:
    """The postings of one chunk table, as searches read them.

    A word is compared in the language of each chunk: a question's word has one term for every
    language that the collection holds. Each chunk also has a posting of its language, from which
    the number of chunks and their average length come, and of each value of its metadata.
    """

    def __init__(self, chunk_table: str) -> None:
        self.tables = PostingTables(chunk_table)
        self._last_markers: LanguageMarkers | None = None
        self._last_measured: tuple[_Changes, Statistics] | None = None
        self._last_fresh = _NOTHING_FRESH
        self._last_seen: dict[Groups, _Seen] = {}

    def find_visible(
        self, connection: Connection, groups: Groups, read_keys: Callable[[Seqs | None], Seqs]
    ) -> VisibleChunks:
        """Find the chunks that some groups may see, as of the moment of the connection's snapshot.

        `read_keys` reads their keys, or those among some keys: nothing is looked up again but what
        was written since, unless audiences have changed or postings were merged.
        """
        changes, version = self._read_changes(connection), read_version(connection)
        last = self._last_seen.get(groups)
        if last and last.version == version and last.changes.is_same(changes):
            return last.chunks
        if last and last.version == version and last.changes.leads_to(changes):
            written = last.changes.list_written(changes)
            still = last.changes.drop_lost(last.chunks.seqs, changes)
            seqs = _sort_distinct(np.concatenate([still, read_keys(written)]))
        else:
            seqs = read_keys(None)
        keys = KeySet(seqs)
        statistics = self._read_markers(connection, changes).measure(
            changes.fresh.find_terms(list(_MARKERS)), changes.gone, keys
        )
        chunks = VisibleChunks(seqs, keys, statistics)
        others = [(each, seen) for each, seen in self._last_seen.items() if each != groups]
        kept = dict(others[-_MOST_SEEN + 1 :])
        self._last_seen = {**kept, groups: _Seen(changes, version, chunks)}
        return chunks

    def score_chunks(
        self, connection: Connection, text: str, visible: VisibleChunks | None = None
    ) -> Scores:
        """Score every chunk that has a word of the text, by BM25 over the most that any could have.

        So weak evidence scores low, however it compares: a chunk with one of five rare words
        has at most a fifth, also when it is the best. Of `visible` chunks it is as if there were no
        others.
        """
        changes = self._read_changes(connection)
        statistics = self._read_statistics(connection, changes, visible)
        names = self._find_names(connection, changes, text, visible)
        asked = islice(dict.fromkeys(list_index_words(text, unsplit=names)), _MOST_WORDS)
        words = [_hash_word(word, statistics.languages) for word in asked]
        asked_terms = {term for terms in words for term in terms}
        found = self._read_postings(connection, changes, asked_terms, visible)
        return score_words(
            [[found[term] for term in terms if term in found] for terms in words], statistics
        )

    def _find_names(
        self,
        connection: Connection,
        changes: _Changes,
        text: str,
        visible: VisibleChunks | None,
    ) -> set[str]:
        """Find names such as max_size and SKU-12345 that chunks have as they are.

        Their parts are not asked, of which one may stand in every chunk.
        """
        names = {hash_term(word, ""): word for word in list_index_words(text) if _is_name(word)}
        if not names:
            return set()
        found = self._read_postings(connection, changes, names, visible)
        return {names[term] for term in found}

    def _read_statistics(
        self, connection: Connection, changes: _Changes, visible: VisibleChunks | None = None
    ) -> Statistics:
        """Read the statistics of the collection, or take those of the last search."""
        if visible:
            return visible.statistics
        last = self._last_measured  # another thread may measure others meanwhile
        if last and last[0].is_same(changes):
            return last[1]
        markers = self._read_markers(connection, changes)
        statistics = markers.measure(changes.fresh.find_terms(list(_MARKERS)), changes.gone)
        self._last_measured = changes, statistics
        return statistics

    def _read_markers(self, connection: Connection, changes: _Changes) -> LanguageMarkers:
        """Read the merged postings of languages, or take those of the last search."""
        markers = self._last_markers
        if not markers or markers.version != changes.state.version:
            merged = self.tables.read_terms(connection, list(_MARKERS))
            markers = LanguageMarkers(_MARKERS, changes.state.version, merged)
            self._last_markers = markers
        return markers

    def find_candidates(self, connection: Connection, wanted: Terms) -> Seqs:
        """Find the keys, ascending, of all chunks that may have the terms of some metadata."""
        changes = self._read_changes(connection)
        found = self._read_postings(connection, changes, _list_terms(wanted))
        return _select_keys(wanted, {term: postings["seq"] for term, postings in found.items()})

    def find_without_words(self, connection: Connection, seqs: Iterable[int]) -> list[int]:
        """Find those of some chunks that have no posting of a language, so none of a word."""
        found = self._read_postings(connection, self._read_changes(connection), _MARKERS)
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
        self,
        connection: Connection,
        changes: _Changes,
        terms: Iterable[int],
        visible: VisibleChunks | None = None,
    ) -> dict[int, NDArray[Any]]:
        """Read the postings of each term that has any, merged and fresh."""
        terms = list(terms)
        found = self.tables.read_terms(connection, terms)
        for term, fresh in changes.fresh.find_terms(terms).items():
            found[term] = np.concatenate([found[term], fresh]) if term in found else fresh
        if visible:
            return visible.keep(found)
        if len(changes.gone):
            for term, postings in found.items():
                found[term] = postings.compress(~changes.state.gone_keys.find(postings["seq"]))
        return {term: postings for term, postings in found.items() if len(postings)}

    def _read_changes(self, connection: Connection) -> _Changes:
        """Read what was written lately, of which only new blocks are fetched: none ever changes."""
        state = self.tables.read_state(connection)
        blocks = state.blocks
        last = self._last_fresh  # another thread may read others meanwhile
        if blocks != last.blocks.keys():
            known = {block: last.blocks[block] for block in blocks & last.blocks.keys()}
            known |= self.tables.read_blocks(connection, blocks - known.keys())
            postings = join_blocks(known.values())
            terms = postings["term"].astype(np.uint32)
            self._last_fresh = last = _Fresh(known, terms, drop_terms(postings))
        return _Changes(last, state)

    def count_chunks_with(
        self, connection: Connection, words: Collection[str], visible: VisibleChunks | None = None
    ) -> WordCounts:
        """Count the chunks that have each word, as `list_index_words` writes it."""
        changes = self._read_changes(connection)
        statistics = self._read_statistics(connection, changes, visible)
        terms = {word: _hash_word(word, statistics.languages) for word in words}
        wanted = set[int]().union(*terms.values())
        found = self._read_postings(connection, changes, wanted, visible)
        counts = {
            word: sum(len(found[term]) for term in own if term in found)
            for word, own in terms.items()
        }
        return WordCounts(statistics.chunks, counts)


def _list_keys(blocks: Mapping[int, TermPostings], without: Collection[int]) -> Seqs:
    """List the keys, ascending, of the chunks of blocks: each has a posting of its language."""
    parts = [postings["seq"] for block, postings in blocks.items() if block not in without]
    return _sort_distinct(np.concatenate([_NO_KEYS, *parts]))


def _is_name(word: str) -> bool:
    """Whether a word of several parts names one thing, as a-t-il and well-known do not."""
    return "_" in word or (not word.isalnum() and any(map(str.isdigit, word)))


def _list_terms(wanted: Terms) -> set[int]:
    if isinstance(wanted, int):
        return {wanted}
    return set[int]().union(*(_list_terms(part) for part in wanted.terms))


def _select_keys(wanted: Terms, found: Mapping[int, Seqs]) -> Seqs:
    """Select the keys of the chunks that have the wanted terms, ascending."""
    match wanted:
        case AnyOf():
            parts = [_select_keys(part, found) for part in wanted.terms]
            return _sort_distinct(np.concatenate([_NO_KEYS, *parts]))
        case AllOf():
            parts = [_select_keys(part, found) for part in wanted.terms]
            common: Seqs = reduce(partial(np.intersect1d, assume_unique=True), parts)
            return common
        case int(term):
            return _sort_distinct(found.get(term, _NO_KEYS))


def _sort_distinct(keys: Seqs) -> Seqs:
    """Sort keys and drop repetitions; `np.unique` takes ten times as long for what is in order."""
    ascending: Seqs = np.sort(keys.astype(np.int64), kind="stable")
    is_new = np.append(True, ascending[1:] != ascending[:-1])[: len(keys)]
    distinct: Seqs = ascending[is_new]
    return distinct


def _hash_word(word: str, languages: Iterable[str]) -> set[int]:
    return {hash_term(word, language) for language in languages}
