"""DocumentRetriever: runs a search profile over the vector store."""

import asyncio
from collections.abc import Callable, Collection

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    MetadataFilters,
    VectorStoreQueryResult,
)

from engines.model_errors import model_errors
from engines.search.postprocessing import better_of
from engines.search.profiles import Profile
from engines.search.search_run import Search, Searching, VectorWeight, note_made
from engines.search.translation import Translator

_EMBEDDING = "embedding the question"
_RERANKING = "reranking the passages"


class DocumentRetriever(BaseRetriever):
    """Analyses the question, asks the store as the profile says, and arranges what it found.

    With a `translator`, a question in another language than most documents is searched for in both.
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
        on_search: Callable[[Search], None] | None = None,
    ) -> None:
        super().__init__()
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
        self._on_search = on_search

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        run = self._begin(query_bundle)
        found = self._found(run)
        if text := self._translated(run):
            found = better_of(found, self._found(run.again(text)))
        run.arrange(found)
        if self._reranker and run.can_rerank:
            with model_errors(_RERANKING):
                run.rerank(self._reranker.postprocess_nodes(run.to_judge(), query_str=run.text))
        if run.can_diversify:
            run.diversify(self._store.get_nodes(run.ids()))
        run.cut()
        for _ in range(self._profile.neighbours):
            run.surround(self._store.get_nodes(run.surroundings(), run.filters))
        return self._finish(run)

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        run = await asyncio.to_thread(self._begin, query_bundle)
        found = await self._afound(run)
        if text := await self._atranslated(run):
            found = better_of(found, await self._afound(run.again(text)))
        run.arrange(found)
        if self._reranker and run.can_rerank:
            with model_errors(_RERANKING):
                judged = self._reranker.apostprocess_nodes(run.to_judge(), query_str=run.text)
                run.rerank(await judged)
        if run.can_diversify:
            run.diversify(await self._store.aget_nodes(run.ids()))
        run.cut()
        for _ in range(self._profile.neighbours):
            run.surround(await self._store.aget_nodes(run.surroundings(), run.filters))
        return await asyncio.to_thread(self._finish, run)

    def _found(self, run: Searching) -> VectorStoreQueryResult:
        if run.lacks_vector:
            with model_errors(_EMBEDDING):
                run.vector = self._embed_model.get_agg_embedding_from_queries(run.to_embed)
        return self._store.query(run.store_query(), **run.store_options())

    async def _afound(self, run: Searching) -> VectorStoreQueryResult:
        if run.lacks_vector:
            with model_errors(_EMBEDDING):
                run.vector = await self._embed_model.aget_agg_embedding_from_queries(run.to_embed)
        return await self._store.aquery(run.store_query(), **run.store_options())

    def _translated(self, run: Searching) -> str:
        with run.noted_failure():
            if self._translator:
                return self._translator.translated(run.text, run.language)
        return ""

    async def _atranslated(self, run: Searching) -> str:
        with run.noted_failure():
            if self._translator:
                return await self._translator.atranslated(run.text, run.language)
        return ""

    def _begin(self, asked: QueryBundle) -> Searching:
        return Searching(
            asked,
            self._profile,
            self._top_k,
            self._vector_weight,
            self._filters,
            self._filter_keys,
        )

    def _finish(self, run: Searching) -> list[NodeWithScore]:
        search = run.done(self._name)
        note_made(search)
        if self._on_search:
            self._on_search(search)
        return list(search.passages)
