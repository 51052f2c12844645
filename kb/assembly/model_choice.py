"""Config -> which of its two embedding models the collection was built with."""

import sqlalchemy as sa

from kb.assembly.models import embedding_identity, make_embedder
from kb.config.models import NextEmbeddingConfig
from kb.config.sections import Config
from stores.registry.collection import find_collection
from stores.registry.schema import migrate


def choose_embedding_of(engine: sa.Engine, config: Config) -> Config:
    """Choose as `choose_embedding` does for the collection of a database, if one was begun."""
    migrate(engine)
    collection = find_collection(engine)
    return choose_embedding(config, collection.embedding_model) if collection else config


def choose_embedding(config: Config, built_with: str) -> Config:
    """Return the configuration with that model as `embedding`, and the other as the next one.

    It stays as it is when neither is that model.
    """
    turned_round = take_next(config)
    if turned_round and name_model(turned_round) == built_with:
        return turned_round
    return config


def take_next(config: Config) -> Config | None:
    """Return the configuration with its two models the other way round; None with only one."""
    following = config.next_embedding.to_embedding()
    if following is None:
        return None
    former = NextEmbeddingConfig(**dict(config.embedding))
    return config.model_copy(update={"embedding": following, "next_embedding": former})


def name_model(config: Config) -> str:
    """Return the identity of the model of `embedding`."""
    return embedding_identity(config, make_embedder(config))
