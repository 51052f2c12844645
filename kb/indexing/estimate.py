"""What indexing would have embedded, found out without embedding or writing anything."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from llama_index.core.schema import MetadataMode

from engines.model_calls import count_text_tokens
from kb.indexing.writing import DocumentWriter, SplitDocument
from stores.registry.document_registry import DocumentRegistry

_TEXTS_AT_ONCE: Final = 256


@dataclass
class EmbeddingEstimate:
    """Documents that would be read, their chunks, and the texts that would have to be embedded.

    `tokens` are those of these texts by the tokenizer at hand; models count a little differently.
    """

    documents: int = 0
    chunks: int = 0
    texts: int = 0
    tokens: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)


class ReadRegistry(DocumentRegistry):
    """A registry that is asked, and takes nothing."""

    def fail(self, *_: Any, **__: Any) -> None:
        pass

    def remove(self, *_: Any, **__: Any) -> None:
        pass


@dataclass(frozen=True)
class EstimatingWriter(DocumentWriter):
    """Counts the documents that it is to write, and the texts that the cache does not know."""

    estimate: EmbeddingEstimate = field(default_factory=EmbeddingEstimate)

    def write_all(self, documents: Iterable[SplitDocument]) -> None:
        seen: set[str] = set()
        waiting: list[str] = []
        for split in documents:
            is_last = split.part is None or split.part.is_last
            self.estimate.documents += is_last
            self.estimate.chunks += len(split.chunks)
            texts = {chunk.get_content(MetadataMode.EMBED) for chunk in split.chunks} - seen
            seen |= texts
            waiting += sorted(texts)
            if len(waiting) >= _TEXTS_AT_ONCE:
                self._count(waiting)
                waiting = []
            if is_last:
                self.tally.write(split.document.path, is_new=split.is_new)
        self._count(waiting)

    def _count(self, texts: list[str]) -> None:
        known = self.embedder.cache.find_known(texts)
        missing = [text for text in texts if text not in known]
        self.estimate.texts += len(missing)
        self.estimate.tokens += sum(map(count_text_tokens, missing))
