"""Add the rows of another framework's table as documents: each row a chunk, as it is."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import pairwise
from statistics import median
from typing import Any, Final

import numpy as np
from llama_index.core.schema import MetadataMode, NodeRelationship, RelatedNodeInfo, TextNode

from engines.model_errors import model_errors
from kb.indexing.added import (
    MEDIA_TYPE_KEYS,
    MOST_ID,
    MOST_MEDIA_TYPE,
    OWN_KEYS,
    DocumentAdder,
    choose_title,
    why_unfit,
)
from kb.indexing.embed import ChunkEmbedder
from kb.indexing.report import IndexReport
from kb.indexing.walk import make_storable
from kb.indexing.writing import DocumentWriter, SplitDocument
from stores.errors import CollectionMismatch, StoreError, StoreUnavailable
from stores.moves.foreign_tables import ForeignDocument, ForeignRow, ForeignTable, follows
from stores.plain_json import write_plain_json
from stores.registry.document_registry import (
    IndexedDocument,
    KnownDocument,
    Part,
    chunk_prefix,
    document_id,
)
from stores.text.text_language import detect_language, language_code
from stores.text.translations import Message

_ROWS_TOGETHER: Final = 500
_KEPT_BY_KB: Final = ("path", "root")
"""Metadata that a chunk has of kb; those of a row that are called so get another name."""
_SAMPLED: Final = 8
_SAME: Final = 0.9
"""Cosines of one model's vectors of the same text are near 1, those of two models near 0."""
_LANGUAGE_CHARACTERS: Final = 20_000

ReadPlaces = Callable[[Sequence[Any]], list[ForeignRow]]


def add_table_rows(
    adder: DocumentAdder, table: ForeignTable, root: str, *, same_model: bool
) -> IndexReport:
    """Add the rows of a table below a root, with `same_model` by the vectors that they have.

    Rows without text are left out, and it is said how many. Raises what `adder.add` raises,
    CollectionMismatch for vectors of another model, StoreError for what the table is not.
    """
    documents, embedder = table.list_documents(), adder.embedder
    if same_model:
        _require_same_model(table, documents, embedder, adder.registry.table.dimension)
        given = _GivenVectors(embedder.embed_model, embedder.cache, embedder.observe)
        adder = replace(adder, embedder=given)
    rows = _RowAddition(table, documents, keeps_vectors=same_model)
    report = adder.write_below(root, len(documents), rows.split_all)
    if rows.blank_rows:
        adder.say(
            Message.of_number(
                "{n} row without text was left out.",
                "{n} rows without text were left out.",
                rows.blank_rows,
            )
        )
    return report


@dataclass(frozen=True)
class _GivenVectors(ChunkEmbedder):
    """Leaves to each chunk the vector that it came with, and embeds the others."""

    def embed_chunks(
        self, chunks: Iterable[TextNode], on_embedded: Callable[[int], None] = lambda _: None
    ) -> None:
        super().embed_chunks((c for c in chunks if c.embedding is None), on_embedded)


