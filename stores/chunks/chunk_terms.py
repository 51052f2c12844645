"""The terms of chunks: their words, each in the chunk's language, as numbers; pure."""

import secrets
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import groupby
from typing import Any

import numpy as np
from pydantic_core import from_json

from stores.chunks.metadata_terms import list_metadata_terms
from stores.chunks.posting_arrays import Analysed, order_terms, pack_occurrences
from stores.text.words import (
    choose_stemmer,
    find_written_words,
    hash_language,
    hash_term,
    split_index_word,
)

Row = Mapping[str, Any]


def analyse_chunks(rows: Iterable[Row]) -> Analysed:
    """Count the terms of some chunks: their words, their language, and what their metadata hold."""
    return _arrange(map(_count_terms, rows))


def _arrange(chunks: Iterable[Mapping[int, int]]) -> Analysed:
    """Arrange what each chunk has of each term in the order of the terms."""
    terms: list[int] = []
    packed: list[int] = []
    sizes: list[int] = []
    for found in chunks:
        terms += found
        packed += found.values()
        sizes.append(len(found))
    places = np.repeat(np.arange(len(sizes)), sizes)
    of_terms = np.array(terms, np.uint32)
    order = order_terms(of_terms)
    return Analysed(of_terms[order], places[order], np.array(packed, np.uint16)[order])


def analyse_blocks(rows: Iterable[Row]) -> dict[int, Analysed]:
    """Count the terms of the chunks of each block."""
    groups = groupby(rows, key=lambda row: int(row["block"]))
    return {block: analyse_chunks(group) for block, group in groups}


def assign_blocks(rows: Iterable[Row]) -> list[Row]:
    """Number the block of each row: neighbours of one document share a random one."""
    groups = groupby(rows, key=lambda row: row["document_id"] or row["chunk_id"])
    return [
        {**row, "block": block}
        for block, group in ((secrets.randbits(63) | 1, group) for _, group in groups)
        for row in group
    ]


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
    terms[hash_language(language)] = 1
    words = {term: pack_occurrences(count, length) for term, count in terms.items()}
    return _mark_metadata(metadata) | words


def _mark_metadata(metadata: Mapping[str, Any]) -> dict[int, int]:
    return dict.fromkeys(list_metadata_terms(metadata), pack_occurrences(1, 0))


@lru_cache(maxsize=200_000)
def _hash_written(written: str, language: str) -> tuple[int, ...]:
    return tuple(hash_term(word, language) for word in split_index_word(written))
