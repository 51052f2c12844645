"""The documents of a labelled set in a chunk table of their own, beside the user's."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores.types import BasePydanticVectorStore

from kb.app import KnowledgeBase
from kb.evaluation.labelled import CorpusDocument, LabelledSet, OnProgress, hash_parts
from kb.indexing.embed import ChunkEmbedder
from stores.chunks.vector_store import MariaDBVectorStore
from stores.evaluations import Evaluations
from stores.registry.embedding_cache import EmbeddingCache
from stores.text.text_language import detect_language
from stores.text.translations import Message

# Part of the name of every table: raise it when a document's chunk is made in another way.
_LAYOUT = "1"
_DOCUMENTS_A_BATCH = 256


def with_corpus(
    knowledge_base: KnowledgeBase, labelled: LabelledSet, *, fresh: bool, on_progress: OnProgress
) -> KnowledgeBase:
    """Return the knowledge base over the set's own documents; itself for a set without any.

    What an earlier call wrote is used again unless `fresh`. Raises ModelUnavailable, StoreError.
    """
    if labelled.corpus is None:
        return knowledge_base
    options = _table_options(knowledge_base.vector_store)
    model = knowledge_base.components.collection.embedding_model
    # The name is the same for the same rows and indexes.
    identity = f"{_LAYOUT}\0{model}\0{sorted(options.items())}\0{hash_parts(labelled.corpus)}"
    table = f"kb_eval_{hashlib.sha256(identity.encode()).hexdigest()[:16]}"
    store = MariaDBVectorStore(knowledge_base.components.engine, table, **options)
    store.set_up()
    evaluations = Evaluations(knowledge_base.components.engine)
    waiting = partial(on_progress, "Waiting for a run that indexes the same documents", 0, 1)
    with knowledge_base.components.registry.hold_root(table, waiting):
        if fresh or not evaluations.has_corpus(table):
            evaluations.forget_corpus(table)
            _index_documents(knowledge_base, store, labelled.corpus, on_progress)
            evaluations.add_corpus(table, labelled.name, model)
    collection = replace(knowledge_base.components.collection, name=table, chunk_table=table)
    components = knowledge_base.components.copy_with(vector_store=store, collection=collection)
    return KnowledgeBase(components)


def _table_options(store: MariaDBVectorStore) -> dict[str, Any]:
    """Return the options that a store was made with, for another table like it."""
    others = {*BasePydanticVectorStore.model_fields, "flat_metadata", "table_name", "perform_setup"}
    own = [name for name in MariaDBVectorStore.model_fields if name not in others]
    return {name: getattr(store, name) for name in own}


def _index_documents(
    knowledge_base: KnowledgeBase,
    store: MariaDBVectorStore,
    corpus: Sequence[CorpusDocument],
    on_progress: OnProgress,
) -> None:
    collection = knowledge_base.components.collection
    cache = EmbeddingCache(
        knowledge_base.components.engine, collection.embedding_model, collection.dimension
    )
    embedder = ChunkEmbedder(knowledge_base.components.embed_model, cache)
    store.clear()
    for start in range(0, len(corpus), _DOCUMENTS_A_BATCH):
        on_progress(Message("Indexing the documents"), start, len(corpus))
        chunks = [
            _document_to_chunk(document) for document in corpus[start : start + _DOCUMENTS_A_BATCH]
        ]
        embedder.embed_chunks(chunks)
        store.add(chunks)


def _document_to_chunk(document: CorpusDocument) -> TextNode:
    """Make one chunk of a document as it is; its title is embedded with it, as a file's is."""
    metadata = {"title": document.title, "path": document.id}
    if language := detect_language(document.text):
        metadata["language"] = language
    hidden = [key for key in metadata if key != "title"]
    return TextNode(
        id_=document.id,
        text=document.text,
        metadata=metadata,
        metadata_template="{value}",
        excluded_embed_metadata_keys=hidden,
        excluded_llm_metadata_keys=hidden,
        relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=document.id)},
    )
