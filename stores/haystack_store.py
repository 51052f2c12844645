"""MariaDBHaystackStore: Haystack's document store over the table of a MariaDBVectorStore.

It needs the extra haystack, and nothing else of kb imports it but `stores.haystack_retrievers`.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, assert_never

from haystack import Document, default_from_dict, default_to_dict
from haystack.core.serialization import component_to_dict
from haystack.document_stores.errors import DuplicateDocumentError
from haystack.document_stores.types import DuplicatePolicy
from haystack.utils import Secret
from llama_index.core.schema import BaseNode, MetadataMode, TextNode
from llama_index.core.vector_stores.types import VectorStoreQuery, VectorStoreQueryMode

from stores.chunks import metadata_values
from stores.chunks.chunk_table import Distance, Words
from stores.chunks.vector_store import MariaDBVectorStore
from stores.connection import make_engine
from stores.errors import ChunkExists, StoreError
from stores.haystack_filters import MalformedFilter, compile_filters

Filters = Mapping[str, Any]

_TYPES = {"INTEGER": "int", "DOUBLE": "float", "BOOLEAN": "boolean"}


class MariaDBHaystackStore:
    """Haystack documents in the chunks of a table: what LlamaIndex writes, too, and may read.

    `url` is a Secret of an environment variable, so that a pipeline that is written out holds the
    name of the variable alone. A table of chunks has a vector in each row: documents that come
    without an embedding are embedded by `embedder`, a component of Haystack's that embeds
    documents, and refused without one. Embeddings come back in single precision.
    """

    def __init__(
        self,
        url: Secret,
        table_name: str = "kb_chunk",
        *,
        embed_dim: int,
        distance: Distance = "cosine",
        m: int = 12,
        ef_search: int = 64,
        filter_keys: Sequence[str] = (),
        words: Words = "bm25",
        embedder: Any = None,
    ) -> None:
        self._url: Secret | None = url
        self.embedder = embedder
        self.store = MariaDBVectorStore(
            make_engine(_resolve(url)),
            table_name,
            embed_dim=embed_dim,
            distance=distance,
            m=m,
            ef_search=ef_search,
            filter_keys=filter_keys,
            words=words,
        )

    @classmethod
    def from_store(
        cls, store: MariaDBVectorStore, *, embedder: Any = None
    ) -> "MariaDBHaystackStore":
        """Open a store for Haystack. A pipeline with it cannot be written out."""
        opened = cls.__new__(cls)
        opened._url, opened.store, opened.embedder = None, store, embedder  # noqa: SLF001 - of the same class
        return opened

    def to_dict(self) -> dict[str, Any]:
        """Describe the store without its secret. Raises StoreError for one made by `from_store`."""
        if self._url is None:
            raise StoreError(
                f"The store of {self.store.table_name} was made from a MariaDBVectorStore, "
                "whose address stands in no environment variable. To write a pipeline out, make it "
                "by MariaDBHaystackStore(Secret.from_env_var(…), …)."
            )
        store = self.store
        described: dict[str, Any] = default_to_dict(
            self,
            url=self._url,
            table_name=store.table_name,
            embed_dim=store.embed_dim,
            distance=store.distance,
            m=store.m,
            ef_search=store.ef_search,
            filter_keys=[*store.filter_keys],
            words=store.words,
            embedder=self.embedder and component_to_dict(self.embedder, "embedder"),
        )
        return described

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "MariaDBHaystackStore":
        """Make the store that was described; it connects when it is first used."""
        made: MariaDBHaystackStore = default_from_dict(cls, data)
        return made

    def count_documents(self) -> int:
        return self.store.count_nodes()

    def count_documents_by_filter(self, filters: Filters) -> int:
        return self.store.count_nodes(compile_filters(filters))

    def filter_documents(self, filters: Filters | None = None) -> list[Document]:
        """List the documents that match, with their embeddings, in the order of their writing.

        Raises MalformedFilter, which is Haystack's FilterError.
        """
        return [
            make_document(node) for node in self.store.get_nodes(filters=compile_filters(filters))
        ]

    def write_documents(
        self, documents: list[Document], policy: DuplicatePolicy = DuplicatePolicy.NONE
    ) -> int:
        """Write all of the documents or none, and count those that were written.

        Without a policy, one that is there already is an error. Raises DuplicateDocumentError,
        InvalidVector, and StoreError for what a chunk has no place for.
        """
        _check_documents(documents)
        nodes = [_make_chunk(document) for document in self._embed(documents)]
        try:
            match policy:
                case DuplicatePolicy.NONE | DuplicatePolicy.FAIL:
                    return len(self.store.add_new(nodes))
                case DuplicatePolicy.SKIP:
                    return len(self.store.add_new(nodes, skip_known=True))
                case DuplicatePolicy.OVERWRITE:
                    return len(self.store.add(nodes))
                case _:
                    assert_never(policy)
        except ChunkExists as error:
            raise DuplicateDocumentError(str(error)) from error

    def delete_documents(self, document_ids: list[str]) -> None:
        """Remove the documents with these ids; those that are not there are no error."""
        self.store.delete_nodes(document_ids)

    def delete_all_documents(self) -> None:
        """Remove all that the table holds, whoever wrote it."""
        self.store.clear()

    def delete_by_filter(self, filters: Filters) -> int:
        """Remove the documents that match, and count them."""
        return self.store.delete_matching(_require_filters(filters))

    def update_by_filter(self, filters: Filters, meta: dict[str, Any]) -> int:
        """Set these keys in the meta of the documents that match, and count them."""
        return self.store.update_metadata(_require_filters(filters), meta)

    def count_unique_metadata_by_filter(
        self, filters: Filters, metadata_fields: list[str]
    ) -> dict[str, int]:
        """Count the different values of each field among the documents that match."""
        keys = [_name_key(field) for field in metadata_fields]
        return self.store.read_metadata(
            compile_filters(filters),
            lambda search: {key: metadata_values.count_values(search, key) for key in keys},
        )

    def get_metadata_fields_info(self) -> dict[str, dict[str, str]]:
        """Name the fields of all documents, each with the type of its values."""
        found = self.store.read_metadata(None, metadata_values.list_keys)
        return {
            key: {"type": _name_type(types)} for key, types in found.items() if types != {"NULL"}
        }

    def get_metadata_field_min_max(self, metadata_field: str) -> dict[str, Any]:
        """Find the least and the greatest number or string of a field; None for a mixture."""
        find = partial(metadata_values.find_extremes, key=_name_key(metadata_field))
        return dict(zip(("min", "max"), self.store.read_metadata(None, find), strict=True))

    def get_metadata_field_unique_values(
        self,
        metadata_field: str,
        search_term: str | None = None,
        from_: int = 0,
        size: int = 10,
        filters: Filters | None = None,
    ) -> tuple[list[Any], int]:
        """List a page of the different values of a field, and count all of them."""
        return self.store.read_metadata(
            compile_filters(filters),
            lambda search: metadata_values.list_values(
                search,
                _name_key(metadata_field),
                within=search_term or "",
                offset=from_,
                limit=size,
            ),
        )

    def search(
        self,
        *,
        words: str | None = None,
        embedding: list[float] | None = None,
        filters: Filters | None = None,
        top_k: int = 10,
        **options: Any,
    ) -> list[Document]:
        """Find by vector, by words or by both, the best first, with scores and without embeddings.

        `options` are those of a MariaDBVectorStore's query, as `fusion`. Raises StoreError.
        """
        mode = VectorStoreQueryMode.HYBRID if words else VectorStoreQueryMode.DEFAULT
        if embedding is None:
            mode = VectorStoreQueryMode.TEXT_SEARCH
        query = VectorStoreQuery(
            query_str=words,
            query_embedding=embedding,
            similarity_top_k=top_k,
            mode=mode,
            filters=compile_filters(filters),
        )
        found = self.store.query(query, **options)
        scored = zip(found.nodes or [], found.similarities or [], strict=True)
        return [replace(make_document(node), score=score) for node, score in scored]

    async def count_documents_async(self) -> int:
        return await asyncio.to_thread(self.count_documents)

    async def count_documents_by_filter_async(self, filters: Filters) -> int:
        return await asyncio.to_thread(self.count_documents_by_filter, filters)

    async def filter_documents_async(self, filters: Filters | None = None) -> list[Document]:
        return await asyncio.to_thread(self.filter_documents, filters)

    async def write_documents_async(
        self, documents: list[Document], policy: DuplicatePolicy = DuplicatePolicy.NONE
    ) -> int:
        return await asyncio.to_thread(self.write_documents, documents, policy)

    async def delete_documents_async(self, document_ids: list[str]) -> None:
        await asyncio.to_thread(self.delete_documents, document_ids)

    async def delete_all_documents_async(self) -> None:
        await asyncio.to_thread(self.delete_all_documents)

    async def delete_by_filter_async(self, filters: Filters) -> int:
        return await asyncio.to_thread(self.delete_by_filter, filters)

    async def update_by_filter_async(self, filters: Filters, meta: dict[str, Any]) -> int:
        return await asyncio.to_thread(self.update_by_filter, filters, meta)

    async def count_unique_metadata_by_filter_async(
        self, filters: Filters, metadata_fields: list[str]
    ) -> dict[str, int]:
        return await asyncio.to_thread(
            self.count_unique_metadata_by_filter, filters, metadata_fields
        )

    async def get_metadata_fields_info_async(self) -> dict[str, dict[str, str]]:
        return await asyncio.to_thread(self.get_metadata_fields_info)

    async def get_metadata_field_min_max_async(self, metadata_field: str) -> dict[str, Any]:
        return await asyncio.to_thread(self.get_metadata_field_min_max, metadata_field)

    async def get_metadata_field_unique_values_async(
        self,
        metadata_field: str,
        search_term: str | None = None,
        from_: int = 0,
        size: int = 10,
        filters: Filters | None = None,
    ) -> tuple[list[Any], int]:
        return await asyncio.to_thread(
            self.get_metadata_field_unique_values, metadata_field, search_term, from_, size, filters
        )

    async def search_async(self, **asked: Any) -> list[Document]:
        """Find as `search` does."""
        return await asyncio.to_thread(partial(self.search, **asked))

    def _embed(self, documents: list[Document]) -> list[Document]:
        """Embed the documents that have no embedding, in their order among the others."""
        without = [document for document in documents if document.embedding is None]
        if not without:
            return documents
        if self.embedder is None:
            raise StoreError(
                f"{len(without)} of {len(documents)} documents have no embedding, as "
                f"{without[0].id!r}, and each row of {self.store.table_name} has one. Let an "
                "embedder of documents run before the writer, or give the store one as `embedder`."
            )
        embedded = iter(self.embedder.run(documents=without)["documents"])
        return [next(embedded) if each.embedding is None else each for each in documents]


def make_document(node: BaseNode) -> Document:
    """Make Haystack's document of a chunk, whatever wrote it."""
    text = node.get_content(metadata_mode=MetadataMode.NONE)
    return Document(id=node.node_id, content=text, meta=node.metadata, embedding=node.embedding)


