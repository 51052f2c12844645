"""Values of metadata as terms of the postings: which chunks may hold a value; pure.

A value shares its term with others: a few thousand buckets a key take no more room for a value that
every chunk has to itself than for one that all share, and no word has such a term. So terms say
which chunks may pass a filter, and the metadata itself which of them do.
"""

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

Scalar = str | int | float
Kind = Literal["is", "has"]
"""Whether metadata is a value, or a list that has it."""

_BUCKETS: Final = 4096
_CHANGING: Final = frozenset({"path"})  # a document that moves keeps its chunks, and their postings


@dataclass(frozen=True)
class AnyOf:
    """Any of these terms, so none without one."""

    terms: tuple["Terms", ...]


@dataclass(frozen=True)
class AllOf:
    """All of these terms, of which there is one at least."""

    terms: tuple["Terms", ...]


Terms = int | AnyOf | AllOf


def list_metadata_terms(metadata: Mapping[str, Any]) -> Iterator[int]:
    """List the terms of a chunk's metadata, some of them perhaps twice."""
    for key, value in metadata.items():
        kind: Kind = "has" if isinstance(value, list) else "is"
        for item in value if isinstance(value, list) else [value]:
            term = hash_value(key, item, kind) if isinstance(item, Scalar) else None
            if term is not None:
                yield term


def hash_value(key: str, value: Scalar, kind: Kind) -> int | None:
    """Make the term of a value; None for one that has no postings."""
    if key in _CHANGING:
        return None
    if not isinstance(value, str):
        try:
            value = f"\0{float(value) + 0.0:.15g}"  # as coarse as the server where it is coarsest
        except OverflowError:
            return None
    bucket = zlib.crc32(value.encode()) % _BUCKETS
    return zlib.crc32(f"{kind} {bucket} {key}".encode())
