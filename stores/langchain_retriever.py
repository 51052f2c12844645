"""MariaDBLangChainRetriever: LangChain's retriever over a MariaDBLangChainStore.

It needs the extra langchain, and nothing else of kb imports it.
"""

from typing import Any, Literal

from langchain_core.callbacks import (
    AsyncCallbackManagerForRetrieverRun,
    CallbackManagerForRetrieverRun,
)
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever

from stores.chunks.fusion import Fusion
from stores.langchain_store import Filter, MariaDBLangChainStore, put_score


class MariaDBLangChainRetriever(BaseRetriever):
    """The best `k` documents of a store, by words and vectors unless `mode` says otherwise.

    `mode`, `filter` and `fusion` are those of the store's searches; "hybrid" without a fusion takes
    `Fusion()`. The score of a document, of which more is better, is among its metadata as
    `score_key`, in the place of what has that name; nowhere with None. `invoke` takes `k` and
    `filter` too, for one question.
    """

    store: MariaDBLangChainStore
    k: int = 4
    mode: Literal["default", "text_search", "hybrid"] = "hybrid"
    filter: Filter | None = None
    fusion: Fusion | None = None
    score_key: str | None = "score"

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,  # noqa: ARG002 - LangChain's signature
        k: int | None = None,
        filter: Filter | None = None,  # noqa: A002 - LangChain's name for it
    ) -> list[Document]:
        how = self._choose_options(k, filter)
        return self._put_scores(self.store.similarity_search_with_score(query, **how))

    async def _aget_relevant_documents(
        self,
        query: str,
        *,
        run_manager: AsyncCallbackManagerForRetrieverRun,  # noqa: ARG002 - LangChain's signature
        k: int | None = None,
        filter: Filter | None = None,  # noqa: A002 - LangChain's name for it
    ) -> list[Document]:
        how = self._choose_options(k, filter)
        return self._put_scores(await self.store.asimilarity_search_with_score(query, **how))

    def _choose_options(self, k: int | None, chosen: Filter | None) -> dict[str, Any]:
        return {
            "k": self.k if k is None else k,
            "mode": self.mode,
            "filter": self.filter if chosen is None else chosen,
            "fusion": self.fusion or (Fusion() if self.mode == "hybrid" else None),
        }

    def _put_scores(self, found: list[tuple[Document, float]]) -> list[Document]:
        return [put_score(document, score, self.score_key) for document, score in found]
