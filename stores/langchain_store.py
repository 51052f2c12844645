"""MariaDBLangChainStore: LangChain's vector store over the table of a MariaDBVectorStore.

It needs the extra langchain, and nothing else of kb imports it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import repeat
from typing import Any
from uuid import uuid4

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore
from llama_index.core.schema import BaseNode, MetadataMode, TextNode
from llama_index.core.vector_stores.types import (
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
)
from pydantic import ValidationError

from stores.chunks.fusion import Fusion
from stores.chunks.vector_store import MariaDBVectorStore
from stores.errors import StoreError, UnsupportedFilter

Filter = Mapping[str, Any] | MetadataFilters


class MariaDBLangChainStore(VectorStore):
    """LangChain documents in the chunks of `store`: what either writes, the other reads.

    A search takes `filter`, a dict of metadata that must be equal or LlamaIndex's MetadataFilters,
    and `mode`: "default" by vector, "text_search" by words, "hybrid" by both, in which `fusion`, a
    Fusion, says how they become one ranking. Scores are similarities, best first. Any other option
    is a TypeError.
    """

    def __init__(self, store: MariaDBVectorStore, embedding: Embeddings) -> None:
        self._store, self._embedding = store, embedding

    @property
    def embeddings(self) -> Embeddings:
        return self._embedding

    @classmethod
    def from_texts(  # type: ignore[override]  # a store has to be given
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        store: MariaDBVectorStore,
        ids: list[str] | None = None,
    ) -> "MariaDBLangChainStore":
        """Open `store` for LangChain and add the texts to what it holds."""
        opened = cls(store, embedding)
        opened.add_texts(texts, metadatas, ids=ids)
        return opened

    def add_texts(  # type: ignore[override]  # no other option is taken
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
    ) -> list[str]:
        """Embed texts and write them in one transaction; the same id replaces.

        Raises InvalidVector, and StoreError for as many metadatas or ids as there are no texts.
        """
        written = list(texts)
        for name, values in (("metadatas", metadatas), ("ids", ids)):
            if values and len(values) != len(written):
                raise StoreError(
                    f"{len(values)} {name} came with {len(written)} texts. Give one for each text."
                )
        vectors = self._embedding.embed_documents(written) if written else []
        return self._store.add(
            [
                TextNode(id_=id_ or str(uuid4()), text=text, metadata=metadata, embedding=vector)
                for text, metadata, id_, vector in zip(
                    written, metadatas or repeat({}), ids or repeat(None), vectors, strict=False
                )
            ]
        )

    def delete(  # type: ignore[override]  # no other option is taken
        self, ids: list[str] | None = None
    ) -> bool:
        """Remove the documents with these ids; those that are not there are no error.

        Raises StoreError without ids, as the table may hold what others wrote.
        """
        if ids is None:
            raise StoreError(
                "No ids were given to delete. Name them, or remove everything that the table holds "
                "by the clear() of its MariaDBVectorStore."
            )
        self._store.delete_nodes(ids)
        return True

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """Read the documents with these ids, in their order, without those that are not there."""
        nodes = {node.node_id: node for node in self._store.get_nodes(list(ids))}
        return [make_document(nodes[id_]) for id_ in ids if id_ in nodes]

    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        return [document for document, _ in self._search(query, k, **kwargs)]

    def similarity_search_with_score(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """Search with similarities, of which more is better."""
        return self._search(query, k, **kwargs)

    def similarity_search_by_vector(
        self, embedding: list[float], k: int = 4, **kwargs: Any
    ) -> list[Document]:
        return [document for document, _ in self._find(None, embedding, k, **kwargs)]

    def _search(
        self, query: str, k: int, mode: str = "default", **kwargs: Any
    ) -> list[tuple[Document, float]]:
        by_words = mode in {VectorStoreQueryMode.TEXT_SEARCH, VectorStoreQueryMode.SPARSE}
        vector = None if by_words else self._embedding.embed_query(query)
        return self._find(query, vector, k, mode=mode, **kwargs)

    def _find(
        self,
        words: str | None,
        vector: list[float] | None,
        k: int,
        *,
        mode: str = "default",
        filter: Filter | None = None,  # noqa: A002 - LangChain's name for it
        fusion: Fusion | None = None,
    ) -> list[tuple[Document, float]]:
        if mode not in list(VectorStoreQueryMode):
            raise StoreError(
                f"There is no search mode {mode!r}; use default, text_search or hybrid."
            )
        if fusion and mode != VectorStoreQueryMode.HYBRID:
            raise StoreError(
                f"A fusion came with the search mode {mode!r}, which has one ranking alone. Use "
                "hybrid, or leave it out."
            )
        found = self._store.query(
            VectorStoreQuery(
                query_str=words,
                query_embedding=vector,
                similarity_top_k=k,
                mode=VectorStoreQueryMode(mode),
                filters=make_filters(filter),
            ),
            fusion=fusion,
        )
        documents = map(make_document, found.nodes or [])
        return list(zip(documents, found.similarities or [], strict=True))

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        """A cosine below 0, of what points away from the question, is no relevance."""
        return lambda similarity: min(max(similarity, 0.0), 1.0)


def make_document(node: BaseNode) -> Document:
    """Make LangChain's document of a node, with its id and all of its metadata."""
    text = node.get_content(metadata_mode=MetadataMode.NONE)
    return Document(id=node.node_id, page_content=text, metadata=node.metadata)


def put_score(document: Document, score: float | None, key: str | None) -> Document:
    """Put a score among the metadata, where LangChain's retrievers tell it; nowhere without key."""
    if key is not None:
        document.metadata = {**document.metadata, key: score}
    return document


def make_filters(wanted: Filter | None) -> MetadataFilters | None:
    """Make LlamaIndex's filters of equalities. Raises UnsupportedFilter for operators in a dict."""
    if wanted is None or isinstance(wanted, MetadataFilters):
        return wanted
    return MetadataFilters(filters=[_require_equality(*item) for item in wanted.items()])


def _require_equality(key: str, value: Any) -> MetadataFilter:
    try:
        if key.startswith("$"):
            raise UnsupportedFilter(_explain_filter(key, value))
        return MetadataFilter(key=key, value=int(value) if isinstance(value, bool) else value)
    except ValidationError as error:
        raise UnsupportedFilter(_explain_filter(key, value)) from error


def _explain_filter(key: str, value: Any) -> str:
    return (
        f"The filter {key!r}: {value!r} is no equality with a string, a number or a list. For "
        "other operators give LlamaIndex's MetadataFilters."
    )
