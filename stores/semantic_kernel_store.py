"""Semantic Kernel's collection over a MariaDBVectorStore, and its store of such collections.

It needs the extra semantic-kernel, and nothing else of kb imports it.
"""

import asyncio
from ast import AST
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

import sqlalchemy as sa
from llama_index.core.schema import BaseNode, MetadataMode, TextNode
from llama_index.core.vector_stores.types import (
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
)
from semantic_kernel.connectors.ai.embedding_generator_base import EmbeddingGeneratorBase
from semantic_kernel.data.vector import (
    DistanceFunction,
    GetFilteredRecordOptions,
    KernelSearchResults,
    SearchType,
    VectorSearch,
    VectorSearchOptions,
    VectorSearchResult,
    VectorStore,
    VectorStoreCollection,
    VectorStoreCollectionDefinition,
    VectorStoreField,
)

from stores.chunks.chunk_table import Distance, Words, list_chunk_tables
from stores.chunks.filter_groups import Part, all_of
from stores.chunks.vector_store import MariaDBVectorStore
from stores.connection import read_snapshot
from stores.errors import CollectionMismatch, StoreError
from stores.semantic_kernel_filters import compile_lambda

Record = TypeVar("Record")
Row = dict[str, Any]
Scored = tuple[Row, float]

_DISTANCES: dict[Distance, set[DistanceFunction]] = {
    "cosine": {
        DistanceFunction.DEFAULT,
        DistanceFunction.COSINE_SIMILARITY,
        DistanceFunction.COSINE_DISTANCE,
    },
    "euclidean": {DistanceFunction.DEFAULT, DistanceFunction.EUCLIDEAN_DISTANCE},
}