def _make_chunk(document: Document) -> TextNode:
    for name in ("blob", "sparse_embedding"):
        if getattr(document, name) is not None:
            raise StoreError(
                f"The document {document.id!r} has a {name}, for which a chunk has no place. Write "
                f"it elsewhere, and the document with {name}=None."
            )
    if document.content is None:
        raise StoreError(
            f"The document {document.id!r} has no content; a chunk is a text with its embedding."
        )
    return TextNode(
        id_=document.id,
        text=document.content,
        metadata=document.meta,
        embedding=document.embedding,
    )


def _resolve(url: Secret) -> str:
    if not isinstance(url, Secret):
        raise StoreError(
            f"url is a {type(url).__name__}; give Secret.from_env_var(NAME), so that no pipeline "
            "holds the password of the database."
        )
    return str(url.resolve_value())


def _check_documents(documents: list[Document]) -> None:
    if not isinstance(documents, list) or not all(isinstance(each, Document) for each in documents):
        raise ValueError("Documents come as a list of haystack.Document, and of nothing else.")


def _require_filters(filters: Filters) -> Any:
    if compiled := compile_filters(filters):
        return compiled
    raise MalformedFilter(
        "An empty filter matches everything, whoever wrote it. Say which documents are meant; "
        "delete_all_documents removes all."
    )


def _name_key(field: str) -> str:
    return field.removeprefix("meta.")


def _name_type(types: set[str]) -> str:
    """Name the type of a field in Haystack's words."""
    kinds = {_TYPES.get(each, "keyword") for each in types - {"NULL"}}
    return kinds.pop() if len(kinds) == 1 else "float" if kinds == {"int", "float"} else "keyword"
