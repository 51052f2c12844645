"""Embeddings by an English sentence model and one of many languages, side by side."""

import asyncio
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from llama_index.core.base.embeddings.base import BaseEmbedding
from numpy.typing import NDArray

from engines.search.identifiers import find_identifiers
from kb.sentence_model.files import ENCODER, MINILM
from kb.sentence_model.sentence_embedding import SentenceModel
from stores.text.text_language import detect_question_language

PAIR_NAME: Final = f"{MINILM.name}+{ENCODER.name}"
# What the English model counts for in a question, of 1. Each is far from where a little more or
# less of it would matter.
_IN_ENGLISH: Final = 0.7
_IN_OTHER_LANGUAGES: Final = 0.15


class ModelPair(BaseEmbedding):
    """Embeddings of 896 dimensions: the 384 of all-MiniLM-L6-v2 before 512 of all languages.

    A text has both halves with the same weight, so that no text needs a language. A question weighs
    them by its own: MiniLM knows English better, and no other language at all.
    """

    cache: Path
    model_name: str = PAIR_NAME
    embed_batch_size: int = 256  # texts of similar length are run together; more texts fit better

    @classmethod
    def class_name(cls) -> str:
        return "ModelPair"

    @property
    def parts(self) -> Sequence[SentenceModel]:
        """The English model and that of all languages."""
        return [
            SentenceModel(directory=model.directory(self.cache), model_name=model.name)
            for model in (MINILM, ENCODER)
        ]

    def _get_query_embedding(self, query: str) -> list[float]:
        english = _weigh_english(query)
        halves = [np.array(part.get_query_embedding(query)) for part in self.parts]
        weighed = np.concatenate([halves[0] * english, halves[1] * (1 - english)])
        embedding: list[float] = (weighed / np.linalg.norm(weighed)).tolist()
        return embedding

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._get_text_embeddings([text])[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        halves: list[NDArray[np.float64]] = [
            np.array(part._get_text_embeddings(texts))  # noqa: SLF001 - of the same package, without events for each half
            for part in self.parts
        ]
        embeddings: list[list[float]] = (np.hstack(halves) / np.sqrt(2)).tolist()
        return embeddings

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return await asyncio.to_thread(self._get_query_embedding, query)

    async def _aget_text_embedding(self, text: str) -> list[float]:
        return await asyncio.to_thread(self._get_text_embedding, text)

    async def _aget_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return await asyncio.to_thread(self._get_text_embeddings, texts)


@lru_cache(maxsize=1000)
def _weigh_english(query: str) -> float:
    """Return what the English model counts for in a question."""
    language = detect_question_language(query, find_identifiers(query))
    return _IN_ENGLISH if language == "en" else _IN_OTHER_LANGUAGES