class MariaDBSemanticKernelCollection(
    VectorStoreCollection[str, Record], VectorSearch[str, Record], Generic[Record]
):
    """Records of Semantic Kernel in the chunks of `store`, which LlamaIndex writes and reads too.

    The key of a record is the id of its chunk, its one vector field the embedding, its one field
    with is_full_text_indexed the text, and each other data field a key of the metadata. An upsert
    replaces the chunk with all of its metadata. Errors of kb come wrapped in Semantic Kernel's.
    """

    store: MariaDBVectorStore
    supported_key_types: ClassVar[set[str] | None] = {"str"}
    supported_search_types: ClassVar[set[SearchType]] = {
        SearchType.VECTOR,
        SearchType.KEYWORD_HYBRID,
    }

    def __init__(
        self,
        record_type: type[Record],
        store: MariaDBVectorStore,
        *,
        definition: VectorStoreCollectionDefinition | None = None,
        embedding_generator: EmbeddingGeneratorBase | None = None,
    ) -> None:
        super().__init__(
            record_type=record_type,
            store=store,
            definition=definition,
            embedding_generator=embedding_generator,
            collection_name=store.table_name,
            managed_client=False,
        )

    def _validate_data_model(self) -> None:
        super()._validate_data_model()
        texts = [field.name for field in self.definition.data_fields if field.is_full_text_indexed]
        vectors = [field.name for field in self.definition.vector_fields]
        for kind, names in (("data field with is_full_text_indexed", texts), ("vector", vectors)):
            if len(names) != 1:
                raise StoreError(
                    f"The records have {len(names)} of the kind {kind}"
                    f"{', ' if names else ''}{' and '.join(names)}; a chunk has one text and one "
                    "vector. Mark one field."
                )
        vector = self.definition.vector_fields[0]
        if vector.dimensions != self.store.embed_dim:
            raise CollectionMismatch(
                f"The field {vector.name} has {vector.dimensions} dimensions, the embeddings of "
                f"{self.store.table_name} have {self.store.embed_dim}."
            )
        allowed = _DISTANCES[self.store.distance]
        if vector.distance_function not in allowed:
            raise StoreError(
                f"The field {vector.name} asks for {vector.distance_function}; the table "
                f"{self.store.table_name} is indexed by {self.store.distance} distance, for which "
                f"there are {', '.join(sorted(each.value for each in allowed))}."
            )

    @property
    def _text_field(self) -> VectorStoreField:
        return next(field for field in self.definition.data_fields if field.is_full_text_indexed)

    def _serialize_dicts_to_store_models(
        self, records: Sequence[Row], **_: Any
    ) -> Sequence[TextNode]:
        return [self._make_record_chunk(record) for record in records]

    def _deserialize_store_models_to_dicts(self, records: Sequence[Row], **_: Any) -> Sequence[Row]:
        return records

    def _make_record_chunk(self, record: Mapping[str, Any]) -> TextNode:
        text, vector = self._text_field, self.definition.vector_fields[0]
        others = [field for field in self.definition.data_fields if field is not text]
        id_ = _take(record, self.definition.key_field)
        if not isinstance(id_, str) or not isinstance(_take(record, text), str):
            raise StoreError(f"The record {id_!r} lacks its key or its text; both are strings.")
        return TextNode(
            id_=id_,
            text=_take(record, text),
            embedding=_take(record, vector),
            metadata={_name_field(field): _take(record, field) for field in others},
        )

    def _make_row(self, node: BaseNode, vectors: Mapping[str, list[float]]) -> Row:
        text = self._text_field
        row = {
            _name_field(field): node.metadata.get(_name_field(field))
            for field in self.definition.data_fields
        }
        row[_name_field(text)] = node.get_content(metadata_mode=MetadataMode.NONE)
        row[_name_field(self.definition.key_field)] = node.node_id
        if node.node_id in vectors:
            row[_name_field(self.definition.vector_fields[0])] = vectors[node.node_id]
        return row

    def _make_rows(self, nodes: Sequence[BaseNode], *, include_vectors: bool) -> list[Row]:
        """Make rows of chunks, with their vectors if need be."""
        ids = [node.node_id for node in nodes]
        found = self.store.get_nodes(ids) if include_vectors else []
        vectors = {node.node_id: node.get_embedding() for node in found}
        return [self._make_row(node, vectors) for node in nodes]

    async def _inner_upsert(self, records: Sequence[TextNode], **_: Any) -> Sequence[str]:
        return await self.store.async_add(records)

    async def _inner_get(
        self,
        keys: Sequence[str] | None = None,
        options: GetFilteredRecordOptions | None = None,
        **kwargs: Any,
    ) -> Sequence[Row] | None:
        """Read the records with these keys, in their order, or else a page in that of writing."""
        return await asyncio.to_thread(
            self._read_records, keys, options, include_vectors=kwargs.get("include_vectors", False)
        )

    def _read_records(
        self,
        keys: Sequence[str] | None,
        options: GetFilteredRecordOptions | None,
        *,
        include_vectors: bool,
    ) -> Sequence[Row]:
        if keys:
            found = {node.node_id: node for node in self.store.get_nodes(list(keys))}
            nodes = [found[key] for key in keys if key in found]
            return self._make_rows(nodes, include_vectors=include_vectors)
        page = options or GetFilteredRecordOptions()
        if page.order_by:
            raise StoreError(
                f"Records come in the order of their writing; they cannot be ordered by "
                f"{', '.join(page.order_by)}. Leave order_by out."
            )
        listed = self.store.query(VectorStoreQuery(similarity_top_k=page.skip + page.top))
        nodes = [*(listed.nodes or [])][page.skip :]
        return self._make_rows(nodes, include_vectors=include_vectors)

    async def _inner_delete(self, keys: Sequence[str], **_: Any) -> None:
        await self.store.adelete_nodes(list(keys))

    async def ensure_collection_exists(self, **_: Any) -> None:
        """Create the table if need be. Raises CollectionMismatch for one of another shape."""
        await asyncio.to_thread(self.store.set_up)

    async def collection_exists(self, **_: Any) -> bool:
        """Whether the table is there."""
        return await asyncio.to_thread(self.store.is_made)

    async def ensure_collection_deleted(self, **_: Any) -> None:
        """Refuse where the table is there: others may have written to it. Raises StoreError."""
        if await self.collection_exists():
            raise _refuse_to_drop(self.collection_name)

    async def _inner_search(
        self,
        search_type: SearchType,
        options: VectorSearchOptions,
        values: Any | None = None,
        vector: Sequence[float | int] | None = None,
        **_: Any,
    ) -> KernelSearchResults[VectorSearchResult[Record]]:
        """Search by vector, or by vector and the words of `values`; scores as the field says."""
        if vector is None:
            vector = await self._generate_vector_from_values(values, options)
        if vector is None:
            raise StoreError("There is nothing to search for: give values or a vector.")
        is_hybrid = search_type is SearchType.KEYWORD_HYBRID
        query = VectorStoreQuery(
            query_str=str(values) if is_hybrid else None,
            query_embedding=[float(number) for number in vector],
            similarity_top_k=options.skip + options.top,
            mode=VectorStoreQueryMode.HYBRID if is_hybrid else VectorStoreQueryMode.DEFAULT,
            filters=self._compile(options.filter),
        )
        scored = await asyncio.to_thread(self._search, query, options)
        total = None
        if options.include_total_count:
            total = await asyncio.to_thread(self.store.count_nodes, query.filters)
        return KernelSearchResults(
            results=self._get_vector_search_results_from_results(scored, options),
            total_count=total,
        )

    def _search(self, query: VectorStoreQuery, options: VectorSearchOptions) -> list[Scored]:
        found = self.store.query(query)
        nodes, scores = [*(found.nodes or [])], found.similarities or []
        rows = self._make_rows(nodes[options.skip :], include_vectors=options.include_vectors)
        is_vector = query.mode is VectorStoreQueryMode.DEFAULT
        function = self.definition.vector_fields[0].distance_function
        return [
            (row, _to_score(score, function) if is_vector else score)
            for row, score in zip(rows, scores[options.skip :], strict=True)
        ]

    def _compile(self, wanted: Any) -> MetadataFilters | None:
        parts = self._build_filter(wanted)
        if parts is None:
            return None
        return all_of(*parts) if isinstance(parts, list) else all_of(parts)

    def _lambda_parser(self, node: AST) -> Part:
        return compile_lambda(node, self.definition)

    def _get_record_from_result(self, result: Scored) -> Row:
        return result[0]

    def _get_score_from_result(self, result: Scored) -> float:
        return result[1]


