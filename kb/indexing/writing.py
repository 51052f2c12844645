"""Embed and write documents that are split: each in one transaction, embedded many at a time."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from llama_index.core.schema import TextNode

from kb.indexing.embed import ChunkEmbedder
from kb.indexing.report import Tally
from stores.errors import StoreError, StoreUnavailable
from stores.registry.document_registry import DocumentRegistry, IndexedDocument, Part

_CHUNKS_A_GROUP = 64  # a call to the embedding model; written together, so that progress shows


@dataclass(frozen=True)
class SplitDocument:
    """A document with its chunks, which wait for their embeddings."""

    document: IndexedDocument
    chunks: list[TextNode]
    is_new: bool
    part: Part | None = None
    """Of a document that comes in several parts, one after the other."""


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
        for group in _group_documents(documents):
            self.embedder.embed_chunks(
                (c for document in group for c in document.chunks), self.tally.count_embedded
            )
            written = [document for document in group if self._write_document(document)]
            self.embedder.release_embeddings(c for document in written for c in document.chunks)

    def _write_document(self, split: SplitDocument) -> bool:
        """Write a document, or note why it could not be; say whether it is written."""
        document, part = split.document, split.part
        if document.id in self.incomplete:
            return False
        try:
            if part:
                self.registry.replace_part(document, part, split.chunks)
            else:
                self.registry.replace(document, split.chunks)
        except StoreUnavailable:
            raise
        except StoreError as error:
            self.incomplete.update([document.id] if part else [])
            self.fail(document.id, document.root, document.path, str(error))
            return False
        self.tally.count_written(len(split.chunks))
        if not part or part.is_last:
            self.tally.write(document.path, is_new=split.is_new)
        return True

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
        if sum(len(member.chunks) for member in group) >= _CHUNKS_A_GROUP:
            yield group
            group = []
    if group:
        yield group
