"""Components -> what embeds chunks."""

from functools import partial
from typing import TYPE_CHECKING

from kb.indexing.embed import ChunkEmbedder
from stores.registry.embedding_cache import EmbeddingCache

if TYPE_CHECKING:
    from kb.assembly.components import Components


def make_chunk_embedder(used: "Components") -> ChunkEmbedder:
    """Make what embeds chunks for the collection, with its cache."""
    model, dimension = used.collection.embedding_model, used.collection.dimension
    cache = EmbeddingCache(used.engine, model, dimension, used.registry.table)
    name = used.embed_model.model_name
    return ChunkEmbedder(
        used.embed_model, cache, partial(used.books.observe_embedding, name, "index")
    )
