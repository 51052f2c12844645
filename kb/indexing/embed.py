"""Embed chunks: known texts from the cache, the others in batches across documents."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.schema import MetadataMode, TextNode

from engines.model_errors import model_errors
from stores.errors import InvalidVector, ModelUnavailable
from stores.registry.embedding_cache import EmbeddingCache

_TEXTS_A_CALL = 64


@dataclass(frozen=True)
class ChunkEmbedder:
    """Embeds chunks with one model and keeps each embedding in the cache.

    Each call of the model is made within `observe`.
    """

    embed_model: BaseEmbedding
    cache: EmbeddingCache
    observe: Callable[[], AbstractContextManager[None]] = nullcontext

    def embed_chunks(
        self, chunks: Iterable[TextNode], on_embedded: Callable[[int], None] = lambda _: None
    ) -> None:
        """Give every chunk its embedding.

        Raises ModelUnavailable; what the model returned until then stays in the cache.
        """
        by_text: dict[str, list[TextNode]] = {}
        for chunk in chunks:
            by_text.setdefault(chunk.get_content(MetadataMode.EMBED), []).append(chunk)
        embeddings = self._embed_texts(list(by_text), on_embedded)
        for text, same in by_text.items():
            for chunk in same:
                chunk.embedding = embeddings[text]

    def release_embeddings(self, chunks: Iterable[TextNode]) -> None:
        """Drop from the cache what is stored with these chunks."""
        self.cache.release([chunk.get_content(MetadataMode.EMBED) for chunk in chunks])

    def _embed_texts(
        self, texts: list[str], on_embedded: Callable[[int], None]
    ) -> dict[str, list[float]]:
        """Return the embedding of every text; only those not in the cache cost a call."""
        embeddings = self.cache.find_known(texts)
        on_embedded(len(embeddings))
        missing = [text for text in texts if text not in embeddings]
        for start in range(0, len(missing), _TEXTS_A_CALL):
            made = self._call_model(missing[start : start + _TEXTS_A_CALL])
            embeddings |= made
            with suppress(InvalidVector):  # documents with such a vector fail when they are written
                self.cache.remember(made)
            on_embedded(len(made))
        return embeddings

    def _call_model(self, texts: list[str]) -> dict[str, list[float]]:
        """Return the model's embeddings of a batch; raise ModelUnavailable if some lack."""
        with self.observe(), model_errors("embedding documents"):
            vectors = self.embed_model.get_text_embedding_batch(texts)
        if len(vectors) != len(texts):
            raise ModelUnavailable(
                f"The embedding model {self.embed_model.model_name} answered {len(texts)} texts "
                f"with {len(vectors)} vectors, so none of them was stored. Index again, or choose "
                "another model."
            )
        return dict(zip(texts, vectors, strict=True))
