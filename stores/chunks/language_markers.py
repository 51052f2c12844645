"""How many chunks of each language a collection has, and how long they are; pure.

Each chunk has a posting of its language, from which that comes. Merged ones are looked at
once, then what is fresh is added and what is gone taken away: exact, at a cost that does not grow.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stores.chunks.bm25 import Seqs, Statistics
from stores.chunks.posting_arrays import KeySet, unpack_lengths

Found = Mapping[int, NDArray[Any]]
"""Postings by their terms."""


@dataclass(frozen=True)
class _Chunks:
    """The chunks of one language: keys, ascending, and lengths in terms."""

    seqs: Seqs
    lengths: NDArray[np.int64]
    total: int

    def measure_without(self, gone: Seqs) -> tuple[int, int]:
        """Count chunks and add up their lengths, but for those that are gone."""
        if not len(gone) or not len(self.seqs):
            return len(self.seqs), self.total
        places = np.minimum(np.searchsorted(self.seqs, gone), len(self.seqs) - 1)
        lost = places[self.seqs[places] == gone]
        return len(self.seqs) - len(lost), self.total - int(self.lengths[lost].sum())

    def measure_of(self, only: KeySet) -> tuple[int, int]:
        """Count those of some chunks, and add up their lengths."""
        kept = self.lengths[only.find(self.seqs)]
        return len(kept), int(kept.sum())


def _sort_chunks(postings: NDArray[Any]) -> _Chunks:
    seqs, lengths = postings["seq"].astype(np.int64), unpack_lengths(postings)
    order = np.argsort(seqs, kind="stable")
    return _Chunks(seqs[order], lengths[order], int(lengths.sum()))


class LanguageMarkers:
    """The merged postings of languages, as of one version of the terms."""

    def __init__(self, languages: Mapping[int, str], version: bytes, merged: Found) -> None:
        """`languages` are those of the terms."""
        self.version = version
        self._languages = languages
        self._merged = {term: _sort_chunks(postings) for term, postings in merged.items()}

    def measure(self, fresh: Found, gone: Seqs, only: KeySet | None = None) -> Statistics:
        """Measure the collection with its fresh postings, without the keys that are gone.

        With `only`, it is as if there were these chunks alone, none of which is gone.
        """
        measured: dict[str, tuple[int, int]] = {}
        for term, language in self._languages.items():
            parts = [
                *([self._merged[term]] if term in self._merged else []),
                *([_sort_chunks(fresh[term])] if term in fresh else []),
            ]
            sizes = [
                part.measure_without(gone) if only is None else part.measure_of(only)
                for part in parts
            ]
            if chunks := sum(count for count, _ in sizes):
                measured[language] = chunks, sum(length for _, length in sizes)
        chunks = sum(count for count, _ in measured.values())
        length = sum(length for _, length in measured.values())
        return Statistics(chunks, length / chunks if chunks else 1.0, tuple(measured))
