"""Embeddings of questions that were embedded before, kept in this process."""

from array import array
from collections.abc import Callable, Iterable
from sys import getsizeof
from threading import Lock
from typing import Any, Final, NamedTuple, NoReturn

from cachetools import TTLCache
from llama_index.core.storage.kvstore.types import BaseKVStore

from engines.model_calls import find_listening

_OVERHEAD: Final = 400  # bytes of an entry beside its text and its numbers; measured, rounded up


class QuestionEmbeddings(BaseKVStore):
    """What one model made of questions; the ones used least lately go when the bytes are full.

    It is the `embeddings_cache` of a LlamaIndex model that embeds questions and nothing else: the
    key has no more than the text, and many models embed a passage otherwise than a question.
    `on_lookup` is called with each lookup, and whether the question was known.
    """

    def __init__(
        self, most_bytes: int, seconds: float, on_lookup: Iterable[Callable[[bool], None]] = ()
    ) -> None:
        self._entries: TTLCache[str, _Entry] = TTLCache(
            most_bytes, seconds, getsizeof=lambda entry: entry.size
        )
        self._on_lookup = on_lookup
        self._lock = Lock()

    def get(self, key: str, collection: str = "") -> dict[str, Any] | None:
        """Return the embedding of a question; one that is known takes no tokens."""
        with self._lock:
            entry = self._entries.get(key)
        for note in self._on_lookup:
            note(entry is not None)
        if entry is None:
            return None
        if calls := find_listening():
            calls.note_reported_tokens(0)
        return {collection: entry.vector.tolist()}

    def put(
        self,
        key: str,
        val: dict[str, Any],
        collection: str = "",  # noqa: ARG002 - as LlamaIndex calls it
    ) -> None:
        """Keep the embedding of a question, unless it alone is larger than the cache."""
        [numbers] = val.values()
        vector = array("d", numbers)
        size = getsizeof(key) + len(vector) * vector.itemsize + _OVERHEAD
        with self._lock:
            if size <= self._entries.maxsize:
                self._entries[key] = _Entry(vector, size)

    async def aget(self, key: str, collection: str = "") -> dict[str, Any] | None:
        """Do what `get` does."""
        return self.get(key, collection)

    async def aput(self, key: str, val: dict[str, Any], collection: str = "") -> None:
        """Do what `put` does."""
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


class _Entry(NamedTuple):
    """An embedding, and the bytes that are counted for it."""

    vector: "array[float]"
    size: int
