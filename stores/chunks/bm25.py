"""BM25 over packed postings; pure."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stores.chunks.posting_arrays import POSTING, KeySet, unpack_counts, unpack_lengths

# Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond (2009).
_K1, _B = 1.2, 0.75
_SPARSE = 20  # keys for each posting, from which on it is dearer to have a sum for every key
_SAMPLE = 2**14  # so many scores are looked at, to know which may be among the highest
Seqs = NDArray[np.int64]


@dataclass(frozen=True)
class Scores:
    """What chunks scored in 0..1, where 0 is without any of the words.

    `values` are those of the keys in `seqs`, ascending and distinct, or else of all keys from 0 on.
    """

    values: NDArray[np.float64]
    seqs: Seqs | None = None

    def find_best(self, limit: int) -> dict[int, float]:
        """Find the highest above 0, the highest first; the older chunk first among equals."""
        places = self._find_high(limit)
        values = self.values[places]
        seqs = places if self.seqs is None else self.seqs[places]
        order = np.lexsort((seqs, -values))[:limit]
        return dict(zip(seqs[order].tolist(), values[order].tolist(), strict=True))

    def _find_high(self, limit: int) -> NDArray[np.int64]:
        """Find the places of all that may be among the highest: as high as those of a sample."""
        sample = self.values[:: max(1, len(self.values) // _SAMPLE)]
        if 0 < limit <= len(sample):
            lowest = np.partition(sample, len(sample) - limit)[len(sample) - limit]
            if lowest > 0:
                return np.flatnonzero(self.values >= lowest)
        return np.flatnonzero(self.values > 0)

    def look_up(self, seqs: Iterable[int]) -> dict[int, float]:
        """Look up the scores of these chunks; 0 for those without any of the words."""
        wanted = np.fromiter(seqs, dtype=np.int64)
        if not len(self.values):
            return dict.fromkeys(wanted.tolist(), 0.0)
        places = wanted if self.seqs is None else np.searchsorted(self.seqs, wanted)
        keys = places if self.seqs is None else self.seqs.take(places, mode="clip")
        has = (keys == wanted) & (places < len(self.values))
        found = np.where(has, self.values.take(places, mode="clip"), 0.0)
        return dict(zip(wanted.tolist(), found.tolist(), strict=True))

    def keep_only(self, seqs: Seqs, keys: KeySet) -> "Scores":
        """Keep the scores of these chunks alone; `seqs`, ascending and distinct, are `keys`."""
        if self.seqs is None:
            known = seqs[: np.searchsorted(seqs, len(self.values))]
            return Scores(self.values.take(known), known)
        kept = keys.find(self.seqs)
        return Scores(self.values[kept], self.seqs[kept])


@dataclass(frozen=True)
class Statistics:
    """What BM25 needs of a collection: its chunks, their average length in terms, and languages."""

    chunks: int
    average_length: float
    languages: tuple[str, ...]


@dataclass(frozen=True)
class WordCounts:
    """In how many of a number of chunks each word stands, in whichever form."""

    chunks: int
    of_word: Mapping[str, int]


def score_words(words: Sequence[Sequence[NDArray[Any]]], statistics: Statistics) -> Scores:
    """Score chunks by BM25; `words` are those of the question, each the postings of its terms."""
    frequencies = [sum(map(len, terms)) for terms in words]
    chunks = max([statistics.chunks, *frequencies])  # others may have written since
    weights = [math.log(1 + (chunks - count + 0.5) / (count + 0.5)) for count in frequencies]
    reach = sum(weights) * (_K1 + 1)
    weighted = [
        (weight / reach, postings)
        for weight, terms in zip(weights, words, strict=True)
        for postings in terms
    ]
    if not weighted:
        return Scores(np.empty(0))
    saturated = _saturate_all(statistics.average_length)
    seqs = np.concatenate([postings["seq"] for _, postings in weighted], dtype=np.int64)
    parts = np.concatenate(
        [share * saturated.take(postings["occurs"]) for share, postings in weighted]
    )
    return sum_scores(seqs, parts)


def sum_scores(seqs: Seqs, parts: NDArray[np.float64]) -> Scores:
    """Add up what each chunk has: in a sum for every key that there may be, unless few have any."""
    if seqs.max() <= _SPARSE * len(seqs):
        return Scores(np.bincount(seqs, parts).astype(np.float64, copy=False))
    found, places = np.unique(seqs, return_inverse=True)
    return Scores(np.bincount(places, parts).astype(np.float64), found)


@lru_cache(maxsize=4)
def _saturate_all(average_length: float) -> NDArray[np.float64]:
    """Count occurrences, each less than the one before, and less in a longer chunk.

    Of whatever a posting may say: looking that up is quicker than to reckon it for each.
    """
    every = np.zeros(2**16, POSTING)
    every["occurs"] = np.arange(2**16)
    count = unpack_counts(every).astype(np.float64)
    norm = _K1 * (1 - _B + _B * unpack_lengths(every) / average_length)
    saturated: NDArray[np.float64] = count * (_K1 + 1) / (count + norm)
    return saturated
