"""KnowledgeBaseRetriever: LangChain's retriever over a whole knowledge base and its profiles.

It needs the extra langchain, and nothing else of kb imports it.
"""

from typing import Any

from langchain_core.callbacks import (
    AsyncCallbackManagerForRetrieverRun,
    CallbackManagerForRetrieverRun,
)
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore

from kb.app import KnowledgeBase
from stores.langchain_store import Filter, make_document, make_filters, put_score


class KnowledgeBaseRetriever(BaseRetriever):
    """What `search` and `asearch` of a knowledge base find, as LangChain's documents.

    Give `knowledge_base.seen_by(groups)` for what somebody in these groups may see. `filters` is a
    dict of metadata that must be equal, or LlamaIndex's MetadataFilters; the other options are
    those of `search`. The score of a passage, in 0..1, is among its metadata as `score_key`, in the
    place of what has that name; nowhere with None. `invoke` takes `top_k`, `filters` and
    `profile`, too, for one question. Raises what `search` raises.
    """

    knowledge_base: KnowledgeBase
    top_k: int | None = None
    profile: str | None = None
    filters: Filter | None = None
    session: str | None = None
    user: str | None = None
    exact: bool = True
    cached: bool = True
    score_key: str | None = "score"

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,  # noqa: ARG002 - LangChain's signature
        top_k: int | None = None,
        filters: Filter | None = None,
        profile: str | None = None,
    ) -> list[Document]:
        how = self._choose_options(top_k, filters, profile)
        return self._make_documents(self.knowledge_base.search(query, **how))

    async def _aget_relevant_documents(
        self,
        query: str,
        *,
        run_manager: AsyncCallbackManagerForRetrieverRun,  # noqa: ARG002 - LangChain's signature
        top_k: int | None = None,
        filters: Filter | None = None,
        profile: str | None = None,
    ) -> list[Document]:
        how = self._choose_options(top_k, filters, profile)
        return self._make_documents(await self.knowledge_base.asearch(query, **how))

    def _choose_options(
        self, top_k: int | None, filters: Filter | None, profile: str | None
    ) -> dict[str, Any]:
        return {
            "top_k": self.top_k if top_k is None else top_k,
            "filters": make_filters(self.filters if filters is None else filters),
            "profile": self.profile if profile is None else profile,
            "session": self.session,
            "user": self.user,
            "exact": self.exact,
            "cached": self.cached,
        }

    def _make_documents(self, found: list[NodeWithScore]) -> list[Document]:
        return [
            put_score(make_document(passage.node), passage.score, self.score_key)
            for passage in found
        ]
