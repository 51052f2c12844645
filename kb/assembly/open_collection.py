"""Config -> the collection of its embedding model, and the vector store that holds it."""

import sqlalchemy as sa
from llama_index.core.base.embeddings.base import BaseEmbedding

from engines.model_errors import model_errors
from kb.assembly.models import embedding_identity
from kb.config.sections import Config
from stores.caches.cache import Cache
from stores.chunks.vector_store import MariaDBVectorStore
from stores.connection import read_server_info
from stores.registry.collection import Collection, open_collection
from stores.registry.schema import migrate


def open_store(
    engine: sa.Engine,
    config: Config,
    embed_model: BaseEmbedding,
    dimension: int | None = None,
    results: Cache | None = None,
) -> tuple[MariaDBVectorStore, Collection]:
    """Open the store, its tables up to date; with a dimension that is known, no model is asked.

    Raises UnsupportedServer or CollectionMismatch.
    """
    read_server_info(engine)
    migrate(engine)

    def measure_dimension() -> int:
        if dimension is not None:
            return dimension
        with model_errors("measuring the dimension of the embedding model"):
            return len(embed_model.get_text_embedding("dimension"))

    identity = embedding_identity(config, embed_model)
    collection = open_collection(engine, identity, measure_dimension)
    return open_store_of(engine, config, collection, results), collection


def open_store_of(
    engine: sa.Engine, config: Config, collection: Collection, results: Cache | None = None
) -> MariaDBVectorStore:
    """Open the chunk table of a collection. Raises UnsupportedServer or CollectionMismatch."""
    vector_store = MariaDBVectorStore(
        engine,
        collection.chunk_table,
        embed_dim=collection.dimension,
        m=16,  # finer than the store's default: embedding takes so much longer than indexing
        ef_search=128,
        filter_keys=config.documents.filter_keys,
        results=results,
    )
    vector_store.set_up()
    return vector_store
