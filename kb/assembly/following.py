"""Components -> those of the table and the model that the collection was switched to meanwhile."""

from typing import TYPE_CHECKING

from kb.assembly.model_choice import choose_embedding
from kb.assembly.models import embedding_identity, make_embedder
from kb.assembly.open_collection import open_store_of
from stores.errors import CollectionMismatch
from stores.registry.collection import find_collection

if TYPE_CHECKING:
    from kb.assembly.components import Components


def follow_collection(used: "Components") -> "Components":
    """Return the components as the collection is now; the same while nothing was switched.

    A question that has begun goes on with the pair of table and model that it began with. Raises
    CollectionMismatch when the configuration names another model; StoreUnavailable.
    """
    collection = find_collection(used.engine, used.collection.name, attempts=1)
    if collection in (None, used.collection):
        return used
    config = choose_embedding(used.config, collection.embedding_model)
    embed_model = make_embedder(config)
    identity = embedding_identity(config, embed_model)
    if identity != collection.embedding_model:
        raise CollectionMismatch(
            f"The collection {collection.name!r} was switched to the embedding model "
            f"{collection.embedding_model}, and the configuration of this process names "
            f"{identity}. Name that model in `embedding` or `next_embedding`, and start it again."
        )
    vector_store = open_store_of(used.engine, config, collection, used.caches.results)
    return used.copy_with(
        config=config, vector_store=vector_store, collection=collection, embed_model=embed_model
    )
