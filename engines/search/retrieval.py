"""The retriever of documents, which runs a search profile over the vector store."""

import asyncio
from collections.abc import Callable, Collection

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.callbacks import CallbackManager
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    MetadataFilters,
    VectorStoreQueryResult,
)

from engines.model_calls import find_listening
from engines.model_errors import model_errors
from engines.search.postprocessing import merge_results
from engines.search.profiles import Profile
from engines.search.search_run import Search, SearchRun, VectorWeight, note_search
from engines.search.translation import Translator

_EMBEDDING = "embedding the question"
_RERANKING = "reranking the passages"


class DocumentRetriever(BaseRetriever):
    """Analyses the question, asks the store as the profile says, and arranges what it found.

    What a question quotes favours the passages that hold it; with `exact` it must stand in each,
    unless it stands in none. With a `translator`, a question in another language than most
    documents is searched for in both.
    Returns `top_k` passages and, if the profile wants them, their neighbours behind them. Raises
    ModelUnavailable, StoreUnavailable, UnsupportedFilter.
    """

    def __init__(
        self,
        vector_store: BasePydanticVectorStore,
        embed_model: BaseEmbedding,
        profile: Profile,
        *,
        name: str = "default",
        top_k: int,
        vector_weight: VectorWeight,
        filters: MetadataFilters | None = None,
        filter_keys: Collection[str] = (),
        reranker: BaseNodePostprocessor | None = None,
        translator: Translator | None = None,
        exact: bool = False,
        on_search: Callable[[Search], None] | None = None,
        callback_manager: CallbackManager | None = None,
    ) -> None:
        super().__init__(callback_manager)
        self._store = vector_store
        self._embed_model = embed_model
        self._profile = profile
        self._name = name
        self._top_k = top_k
        self._vector_weight = vector_weight
        self._filters = filters
        self._filter_keys = filter_keys
        self._reranker = reranker
        self._translator = translator
        self._exact = exact
        self._on_search = on_search

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        run = self._begin_run(query_bundle)
        found = self._query_store(run)
        if run.required_phrases and not found.nodes:
            run.stop_requiring_phrases()
            found = self._query_store(run)
        if text := self._translate_question(run):
            found = merge_results(found, self._query_store(run.for_translation(text)))
        run.take_results(found)
        if self._reranker and run.can_rerank:
            with model_errors(_RERANKING):
                run.take_reranking(
                    self._reranker.postprocess_nodes(run.copy_leading(), query_str=run.text)
                )
        if run.can_diversify:
            run.choose_diverse(self._store.get_nodes(run.passage_ids()))
        run.cut_to_top()
        for _ in range(self._profile.neighbours):
            run.add_neighbours(self._store.get_nodes(run.neighbour_ids(), run.filters))
        return self._finish_run(run)

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        run = await asyncio.to_thread(self._begin_run, query_bundle)
        found = await self._aquery_store(run)
        if run.required_phrases and not found.nodes:
            run.stop_requiring_phrases()
            found = await self._aquery_store(run)
        if text := await self._atranslate_question(run):
            found = merge_results(found, await self._aquery_store(run.for_translation(text)))
        run.take_results(found)
        if self._reranker and run.can_rerank:
            with model_errors(_RERANKING):
                judged = self._reranker.apostprocess_nodes(run.copy_leading(), query_str=run.text)
                run.take_reranking(await judged)
        if run.can_diversify:
            run.choose_diverse(await self._store.aget_nodes(run.passage_ids()))
        run.cut_to_top()
        for _ in range(self._profile.neighbours):
            run.add_neighbours(await self._store.aget_nodes(run.neighbour_ids(), run.filters))
        return await asyncio.to_thread(self._finish_run, run)

    def _query_store(self, run: SearchRun) -> VectorStoreQueryResult:
        if run.lacks_vector:
            with model_errors(_EMBEDDING):
                run.vector = self._embed_model.get_agg_embedding_from_queries(run.to_embed)
        return self._store.query(run.store_query(), **run.store_options())

    async def _aquery_store(self, run: SearchRun) -> VectorStoreQueryResult:
        if run.lacks_vector:
            with model_errors(_EMBEDDING):
                run.vector = await self._embed_model.aget_agg_embedding_from_queries(run.to_embed)
        return await self._store.aquery(run.store_query(), **run.store_options())

    def _translate_question(self, run: SearchRun) -> str:
        with run.note_failure():
            if self._translator:
                return self._translator.translate_question(run.text, run.language)
        return ""

    async def _atranslate_question(self, run: SearchRun) -> str:
        with run.note_failure():
            if self._translator:
                return await self._translator.atranslate_question(run.text, run.language)
        return ""

    def _begin_run(self, asked: QueryBundle) -> SearchRun:
        return SearchRun(
            asked,
            self._profile,
            self._top_k,
            self._vector_weight,
            self._filters,
            self._filter_keys,
            exact=self._exact,
        )

    def _finish_run(self, run: SearchRun) -> list[NodeWithScore]:
        search = run.make_search(self._name)
        note_search(search)
        if calls := find_listening():
            calls.documents_read.update(map(name_document, search.passages))
        if self._on_search:
            self._on_search(search)
        return list(search.passages)


def name_document(passage: NodeWithScore) -> str:
    """Name the document of a passage, as ROOT/PATH where it has them."""
    root, path = passage.metadata.get("root"), passage.metadata.get("path")
    return f"{root}/{path}" if root and path else str(passage.node.ref_doc_id)
