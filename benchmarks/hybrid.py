"""kb's ranking over chunks in memory, exact: BM25 by coverage, and cosine."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np
from llama_index.core.base.embeddings.base import BaseEmbedding
from numpy.typing import NDArray

from stores.text.words import stem_words

K1, B = 1.2, 0.75
BATCH = 512

Scores = NDArray[np.float32]


class BM25:
    """BM25 divided by what the query could reach: 0..1."""

    def __init__(self, texts: Sequence[str], language: str) -> None:
        self._language = language
        counts = [Counter(stem_words(text, language)) for text in texts]
        lengths = np.array([count.total() for count in counts], np.float32)
        self._norm = K1 * (1 - B + B * lengths / max(lengths.mean(), 1))
        postings: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for chunk, count in enumerate(counts):
            for word, frequency in count.items():
                postings[word].append((chunk, frequency))
        self._postings = {word: np.array(pairs).T for word, pairs in postings.items()}

    def scores(self, query: str) -> Scores:
        total, reach = np.zeros(len(self._norm), np.float32), 0.0
        for word in set(stem_words(query, self._language)):
            chunks, frequencies = self._postings.get(word, np.empty((2, 0), int))
            idf = np.log(1 + (len(total) - len(chunks) + 0.5) / (len(chunks) + 0.5))
            total[chunks] += idf * frequencies * (K1 + 1) / (frequencies + self._norm[chunks])
            reach += idf * (K1 + 1)
        return total / np.float32(reach or 1)


class Embedder:
    """Unit vectors of texts, each made once; `file` keeps them for the next run."""

    def __init__(self, model: BaseEmbedding, file: Path | None) -> None:
        self._model, self._file = model, file
        self._known: dict[str, Scores] = {}
        if file and file.exists():
            with np.load(file) as kept:
                self._known = dict(zip(kept["keys"].tolist(), kept["vectors"], strict=True))

    def vectors(self, texts: Sequence[str]) -> Scores:
        missing = sorted({text for text in texts if key(text) not in self._known}, key=len)
        for start in range(0, len(missing), BATCH):
            batch = missing[start : start + BATCH]
            made = np.asarray(self._model.get_text_embedding_batch(batch), np.float32)
            self._known.update(zip(map(key, batch), made, strict=True))
        if missing and self._file:
            np.savez(self._file, keys=list(self._known), vectors=[*self._known.values()])
        return np.stack([self._known[key(text)] for text in texts])


def key(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def ranked(bm25: BM25, vectors: Scores, query: str, embedded: Scores, weight: float) -> list[int]:
    """Return the chunks, best first; `weight` is that of the vectors."""
    cosines = np.clip(vectors @ embedded, 0, None)
    dense = cosines / max(cosines.max(), 1e-9)
    scores = weight * dense + (1 - weight) * bm25.scores(query)
    return [int(chunk) for chunk in np.argsort(-scores, kind="stable")]