def _require_same_model(
    table: ForeignTable,
    documents: Iterable[ForeignDocument],
    embedder: ChunkEmbedder,
    dimension: int,
) -> None:
    """Raise CollectionMismatch when the vectors of a table are not of the embedding model.

    That is known by their dimension, and by some texts, which are embedded anew and compared.
    """
    again = "or have all texts embedded again: --embed-again"
    if table.dimension != dimension:
        raise CollectionMismatch(
            f"The table holds vectors of {table.dimension} dimensions, this base of {dimension}. "
            f"Name the model of the table in `embedding`, {again}"
        )
    places = [place for document in documents for place in document.places]
    sampled = places[:: max(1, len(places) // _SAMPLED)][:_SAMPLED]
    nodes = [row.node for row in table.read_rows(sampled).values()]
    nodes = [node for node in nodes if node.embedding and node.text.strip()]
    if not nodes:
        return
    texts = [node.get_content(MetadataMode.EMBED) for node in nodes]
    with embedder.observe(), model_errors("embedding some texts of the table"):
        anew = embedder.embed_model.get_text_embedding_batch(texts)
    there = [node.get_embedding() for node in nodes]
    likeness = median(map(_cosine, anew, there))
    if not likeness >= _SAME:
        raise CollectionMismatch(
            f"{len(nodes)} texts of the table were embedded with {embedder.embed_model.model_name} "
            f"and compared: their vectors there are of another model (a cosine of {likeness:.2f}, "
            f"where 1 is the same). Name the model of the table in `embedding`, {again}"
        )


def _cosine(one: Sequence[float], other: Sequence[float]) -> float:
    a, b = np.asarray(one), np.asarray(other)
    return float(a @ b / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-12))


@dataclass
class _RowAddition:
    """The rows of one table; with `keeps_vectors` they answer with the vectors they have."""

    table: ForeignTable
    documents: Sequence[ForeignDocument]
    keeps_vectors: bool
    blank_rows: int = field(default=0, init=False)

    def split_all(
        self, writer: DocumentWriter, root: str, known: Mapping[str, KnownDocument]
    ) -> Iterator[SplitDocument]:
        """Yield what is new or has changed; count what is not, and note what cannot be added."""
        seen = set[str]()
        for group in _group_by_rows(self.documents):
            read = self._prefetch(group)
            for document in group:
                path = make_storable(document.name)
                if reason := why_unfit(path, seen):
                    writer.tally.fail(path[:MOST_ID], reason)
                    continue
                seen.add(path)
                last = known.get(path)
                id_ = last.id if last else document_id(root, path)
                try:
                    indexed = self._describe(document, id_, root, path, read)
                    if indexed is None:
                        writer.fail(id_, root, path, "it has no text")
                    elif last and last.is_current(str(indexed.content_hash)):
                        writer.tally.count_unchanged(path)
                    else:
                        is_new = not (last and last.stored)
                        yield from self._split(document, indexed, read, is_new=is_new)
                except StoreUnavailable:
                    raise
                except StoreError as error:
                    writer.fail(id_, root, path, str(error))

    def _prefetch(self, group: Sequence[ForeignDocument]) -> ReadPlaces:
        """Return what reads rows: from memory those of small documents, which are read at once."""
        places = [place for document in group for place in document.places]
        read = self.table.read_rows
        if len(places) <= _ROWS_TOGETHER:
            there = read(places)
            return lambda some: [there[place] for place in some if place in there]
        return lambda some: [row for row in map(read(some).get, some) if row]

    def _describe(
        self, document: ForeignDocument, id_: str, root: str, path: str, read: ReadPlaces
    ) -> IndexedDocument | None:
        """Describe a document by all of its rows; None if none has any text."""
        written, size, sample, first = sha256(), 0, "", None
        for places in _cut(document.places):
            for row in read(places):
                if not row.node.text.strip():
                    self.blank_rows += 1
                    continue
                first = first or row
                size += len(row.node.text.encode("utf-8", "replace"))
                if len(sample) < _LANGUAGE_CHARACTERS:
                    sample += f"{row.node.text}\n"
                written.update(self._write_row(row))
        if first is None:
            return None
        metadata = first.node.metadata
        media_type = next((metadata[key] for key in MEDIA_TYPE_KEYS if metadata.get(key)), "")
        return IndexedDocument(
            id=id_,
            root=root,
            path=path,
            content_hash=written.hexdigest(),
            size=size,
            modified_at=None,
            media_type=str(media_type)[:MOST_MEDIA_TYPE] or "text/plain",
            title=choose_title(path, metadata, "", "text"),
            language=language_code(str(metadata.get("language") or "")) or detect_language(sample),
        )

    def _write_row(self, row: ForeignRow) -> bytes:
        """Write all that a chunk of the row depends on."""
        node = row.node.model_dump(mode="json", exclude={"embedding", "id_"})
        vector = row.node.embedding if self.keeps_vectors else None
        return write_plain_json([row.id, node, vector], sort_keys=True).encode("utf-8", "replace")

    def _split(
        self, document: ForeignDocument, indexed: IndexedDocument, read: ReadPlaces, *, is_new: bool
    ) -> Iterator[SplitDocument]:
        """Yield a document, one of many rows in parts."""
        cut, done = _cut(document.places), 0
        for number, places in enumerate(cut):
            rows = [row for row in read(places) if row.node.text.strip()]
            prefix = chunk_prefix(indexed.id, number)
            chunks = [
                self._make_chunk(row, f"{prefix}{n:05d}", indexed) for n, row in enumerate(rows)
            ]
            _link(rows, chunks)
            done += len(chunks)
            part = Part(number, done, is_last=number == len(cut) - 1) if len(cut) > 1 else None
            yield SplitDocument(indexed, chunks, is_new, part)

    def _make_chunk(self, row: ForeignRow, id_: str, indexed: IndexedDocument) -> TextNode:
        """Make the chunk of a row, with metadata that kb adds and no embedding model is told."""
        theirs = row.node.metadata
        known = {
            "title": indexed.title,
            "media_type": indexed.media_type,
            "size": indexed.size,
            **({"language": indexed.language} if indexed.language else {}),
        }
        renamed = {f"row_{key}": theirs[key] for key in _KEPT_BY_KB if key in theirs}
        own = {**renamed, "row_id": row.id, "path": indexed.path, "root": indexed.root}
        missing = {key: value for key, value in known.items() if key not in theirs}
        added = [*own, *missing]
        return row.node.model_copy(
            update={
                "id_": id_,
                "metadata": {**theirs, **missing, **own},  # in their order, which is embedded
                "relationships": {
                    NodeRelationship.SOURCE: RelatedNodeInfo(node_id=indexed.id),
                },
                "excluded_embed_metadata_keys": [*row.node.excluded_embed_metadata_keys, *added],
                "excluded_llm_metadata_keys": [
                    *dict.fromkeys([*row.node.excluded_llm_metadata_keys, *OWN_KEYS, *own])
                ],
                "embedding": row.node.embedding if self.keeps_vectors else None,
            }
        )


def _link(rows: Sequence[ForeignRow], chunks: Sequence[TextNode]) -> None:
    """Have chunks know their neighbours where their rows say that one follows the other."""
    for (row, left), (other, right) in pairwise(zip(rows, chunks, strict=True)):
        if follows(row.node, other):
            left.relationships[NodeRelationship.NEXT] = RelatedNodeInfo(node_id=right.node_id)
            right.relationships[NodeRelationship.PREVIOUS] = RelatedNodeInfo(node_id=left.node_id)


def _cut(places: Sequence[Any]) -> list[Sequence[Any]]:
    return [
        places[start : start + _ROWS_TOGETHER] for start in range(0, len(places), _ROWS_TOGETHER)
    ]


def _group_by_rows(documents: Iterable[ForeignDocument]) -> Iterator[list[ForeignDocument]]:
    """Group documents whose rows are read at once; a larger one is alone."""
    group: list[ForeignDocument] = []
    rows = 0
    for document in documents:
        if group and rows + len(document.places) > _ROWS_TOGETHER:
            yield group
            group, rows = [], 0
        group.append(document)
        rows += len(document.places)
    if group:
        yield group
