"""Any number of chunks out of a few thousand passages: their sentences, and mixes of vectors.

A document is the same whenever it is made, so a collection can grow from where it was left.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode
from numpy.typing import NDArray

CHUNKS_A_DOCUMENT = 10
_CHARACTERS = 1000  # of a chunk
_PASSAGE = 600  # characters that a passage is embedded by
_NEIGHBOURS, _MIXED = 8, 4
_NOISE = 0.35
_ZIPF = 0.6  # how much more often the first passage is drawn than a later one
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_LETTERS = "bcdfghjklmnprstvwz", "aeiou"

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Sample:
    """Passages and questions of a directory, with their vectors of length 1."""

    passages: list[str]
    questions: list[str]
    vectors: Vectors
    question_vectors: Vectors


def read_sample(directory: Path, model: BaseEmbedding, kept: Path, most: int) -> Sample:
    """Read passages and questions of *.jsonl, *.md and *.txt files; vectors are kept in a file."""
    random = np.random.default_rng(0)
    passages = _draw(_read_texts(directory, "corpus.jsonl", "*.md", "*.txt"), most, random)
    questions = _draw(_read_texts(directory, "queries.jsonl"), 100, random)
    questions = questions or [_SENTENCE.split(text)[0] for text in passages[:100]]
    if not kept.exists():
        texts = [text[:_PASSAGE] for text in passages] + questions
        np.save(kept, np.asarray(model.get_text_embedding_batch(texts), np.float32))
    vectors = _set_length(np.load(kept))
    return Sample(passages, questions, vectors[: len(passages)], vectors[len(passages) :])


def project(sample: Sample, dimension: int) -> Sample:
    """Keep the directions in which the passages differ most."""
    _, _, directions = np.linalg.svd(sample.vectors - sample.vectors.mean(0), full_matrices=False)
    kept = directions[:dimension].T
    vectors, questions = (
        _set_length(each @ kept) for each in (sample.vectors, sample.question_vectors)
    )
    return Sample(sample.passages, sample.questions, vectors, questions)


class Recombined:
    """Documents of ten chunks, by their numbers.

    A chunk has sentences of one passage and its neighbours, and a mix of their vectors with noise
    that varies as the passages do. Each document has a name (REF-0000012) and a rare word.
    """

    def __init__(self, sample: Sample) -> None:
        self._sentences = [_SENTENCE.split(text) for text in sample.passages]
        self._vectors = sample.vectors
        likeness = sample.vectors @ sample.vectors.T
        self._near = np.argsort(-likeness, axis=1)[:, 1 : _NEIGHBOURS + 1]
        dimension = sample.vectors.shape[1]
        covariance = np.cov(sample.vectors.T) + 1e-6 * np.eye(dimension)
        self._noise = _NOISE * np.linalg.cholesky(covariance).astype(np.float32).T
        weights = np.arange(1, len(sample.passages) + 1) ** -_ZIPF
        self._shares = weights / weights.sum()

    def make_document(self, number: int) -> list[TextNode]:
        """Make the chunks of a document."""
        random = np.random.default_rng(number + 1)
        anchors = random.choice(len(self._sentences), CHUNKS_A_DOCUMENT, p=self._shares)
        metadata = make_metadata(number)
        return [
            self._make_chunk(int(anchor), f"d{number}", place, metadata, random)
            for place, anchor in enumerate(anchors)
        ]

    def _make_chunk(
        self,
        anchor: int,
        document: str,
        place: int,
        metadata: dict[str, Any],
        random: np.random.Generator,
    ) -> TextNode:
        others = random.choice(self._near[anchor], _MIXED - 1, replace=False)
        members = np.array([anchor, *others])
        weights = random.dirichlet(np.ones(_MIXED)).astype(np.float32)
        noise = random.standard_normal(self._noise.shape[0], dtype=np.float32) @ self._noise
        vector = weights @ self._vectors[members] + noise
        text = f"{metadata['title']}. {self._join_sentences(members, weights, random)}"
        node = TextNode(
            id_=f"{document}:{place}",
            text=text,
            metadata=metadata,
            embedding=(vector / np.linalg.norm(vector)).tolist(),
        )
        node.relationships[NodeRelationship.SOURCE] = RelatedNodeInfo(node_id=document)
        return node

    def _join_sentences(
        self, members: NDArray[np.int64], weights: Vectors, random: np.random.Generator
    ) -> str:
        sentences: list[str] = []
        size = 0
        for member in random.choice(members, 60, p=weights / weights.sum()):
            own = self._sentences[member]
            sentences.append(own[random.integers(len(own))][:_CHARACTERS])
            size += len(sentences[-1]) + 1
            if size >= _CHARACTERS:
                break
        return " ".join(sentences)[:_CHARACTERS]


def name_document(number: int) -> str:
    return f"REF-{number:07d}"


def make_metadata(number: int) -> dict[str, Any]:
    """Metadata as documents have it, and what one in a hundred, or three in ten, share."""
    most_asked = "yes" if _spread(number + 1) % 10 < 3 else "no"  # noqa: PLR2004 - three in ten
    return {
        "title": f"{name_document(number)} {_make_rare_word(number)}",
        "path": f"shelf {number % 97}/document {number}.txt",
        "language": "en",
        "media_type": "text/plain",
        "modified": f"2026-{number % 12 + 1:02d}-{number % 28 + 1:02d}",
        "tenant": f"tenant {_spread(number) % 100}",
        "declared_tenant": _spread(number) % 100,
        "most_asked": most_asked,
        "declared_most_asked": most_asked,
    }


def _spread(number: int) -> int:
    return number * 2654435761 % 2**32 >> 7


def _make_rare_word(number: int) -> str:
    consonants, vowels = _LETTERS
    word, left = "", _spread(number)
    for _ in range(4):
        left, consonant = divmod(left, len(consonants))
        left, vowel = divmod(left, len(vowels))
        word += consonants[consonant] + vowels[vowel]
    return word


def _read_texts(directory: Path, *patterns: str) -> list[str]:
    files = sorted(file for pattern in patterns for file in directory.rglob(pattern))
    return [text for file in files for text in _read_file(file)]


def _read_file(file: Path) -> Iterator[str]:
    text = file.read_text("utf-8")
    if file.suffix == ".jsonl":
        yield from (str(json.loads(line)["text"])[:4000] for line in text.splitlines())
    else:
        yield from (each for each in text.split("\n\n") if len(each) > 200)  # noqa: PLR2004 - a paragraph, no heading


def _draw(texts: list[str], most: int, random: np.random.Generator) -> list[str]:
    order = random.permutation(len(texts))[:most]
    return [texts[place] for place in order]


def _set_length(vectors: Vectors) -> Vectors:
    unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit
