"""Another embedding model without a stop: a second table beside the living one, and a switch."""

import time
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from typing import TYPE_CHECKING

from llama_index.core.base.embeddings.base import BaseEmbedding

from engines.chat.memory import FILTER_KEYS
from engines.model_errors import model_errors
from kb.app import KnowledgeBase
from kb.assembly.model_choice import take_next
from kb.assembly.models import embedding_identity, make_embedder
from kb.assembly.open_collection import open_store_of
from kb.indexing.embed import ChunkEmbedder
from stores.chunks.chunk_table import ChunkTable
from stores.errors import ConfigError, StoreError
from stores.moves.second_table import (
    Embedder,
    OnCopied,
    SecondTable,
    Side,
    Work,
    add_other,
    remove_other,
)
from stores.registry.collection import Collection
from stores.registry.current_table import OtherCollection, find_other
from stores.registry.embedding_cache import EmbeddingCache

if TYPE_CHECKING:
    from kb.assembly.components import Components


@dataclass(frozen=True)
class EmbeddingStatus:
    """Both models, what is still to be embedded, and about how many seconds that takes.

    Without a second table `state` is None; without a next model `next_model` is.
    """

    model: str
    next_model: str | None
    state: str | None
    since: datetime | None
    left: Work | None
    seconds: float | None


def read_embedding_status(knowledge_base: KnowledgeBase) -> EmbeddingStatus:
    """Read how far the second table is; nothing is written, a few texts are embedded."""
    used = knowledge_base.components
    other, following = find_other(used.engine), take_next(used.config)
    state, since = (other.state, other.since) if other else (None, None)
    named = other.embedding_model if other else None
    if following is None:
        return EmbeddingStatus(used.collection.embedding_model, named, state, since, None, None)
    model = make_embedder(following)
    identity = _require_other_model(used, embedding_identity(following, model))
    collection = other or Collection(used.collection.name, used.collection.chunk_table, identity, 1)
    second = _join_tables(used, collection, None, model)
    left = second.measure_work()
    rate = _measure_rate(model, second.list_sample())
    seconds = left.chunks / rate if isfinite(rate) else 0.0
    return EmbeddingStatus(used.collection.embedding_model, identity, state, since, left, seconds)


def _measure_rate(model: BaseEmbedding, texts: list[str]) -> float:
    """Measure how many texts a model embeds in a second; infinity without any."""
    begun = time.monotonic()
    with model_errors("measuring how fast the next model embeds"):
        model.get_text_embedding_batch(texts)
    return len(texts) / (time.monotonic() - begun) if texts else float("inf")


def migrate_embeddings(
    knowledge_base: KnowledgeBase, on_copied: OnCopied = lambda _: None, rate: float | None = None
) -> int:
    """Embed what the second table lacks; return how many documents that were.

    Questions are answered from the living table meanwhile, and changes are caught up. Raises
    ConfigError without a next model, ModelUnavailable; what was embedded until then stays.
    """
    return open_second_table(knowledge_base).catch_up(on_copied, rate)


def switch_embeddings(
    knowledge_base: KnowledgeBase, *, back: bool = False, on_copied: OnCopied = lambda _: None
) -> str:
    """Switch to the next model, or `back` to the former one; return the model that answers now.

    What was not embedded yet is embedded first. Raises StoreError when there is nothing to switch
    to.
    """
    used = knowledge_base.components
    other = find_other(used.engine)
    if other is None:
        raise StoreError("There is no second table to switch to: kb embeddings migrate")
    if back != (other.state == "former"):
        raise StoreError(
            f"The second table is the {other.state} one, of {other.embedding_model}: "
            f"kb embeddings {'switch' if back else 'back'}"
        )
    open_second_table(knowledge_base).switch(on_copied)
    knowledge_base.follow_collection(0)
    return knowledge_base.components.collection.embedding_model


def clean_embeddings(knowledge_base: KnowledgeBase) -> OtherCollection | None:
    """Remove the second table, and with a former one the way back; None when there is none."""
    engine = knowledge_base.components.engine
    other = find_other(engine)
    if other:
        remove_other(engine, other)
    return other


def open_second_table(knowledge_base: KnowledgeBase) -> SecondTable:
    """Open the second table, begun if there is none. Raises ConfigError, ModelUnavailable."""
    used = knowledge_base.components
    following = take_next(used.config)
    if following is None:
        raise ConfigError(
            "Name the model to go to in config.yaml, as in `embedding`: next_embedding.provider "
            "and what belongs to it."
        )
    model = make_embedder(following)
    identity = _require_other_model(used, embedding_identity(following, model))
    other = find_other(used.engine)
    if other is None:
        with model_errors("measuring the dimension of the next embedding model"):
            dimension = len(model.get_text_embedding("dimension"))
    else:
        dimension = other.dimension
    collection = add_other(used.engine, used.collection, identity, dimension)
    table = open_store_of(used.engine, following, collection).table
    second = _join_tables(used, collection, table, model)
    second.set_up()
    return second


def open_beside(knowledge_base: KnowledgeBase) -> KnowledgeBase:
    """Open the knowledge base as it answers from the second table, to compare; closed with it."""
    used, following = knowledge_base.components, take_next(knowledge_base.config)
    second = open_second_table(knowledge_base)
    if following is None or second.measure_work().chunks:
        raise StoreError("The second table is not complete yet: kb embeddings migrate")
    collection = second.other.collection
    return KnowledgeBase(
        used.copy_with(
            config=following,
            vector_store=open_store_of(used.engine, following, collection),
            collection=collection,
            embed_model=make_embedder(following),
        )
    )


def _require_other_model(used: "Components", identity: str) -> str:
    if identity == used.collection.embedding_model:
        raise ConfigError(
            f"next_embedding names {identity}, with which the collection is built already."
        )
    return identity


def _join_tables(
    used: "Components", other: Collection, table: ChunkTable | None, model: BaseEmbedding
) -> SecondTable:
    """Join the living table and the second one; without a `table`, to measure alone."""
    cache = EmbeddingCache(used.engine, other.embedding_model, other.dimension, table)
    embedder = ChunkEmbedder(model, cache)
    living = used.vector_store.table
    return SecondTable(
        used.engine,
        Side(used.collection, living, _make_memory(used.collection)),
        Side(other, table or living, _make_memory(other)),
        Embedder(embedder.embed_chunks, embedder.release_embeddings),
    )


def _make_memory(collection: Collection) -> ChunkTable:
    return ChunkTable(
        collection.memory_table, collection.dimension, filter_keys=FILTER_KEYS, words="none"
    )
