"""Haystack's retrievers over a MariaDBHaystackStore: by vector, by words, and by both.

It needs the extra haystack.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, get_args

from haystack import Document, component, default_to_dict
from haystack.document_stores.types import FilterPolicy, apply_filter_policy

from stores.chunks.fusion import Fusion, Strategy
from stores.errors import StoreError
from stores.haystack_store import MariaDBHaystackStore

Filters = dict[str, Any]
Found = dict[str, list[Document]]


class _Retriever:
    """What the retrievers have in common: the filters and the number that they are made with."""

    def __init__(
        self,
        document_store: MariaDBHaystackStore,
        *,
        filters: Filters | None = None,
        top_k: int = 10,
        filter_policy: str | FilterPolicy = FilterPolicy.REPLACE,
    ) -> None:
        if not isinstance(document_store, MariaDBHaystackStore):
            raise StoreError(
                f"document_store is a {type(document_store).__name__}; this retriever searches a "
                "MariaDBHaystackStore."
            )
        self.document_store, self.filters, self.top_k = document_store, filters, top_k
        self.filter_policy = FilterPolicy(filter_policy)

    def to_dict(self) -> dict[str, Any]:
        described: dict[str, Any] = default_to_dict(
            self,
            document_store=self.document_store,
            filters=self.filters,
            top_k=self.top_k,
            filter_policy=self.filter_policy.value,
        )
        return described

    def _choose(self, filters: Filters | None, top_k: int | None) -> dict[str, Any]:
        """Choose what a run restricts the search by, of what it says and of what is set."""
        return {
            "filters": apply_filter_policy(self.filter_policy, self.filters, filters),
            "top_k": self.top_k if top_k is None else top_k,
        }


@component
class MariaDBEmbeddingRetriever(_Retriever):
    """Finds the documents whose embeddings are closest to that of a question."""

    @component.output_types(documents=list[Document])
    def run(
        self,
        query_embedding: list[float],
        filters: Filters | None = None,
        top_k: int | None = None,
    ) -> Found:
        chosen = self._choose(filters, top_k)
        return {"documents": self.document_store.search(embedding=query_embedding, **chosen)}

    @component.output_types(documents=list[Document])
    async def run_async(
        self,
        query_embedding: list[float],
        filters: Filters | None = None,
        top_k: int | None = None,
    ) -> Found:
        chosen = self._choose(filters, top_k)
        found = await self.document_store.search_async(embedding=query_embedding, **chosen)
        return {"documents": found}


@component
class MariaDBKeywordRetriever(_Retriever):
    """Finds the documents that have the words of a question, ranked by BM25."""

    @component.output_types(documents=list[Document])
    def run(self, query: str, filters: Filters | None = None, top_k: int | None = None) -> Found:
        chosen = self._choose(filters, top_k)
        return {"documents": self.document_store.search(words=query, **chosen)}

    @component.output_types(documents=list[Document])
    async def run_async(
        self, query: str, filters: Filters | None = None, top_k: int | None = None
    ) -> Found:
        chosen = self._choose(filters, top_k)
        return {"documents": await self.document_store.search_async(words=query, **chosen)}


@component
class MariaDBHybridRetriever(_Retriever):
    """Finds documents by the words and the embedding of a question, as one ranking.

    `fusion` are fields of a Fusion, as strategy or vector_weight; without it the store's own.
    """

    def __init__(
        self,
        document_store: MariaDBHaystackStore,
        *,
        filters: Filters | None = None,
        top_k: int = 10,
        filter_policy: str | FilterPolicy = FilterPolicy.REPLACE,
        fusion: Mapping[str, Any] | None = None,
    ) -> None:
        # No super(): Haystack makes another class of this one, which super() does not know.
        _Retriever.__init__(
            self, document_store, filters=filters, top_k=top_k, filter_policy=filter_policy
        )
        self.fusion = None if fusion is None else dict(fusion)
        self._options = {} if fusion is None else {"fusion": _make_fusion(fusion)}

    def to_dict(self) -> dict[str, Any]:
        described = _Retriever.to_dict(self)
        described["init_parameters"]["fusion"] = self.fusion
        return described

    @component.output_types(documents=list[Document])
    def run(
        self,
        query: str,
        query_embedding: list[float],
        filters: Filters | None = None,
        top_k: int | None = None,
    ) -> Found:
        chosen = self._choose(filters, top_k) | self._options
        found = self.document_store.search(words=query, embedding=query_embedding, **chosen)
        return {"documents": found}

    @component.output_types(documents=list[Document])
    async def run_async(
        self,
        query: str,
        query_embedding: list[float],
        filters: Filters | None = None,
        top_k: int | None = None,
    ) -> Found:
        chosen = self._choose(filters, top_k) | self._options
        found = await self.document_store.search_async(
            words=query, embedding=query_embedding, **chosen
        )
        return {"documents": found}


def _make_fusion(fields: Mapping[str, Any]) -> Fusion:
    known = {field.name for field in dataclasses.fields(Fusion)}
    strategy = fields.get("strategy", Fusion.strategy)
    if unknown := fields.keys() - known:
        raise StoreError(f"A fusion has no {min(unknown)!r}; there are {', '.join(sorted(known))}.")
    if strategy not in get_args(Strategy):
        raise StoreError(
            f"There is no fusion strategy {strategy!r}; there are {', '.join(get_args(Strategy))}."
        )
    return Fusion(**fields)
