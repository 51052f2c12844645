"""Small nodes, queries and filters for tests of the store."""

from typing import Any

from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores import MetadataFilter, MetadataFilters, VectorStoreQuery
from llama_index.core.vector_stores.types import BasePydanticVectorStore

DIMENSION = 4


def node(name: str, document: str | None = None, **fields: Any) -> TextNode:
    number = float(sum(map(ord, name)))
    built = TextNode(id_=name, **{"text": name, "embedding": [1.0, 2.0, number, 3.0], **fields})
    if document:
        built.relationships[NodeRelationship.SOURCE] = RelatedNodeInfo(node_id=document)
    return built


def nearest_to(vector: list[float], top_k: int = 10, **fields: Any) -> VectorStoreQuery:
    return VectorStoreQuery(query_embedding=vector, similarity_top_k=top_k, **fields)


def where(**values: Any) -> MetadataFilters:
    """Filters for metadata that equals these values."""
    return MetadataFilters(
        filters=[MetadataFilter(key=key, value=value) for key, value in values.items()]
    )


def stored_ids(store: BasePydanticVectorStore) -> set[str]:
    return {each.node_id for each in store.get_nodes()}
