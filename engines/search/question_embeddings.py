"""Embeddings of questions that were embedded before."""

import asyncio
from array import array
from typing import Any, NoReturn

from llama_index.core.storage.kvstore.types import BaseKVStore

from engines.model_calls import find_listening
from stores.caches.cache import Cache, make_key


class QuestionEmbeddings(BaseKVStore):
    """What one model made of questions, as the `embeddings_cache` of a LlamaIndex model.

    That model embeds questions and nothing else: LlamaIndex asks with no more than the text, and
    many models embed a passage otherwise than a question. `model` is all that names the model, as
    others may share the cache.
    """

    def __init__(self, cache: Cache, *model: str | None) -> None:
        self.cache = cache
        self._model = model

    def get(self, key: str, collection: str = "") -> dict[str, Any] | None:
        """Return the embedding of a question; one that is known takes no tokens."""
        kept = self.cache.find(self._make_key(key))
        if kept is None:
            return None
        if calls := find_listening():
            calls.note_reported_tokens(0)
        vector = array("d")
        vector.frombytes(kept)
        return {collection: vector.tolist()}

    def put(
        self,
        key: str,
        val: dict[str, Any],
        collection: str = "",  # noqa: ARG002 - as LlamaIndex calls it
    ) -> None:
        """Keep the embedding of a question."""
        [numbers] = val.values()
        self.cache.keep(self._make_key(key), array("d", numbers).tobytes())

    def _make_key(self, question: str) -> bytes:
        return make_key(*self._model, question)

    async def aget(self, key: str, collection: str = "") -> dict[str, Any] | None:
        """Do what `get` does."""
        if self.cache.place.is_far:
            return await asyncio.to_thread(self.get, key, collection)
        return self.get(key, collection)

    async def aput(self, key: str, val: dict[str, Any], collection: str = "") -> None:
        """Do what `put` does."""
        if self.cache.place.is_far:
            await asyncio.to_thread(self.put, key, val, collection)
        else:
            self.put(key, val, collection)

    def get_all(self, collection: str = "") -> NoReturn:
        """Raise NotImplementedError: a model asks for one question at a time."""
        raise NotImplementedError

    async def aget_all(self, collection: str = "") -> NoReturn:
        """Raise NotImplementedError, as `get_all` does."""
        raise NotImplementedError

    def delete(self, key: str, collection: str = "") -> NoReturn:
        """Raise NotImplementedError: an embedding is right for as long as its model."""
        raise NotImplementedError

    async def adelete(self, key: str, collection: str = "") -> NoReturn:
        """Raise NotImplementedError, as `delete` does."""
        raise NotImplementedError