class MariaDBSemanticKernelStore(VectorStore):
    """Collections of Semantic Kernel in one database, each in the chunk table of its name.

    Tables that are there already belong to it, too, whoever has made them. `words` is how tables
    are searched by words, as of a MariaDBVectorStore; dimensions and distance are those of the
    vector field of the records, and their data fields with is_indexed get an indexed column.
    """

    engine: sa.Engine
    words: Words

    def __init__(
        self,
        engine: sa.Engine,
        *,
        words: Words = "bm25",
        embedding_generator: EmbeddingGeneratorBase | None = None,
    ) -> None:
        super().__init__(
            engine=engine,
            words=words,
            embedding_generator=embedding_generator,
            managed_client=False,
        )

    def get_collection(
        self,
        record_type: type[Record],
        *,
        definition: VectorStoreCollectionDefinition | None = None,
        collection_name: str | None = None,
        embedding_generator: EmbeddingGeneratorBase | None = None,
        **_: Any,
    ) -> MariaDBSemanticKernelCollection[Record]:
        """Open the collection of a name, or else that of the definition; its table may not be yet.

        Raises StoreError for records that no chunks can be, and without a name.
        """
        known = definition or getattr(record_type, "__kernel_vectorstoremodel_definition__", None)
        if known is None:
            raise StoreError(
                f"{record_type.__name__} does not say what its fields are. Decorate it with "
                "@vectorstoremodel, or give a definition."
            )
        name = collection_name or known.collection_name
        if not name:
            raise StoreError("The collection has no name. Give a collection_name.")
        return MariaDBSemanticKernelCollection(
            record_type,
            self._open_table(name, known),
            definition=known,
            embedding_generator=embedding_generator or self.embedding_generator,
        )

    def _open_table(
        self, name: str, definition: VectorStoreCollectionDefinition
    ) -> MariaDBVectorStore:
        """Open a table as the records want it; the collection says what these lack."""
        vector = next(iter(definition.vector_fields), None)
        wanted = vector.distance_function if vector else None
        euclidean = wanted is DistanceFunction.EUCLIDEAN_DISTANCE
        return MariaDBVectorStore(
            self.engine,
            name,
            embed_dim=(vector and vector.dimensions) or 1,
            distance="euclidean" if euclidean else "cosine",
            filter_keys=[
                _name_field(field) for field in definition.data_fields if field.is_indexed
            ],
            words=self.words,
        )

    async def list_collection_names(self, **_: Any) -> Sequence[str]:
        """List the chunk tables of the database."""
        return await asyncio.to_thread(read_snapshot, self.engine, list_chunk_tables)

    async def collection_exists(self, collection_name: str) -> bool:
        """Whether there is a chunk table of this name."""
        return collection_name in await self.list_collection_names()

    async def ensure_collection_deleted(self, collection_name: str) -> None:
        """Refuse where the table is there: others may have written to it. Raises StoreError."""
        if await self.collection_exists(collection_name):
            raise _refuse_to_drop(collection_name)


def _refuse_to_drop(table: str) -> StoreError:
    return StoreError(
        f"The table {table} may hold what others wrote, and is not dropped. "
        "Remove everything that it holds by the clear() of its MariaDBVectorStore."
    )


def _name_field(field: VectorStoreField) -> str:
    return str(field.storage_name or field.name)


def _take(record: Mapping[str, Any], field: VectorStoreField) -> Any:
    """Take a value of a record, which models name by the field and dicts by where it is stored."""
    return record.get(_name_field(field), record.get(field.name))


def _to_score(similarity: float, function: DistanceFunction | None) -> float:
    match function:
        case DistanceFunction.COSINE_DISTANCE:
            return 1 - similarity
        case DistanceFunction.EUCLIDEAN_DISTANCE:
            return 1 / similarity - 1
    return similarity
