"""Postings as arrays, and as the bytes that a table holds of them; pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

POSTING = np.dtype([("seq", ">u4"), ("occurs", ">u2")])
"""A chunk's key, then 4 bits of how often a term stands in it and 12 of how many terms it has."""
TERM_POSTING = np.dtype([("term", ">u4"), *POSTING.descr])
"""A term with one of its postings."""
TermPostings = NDArray[Any]
"""An array of TERM_POSTING, sorted by term."""

_COUNT_BITS, _LENGTH_BITS = 4, 12  # BM25 hardly tells 15 occurrences from more
# A base that was rewritten for years has few chunks and high keys, as none is given again.
_FREE_BYTES, _BYTES_A_KEY = 2**20, 64
_MOST_OCCURRENCES, _LONGEST = 2**_COUNT_BITS - 1, 2**_LENGTH_BITS - 1


@dataclass(frozen=True)
class Analysed:
    """The postings of some chunks, sorted by term; `places` are those of their chunks.

    Arrays, for a container each would have the garbage collector take longer than the server.
    """

    terms: NDArray[np.uint32]
    places: NDArray[np.int64]
    occurs: NDArray[np.uint16]

    def set_keys(self, seqs: Sequence[int]) -> NDArray[Any]:
        """Make the postings of TERM_POSTING, when the keys of the chunks are known."""
        postings = np.empty(len(self.terms), TERM_POSTING)
        postings["term"], postings["occurs"] = self.terms, self.occurs
        postings["seq"] = np.asarray(seqs, np.int64)[self.places]
        return postings


class KeySet:
    """Keys of chunks to look others up in: a byte each up to the highest, if they are dense enough.

    `np.isin` takes ten to thirty times as long, for it sorts both or makes such a table each time.
    """

    def __init__(self, seqs: NDArray[np.int64]) -> None:
        self._has: NDArray[np.bool_] | None = None
        highest = int(seqs.max(initial=0))
        if highest < _FREE_BYTES + _BYTES_A_KEY * len(seqs):
            self._has = np.zeros(highest + 2, bool)  # the last one stands for all above
            self._has[seqs] = True
        else:
            self._sorted = np.sort(seqs)

    def find(self, seqs: NDArray[Any]) -> NDArray[np.bool_]:
        """Say for each of some keys whether it is one of these."""
        if self._has is not None:
            found: NDArray[np.bool_] = self._has.take(seqs, mode="clip")
        else:
            places = np.searchsorted(self._sorted, seqs.astype(np.int64))
            found = self._sorted.take(places, mode="clip") == seqs
        return found


def pack_occurrences(count: int, length: int) -> int:
    """Pack how often a term stands in a chunk, and how many terms that has, into one number."""
    packed: int = min(count, _MOST_OCCURRENCES) << _LENGTH_BITS | min(length, _LONGEST)
    return packed


def unpack_counts(postings: NDArray[Any]) -> NDArray[np.int64]:
    """Unpack how often the term stands in the chunk of each posting."""
    counts: NDArray[np.int64] = postings["occurs"].astype(np.int64) >> _LENGTH_BITS
    return counts


def unpack_lengths(postings: NDArray[Any]) -> NDArray[np.int64]:
    """Unpack how many terms the chunk of each posting has."""
    lengths: NDArray[np.int64] = postings["occurs"].astype(np.int64) & _LONGEST
    return lengths


def unpack_keys(packed: bytes | None) -> NDArray[np.int64]:
    """Unpack keys of four bytes each, whose highest bit was set for the way; None has none."""
    keys: NDArray[np.int64] = np.frombuffer(packed or b"", ">u4").astype(np.int64) & 0x7FFFFFFF
    return keys


def join_blocks(blocks: Iterable[TermPostings]) -> TermPostings:
    """Join the postings of some blocks in the order of their terms."""
    postings = np.concatenate([np.empty(0, TERM_POSTING), *blocks])
    return postings.take(order_terms(postings["term"]))  # which is eight times as fast as []


def order_terms(terms: NDArray[Any]) -> NDArray[np.int64]:
    """Return the places of terms in their order, as they stand where they are the same.

    NumPy sorts numbers three times as fast as it finds their order.
    """
    places = np.arange(len(terms), dtype=np.uint64)
    ordered = np.sort(terms.astype(np.uint64) << 32 | places) & 0xFFFFFFFF
    return ordered.astype(np.int64)


def drop_terms(postings: TermPostings) -> NDArray[Any]:
    """Make POSTING of postings with their terms."""
    bare = np.empty(len(postings), POSTING)
    bare["seq"], bare["occurs"] = postings["seq"], postings["occurs"]
    return bare


def parts_to_postings(rows: Sequence[Any]) -> TermPostings:
    """Put its term before each posting of some rows, which are in the order of their terms."""
    found = np.frombuffer(b"".join(row.postings for row in rows), POSTING)
    sizes = [len(row.postings) // POSTING.itemsize for row in rows]
    postings = np.empty(len(found), TERM_POSTING)
    postings["term"] = np.repeat(np.array([row.term for row in rows], np.uint32), sizes)
    postings["seq"], postings["occurs"] = found["seq"], found["occurs"]
    return postings
