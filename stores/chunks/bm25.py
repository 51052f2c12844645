"""BM25 over packed postings; pure."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond (2009).
_K1, _B = 1.2, 0.75
POSTING = np.dtype([("seq", ">u4"), ("occurs", ">u2")])
"""A chunk's key, then 4 bits of how often a term stands in it and 12 of how many terms it has."""

_COUNT_BITS, _LENGTH_BITS = 4, 12  # BM25 hardly tells 15 occurrences from more
_MOST_OCCURRENCES, _LONGEST = 2**_COUNT_BITS - 1, 2**_LENGTH_BITS - 1

Seqs = NDArray[np.int64]


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
class Statistics:
    """Of a collection: its chunks, their average length in terms, and their languages."""

    chunks: int
    average_length: float
    languages: tuple[str, ...]


def occurs(count: int, length: int) -> int:
    """How often a term stands among how many, as a posting packs both."""
    packed: int = min(count, _MOST_OCCURRENCES) << _LENGTH_BITS | min(length, _LONGEST)
    return packed


def lengths_in(postings: NDArray[Any]) -> NDArray[np.int64]:
    lengths: NDArray[np.int64] = postings["occurs"].astype(np.int64) & _LONGEST
    return lengths


def bm25(words: Sequence[Sequence[NDArray[Any]]], statistics: Statistics) -> Scores:
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
    norm = _K1 * (1 - _B + _B * lengths_in(postings) / average_length)
    saturated: NDArray[np.float64] = count * (_K1 + 1) / (count + norm)
    return saturated
