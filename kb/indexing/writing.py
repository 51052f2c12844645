"""Embed and write documents that are split: many are embedded at a time, and more written."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from llama_index.core.schema import TextNode

from kb.indexing.embed import ChunkEmbedder
from kb.indexing.report import Tally
from stores.errors import CollectionMismatch, ModelUnavailable, StoreError, StoreUnavailable
from stores.registry.document_registry import (
    DocumentRegistry,
    IndexedDocument,
    Part,
    StorableDocument,
)

_CHUNKS_A_CALL: Final = 64  # to the embedding model, so that progress shows
# The server looks for the neighbours of each chunk, and reads anew in each transaction what it
# looks at. So the larger the table, the more is written in one.
_FEWEST, _MOST, _PART = 64, 8000, 50
_LONGEST: Final = 10.0  # seconds that what is embedded waits to be written


@dataclass(frozen=True)
class SplitDocument:
    """A document with its chunks, which wait for their embeddings."""

    document: IndexedDocument
    chunks: list[TextNode]
    is_new: bool
    part: Part | None = None
    """Of a document that comes in several parts, one after the other."""


@dataclass
class _Waiting:
    """Documents that are embedded and not written yet, since when, and how many chunks they have.

    Each has what is stored of it, and the chunks that were embedded.
    """

    documents: list[tuple[SplitDocument, StorableDocument]] = field(default_factory=list)
    chunks: int = 0
    since: float = field(default_factory=time.monotonic)

    def add(self, split: SplitDocument, storable: StorableDocument) -> None:
        self.documents.append((split, storable))
        self.chunks += len(split.chunks)


@dataclass(frozen=True)
class DocumentWriter:
    """Writes documents and failures, into the registry and into the tally of a run."""

    registry: DocumentRegistry
    embedder: ChunkEmbedder
    tally: Tally
    incomplete: set[str] = field(default_factory=set)
    """Ids of documents of which a part could not be written, so that none of the others is."""

    def write_all(self, documents: Iterable[SplitDocument]) -> None:
        """Embed and write documents as they come, group by group.

        Raises ModelUnavailable or StoreUnavailable; what was written until then stays.
        """
        waiting = _Waiting()
        try:
            for group in _group_documents(documents):
                self.embedder.embed_chunks(
                    (c for document in group for c in document.chunks), self.tally.count_embedded
                )
                self._prepare(group, waiting)
                if self._is_due(waiting):
                    self._write_together(waiting.documents)
                    waiting = _Waiting()
        except ModelUnavailable:
            self._write_together(waiting.documents)
            raise
        self._write_together(waiting.documents)

    def _prepare(self, group: Iterable[SplitDocument], waiting: _Waiting) -> None:
        """Have documents wait for their writing, and note which can not be written."""
        for split in group:
            try:
                storable = self.registry.prepare(split.document, split.chunks, split.part)
                waiting.add(split, storable)
            except StoreError as error:
                self._fail(split, error)
            for chunk in split.chunks:
                chunk.embedding = None  # the rows have it, in a tenth of the memory

    def _is_due(self, waiting: _Waiting) -> bool:
        if time.monotonic() - waiting.since > _LONGEST:
            return True
        if waiting.chunks < _FEWEST:
            return False
        return waiting.chunks >= min((self._chunks_before + self.tally.chunks) // _PART, _MOST)

    @cached_property
    def _chunks_before(self) -> int:
        """The chunks that there are when the first are to be written."""
        _, chunks = self.registry.count_totals()
        return chunks

    def _write_together(self, documents: Sequence[tuple[SplitDocument, StorableDocument]]) -> None:
        """Write documents in one transaction; if one keeps it from that, the halves by themselves.

        Each document that could not be written is noted.
        """
        documents = [each for each in documents if each[0].document.id not in self.incomplete]
        if not documents:
            return
        try:
            self.registry.replace_all([storable for _, storable in documents])
        except (StoreUnavailable, CollectionMismatch):
            raise
        except StoreError as error:
            if len(documents) == 1:
                self._fail(documents[0][0], error)
                return
            middle = len(documents) // 2
            self._write_together(documents[:middle])
            self._write_together(documents[middle:])
        else:
            for split, _ in documents:
                self.tally.count_written(len(split.chunks))
                if not split.part or split.part.is_last:
                    self.tally.write(split.document.path, is_new=split.is_new)
            self.embedder.release_embeddings(c for split, _ in documents for c in split.chunks)

    def _fail(self, split: SplitDocument, error: StoreError) -> None:
        document = split.document
        self.incomplete.update([document.id] if split.part else [])
        self.fail(document.id, document.root, document.path, str(error))

    def fail(
        self,
        document_id: str,
        root: str,
        path: str,
        reason: str,
        failed_hash: str | None = None,
        *,
        is_known: bool = False,
    ) -> None:
        """Note in the registry and in the tally why a document was not written."""
        self.registry.fail(root, path, reason, failed_hash, known_id=document_id)
        self.tally.fail(path, reason, is_known=is_known)


def _group_documents(documents: Iterable[SplitDocument]) -> Iterator[list[SplitDocument]]:
    """Yield documents together when their chunks are worth a call to the embedding model."""
    group: list[SplitDocument] = []
    for document in documents:
        group.append(document)
        if sum(len(member.chunks) for member in group) >= _CHUNKS_A_CALL:
            yield group
            group = []
    if group:
        yield group
