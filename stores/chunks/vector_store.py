"""MariaDBVectorStore: LlamaIndex's vector store over a chunk table."""

import asyncio
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NoReturn, TypeVar

import sqlalchemy as sa
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.indices.query.embedding_utils import get_top_k_mmr_embeddings
from llama_index.core.schema import BaseNode
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
    VectorStoreQueryResult,
)

from stores.audiences import Groups
from stores.caches.cache import Cache
from stores.chunks import vectors
from stores.chunks.bm25 import WordCounts
from stores.chunks.chunk_rows import KEPT_BY_INDEXES, node_to_row, row_to_node
from stores.chunks.chunk_table import ChunkTable, Distance, Words
from stores.chunks.fusion import Fusion
from stores.chunks.known_results import KnownResults, describe_search
from stores.chunks.metadata_filters import require_filters
from stores.chunks.ranked_search import Hit, Search
from stores.chunks.where import Where
from stores.connection import make_engine, read_server_info, read_snapshot, run_transaction
from stores.errors import ChunkExists, ServerIsReadOnly, StoreError
from stores.reader import Reader, find_reader
from stores.replicas import read_anywhere

_ALL = 2**62
_BY_WORDS = {
    VectorStoreQueryMode.HYBRID,
    VectorStoreQueryMode.SPARSE,
    VectorStoreQueryMode.TEXT_SEARCH,
}
_MMR_PREFETCH_FACTOR = 4.0
_MMR_THRESHOLD = 0.5

T = TypeVar("T")


class MariaDBVectorStore(BasePydanticVectorStore):
    """Chunks with vectors, words and metadata in one MariaDB.

    `filter_keys` are metadata keys that get an indexed column; filters work on any key. `m` and
    `ef_search` trade recall for time: 12 and 64 find .99 of the true ten among 10,000 and 50,000
    chunks of manuals and abstracts; 16 and 128 find .995, writing takes half as long again.
    `words` is how they are searched by words: "bm25" over a table of postings, or "fulltext" by
    the server's index, which needs no second table, ranks worse and takes longer; or "none". All
    that write to one table must open it with the same `words`. With `results`, which needs "bm25",
    what was searched for before is found there until a chunk is written or deleted.
    """

    flat_metadata: bool = False
    table_name: str
    embed_dim: int
    distance: Distance
    m: int
    ef_search: int
    filter_keys: tuple[str, ...]
    words: Words
    perform_setup: bool

    _engine: sa.Engine = PrivateAttr()
    _table: ChunkTable = PrivateAttr()
    _reader: Reader = PrivateAttr()
    _groups: Groups | None = PrivateAttr(default=None)
    _set_up: bool = PrivateAttr(default=False)
    _setting_up: Any = PrivateAttr(default_factory=threading.Lock)
    _results: KnownResults | None = PrivateAttr(default=None)

    def __init__(
        self,
        engine: sa.Engine,
        table_name: str = "kb_chunk",
        *,
        embed_dim: int,
        distance: Distance = "cosine",
        m: int = 12,
        ef_search: int = 64,
        filter_keys: Sequence[str] = (),
        words: Words = "bm25",
        perform_setup: bool = True,
        results: Cache | None = None,
    ) -> None:
        table = ChunkTable(table_name, embed_dim, distance, m, ef_search, tuple(filter_keys), words)
        super().__init__(
            stores_text=True,
            table_name=table_name,
            embed_dim=embed_dim,
            distance=distance,
            m=m,
            ef_search=ef_search,
            filter_keys=table.filter_keys,
            words=words,
            perform_setup=perform_setup,
        )
        self._engine, self._table, self._reader = engine, table, find_reader(engine)
        if results:
            if table.postings is None:
                raise StoreError(
                    f"words is {words!r}; results are kept with words='bm25' alone, whose tables "
                    "tell of every change."
                )
            self._results = KnownResults(results, table.postings)

    @classmethod
    def from_params(
        cls,
        host: str | None = None,
        port: str | int | None = None,
        database: str | None = None,
        user: str | None = None,
        password: str | None = None,
        table_name: str = "llamaindex",
        schema_name: str = "public",  # noqa: ARG003 - the public integration takes and ignores it
        connection_string: str | sa.URL | None = None,
        connection_args: dict[str, Any] | None = None,
        embed_dim: int = 1536,
        default_m: int = 12,
        ef_search: int = 64,
        perform_setup: bool = True,  # noqa: FBT001, FBT002 - its signature
        debug: bool = False,  # noqa: FBT001, FBT002 - its signature
        **options: Any,
    ) -> "MariaDBVectorStore":
        """Takes what the public LlamaIndex MariaDB integration takes: change the import, no more.

        `options` are those of the constructor: distance, filter_keys, words.
        """
        url = connection_string or sa.URL.create(
            "mariadb+mariadbconnector",
            username=user,
            password=password,
            host=host,
            port=None if port is None else int(port),
            database=database,
        )
        engine = make_engine(url, connect_args=connection_args)
        engine.echo = debug
        return cls(
            engine,
            table_name,
            embed_dim=embed_dim,
            m=default_m,
            ef_search=ef_search,
            perform_setup=perform_setup,
            **options,
        )

    @classmethod
    def class_name(cls) -> str:
        return "MariaDBVectorStore"

    def __getstate__(self) -> NoReturn:
        raise TypeError(
            "A MariaDBVectorStore holds a connection pool and cannot be pickled or copied. "
            "Open one in each process."
        )

    @property
    def client(self) -> sa.Engine | None:
        """The engine; None before first use, when nothing was connected yet."""
        return self._engine if self._set_up else None

    @property
    def table(self) -> ChunkTable:
        """The table, for those who write chunks inside a transaction of their own."""
        return self._table

    def close(self) -> None:
        self._engine.dispose()
        self._set_up = False

    def seen_by(self, groups: Groups) -> "MariaDBVectorStore":
        """Return the same store as some groups see it: nothing else is found, counted or weighed.

        Of documents that the registry does not know they see none.
        """
        seen = MariaDBVectorStore.model_construct(**dict(self))
        for name, value in (self.__pydantic_private__ or {}).items():
            setattr(seen, name, value)
        seen._groups = groups  # noqa: SLF001 - of the same class
        return seen

    def set_up(self) -> None:
        """Create the table if need be, or require it where the server is read-only.

        Raises CollectionMismatch, UnsupportedServer, StoreError.
        """
        with self._setting_up:
            if not self._set_up:
                if self.perform_setup:
                    read_server_info(self._engine)
                    try:
                        run_transaction(self._engine, self._table.set_up)
                        self._table.fill_postings(self._engine)
                    except ServerIsReadOnly:
                        read_snapshot(self._engine, self._table.require_made)
                self._set_up = True

    def is_made(self) -> bool:
        """Whether the table is there; this does not make it."""
        return read_snapshot(self._engine, self._table.is_made)

    def add(self, nodes: Sequence[BaseNode], **_: Any) -> list[str]:
        """Write nodes with their embeddings in one transaction; the same id replaces."""
        rows = {node.node_id: node_to_row(node, self.embed_dim) for node in nodes}
        if rows:
            self._transact(lambda connection: self._table.put(connection, list(rows.values())))
        return [node.node_id for node in nodes]

    def add_new(self, nodes: Sequence[BaseNode], *, skip_known: bool = False) -> list[str]:
        """Write nodes whose ids are new, all or none, and return these.

        Raises ChunkExists for one whose id is stored or given twice, unless they are to be skipped.
        """
        first: dict[str, BaseNode] = {}
        for node in nodes:
            if not skip_known and node.node_id in first:
                raise ChunkExists(f"The chunk {node.node_id!r} was given twice. Give it once.")
            first.setdefault(node.node_id, node)
        rows = {id_: node_to_row(node, self.embed_dim) for id_, node in first.items()}

        def write(connection: sa.Connection) -> list[str]:
            known = set(self._table.hold_ids(connection, list(rows)))
            if known and not skip_known:
                raise ChunkExists(
                    f"{len(known)} of {len(rows)} chunks are stored already, as "
                    f"{min(known)!r}. Skip or replace those that are, or give others ids."
                )
            self._table.put(connection, [row for id_, row in rows.items() if id_ not in known])
            return [id_ for id_ in rows if id_ not in known]

        return self._transact(write) if rows else []

    def update_metadata(self, filters: MetadataFilters, changes: Mapping[str, Any]) -> int:
        """Set keys in the metadata of chunks that match, and count these; embeddings stay.

        All keys or none are set. What was embedded is not known of such a chunk any more, so who
        indexes the same text again has it embedded again.
        """
        where = self._make_where(filters)

        def write(connection: sa.Connection) -> int:
            nodes = [
                row_to_node(row, embedding=True) for row in self._table.hold(connection, where)
            ]
            for node in nodes:
                node.metadata |= changes
            rows = [node_to_row(node, self.embed_dim) | {"text_hash": None} for node in nodes]
            self._table.put(connection, rows)
            return len(rows)

        return self._transact(write)

    def delete_matching(self, filters: MetadataFilters) -> int:
        """Remove the chunks that match, and count them."""
        where = self._make_where(filters)

        def delete(connection: sa.Connection) -> int:
            held = self._table.hold(connection, where, columns="chunk_id")
            self._table.delete_ids(connection, [row.chunk_id for row in held])
            return len(held)

        return self._transact(delete)

    def delete(self, ref_doc_id: str, **_: Any) -> None:
        """Remove the chunks of a document."""
        self._transact(lambda connection: self._table.delete_document(connection, ref_doc_id))

    def delete_nodes(
        self,
        node_ids: list[str] | None = None,
        filters: MetadataFilters | None = None,
        **_: Any,
    ) -> None:
        """Remove chunks that are named and match the filters; nothing when neither is given."""
        where = self._make_where(filters, node_ids=node_ids)
        if where and node_ids != []:
            self._transact(lambda connection: self._table.delete(connection, where))

    def clear(self) -> None:
        self._transact(self._table.clear)

    def warm_up(self, is_ended: Callable[[], bool] = lambda: False) -> None:
        """Have the server read its vector index into memory. Raises StoreError."""
        self.set_up()
        read_snapshot(self._engine, lambda c: self._table.warm_up(c, is_ended))

    def get_nodes(
        self,
        node_ids: list[str] | None = None,
        filters: MetadataFilters | None = None,
    ) -> list[BaseNode]:
        """Chunks that are named and match, with their embeddings; all when neither is given."""
        if node_ids == []:
            return []
        where = self._make_where(filters, node_ids=node_ids)
        rows = self._read_on_engine(where, lambda search: search.list_chunks(_ALL))
        return [row_to_node(row, embedding=True) for row in rows]

    def count_nodes(self, filters: MetadataFilters | None = None) -> int:
        """Count the chunks that match; all without filters."""
        return self._read_on_engine(self._make_where(filters), Search.count_chunks)

    def read_metadata(self, filters: MetadataFilters | None, work: Callable[[Search], T]) -> T:
        """Ask, as of one moment, what the metadata of the chunks that match hold."""
        return self._read_on_engine(self._make_where(filters), work)

    def query(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        """The best chunks, first the best, with their similarities.

        DEFAULT and MMR give cosine similarities (1 / (1 + distance) for euclidean), TEXT_SEARCH,
        SPARSE and HYBRID scores in 0..1. Without an embedding and words DEFAULT lists what matches
        the filters, all at 1. HYBRID takes `fusion`, a Fusion; without it a weighted sum with
        `query.alpha`, of `similarity_top_k` and `sparse_top_k` candidates; it returns the best
        `hybrid_top_k`, without that `similarity_top_k`. TEXT_SEARCH and SPARSE return the best
        `sparse_top_k`, without that `similarity_top_k`. `phrases` are texts that each chunk must
        hold. Ids of index and image nodes alone restrict nothing, as VectorStoreIndex passes them.
        Raises InvalidVector, UnsupportedFilter, StoreError.
        """
        node_ids = self._choose_node_ids(query)
        where = self._make_where(query.filters, node_ids=node_ids, document_ids=query.doc_ids)
        phrases = kwargs.get("phrases") or ()

        def find_hits(search: Search) -> list[Hit]:
            return self._find_hits(search.require_phrases(phrases), query, kwargs)

        if self._results:
            asked = describe_search(query, kwargs, self._groups, self.table_name, self.ef_search)
            hits = self._find_known_hits(self._results, asked, where, find_hits)
        else:
            hits = self._read_quickly(where, find_hits, in_steps=query.mode in _BY_WORDS)
        nodes = [row_to_node(row) for row, _ in hits]
        return VectorStoreQueryResult(
            nodes=nodes,
            similarities=[similarity for _, similarity in hits],
            ids=[node.node_id for node in nodes],
        )

    def count_chunks_with(self, words: Collection[str]) -> WordCounts | None:
        """Count the chunks that have each word of an index; None without postings to count.

        Raises StoreError.
        """
        postings = self._table.postings
        if not postings:
            return None
        return self._read_quickly(
            self._table.make_where(self._groups),
            lambda search: postings.count_chunks_with(search.connection, words, search.visible),
            in_steps=True,
        )

    def _choose_node_ids(self, query: VectorStoreQuery) -> Sequence[str]:
        """Choose the ids that restrict a query.

        The retriever of a VectorStoreIndex passes the ids of all that the index keeps itself, which
        beside a store of texts are the index and image nodes that it was given: they name no text,
        and are not meant to hide any. Raises StoreError when all are of chunks that are gone.
        """
        if not query.node_ids:
            return ()
        where = self._make_where(None, node_ids=query.node_ids)
        classes = self._read_quickly(
            where, Search.list_node_classes, in_steps=query.mode in _BY_WORDS
        )
        if not classes:
            raise StoreError(
                f"None of the {len(query.node_ids)} node_ids, as {query.node_ids[0]!r}, is stored "
                "any more. Leave them out; an index whose index nodes are deleted names them "
                "still: open it again, by VectorStoreIndex.from_vector_store."
            )
        return () if classes <= KEPT_BY_INDEXES else query.node_ids

    def _find_hits(
        self, search: Search, query: VectorStoreQuery, kwargs: dict[str, Any]
    ) -> list[Hit]:
        top_k = query.similarity_top_k
        for name in ("similarity_top_k", "sparse_top_k", "hybrid_top_k"):
            if (asked := getattr(query, name) or 0) < 0:
                raise StoreError(f"{name} is {asked}; 0 or more chunks can be asked for.")
        match query.mode:
            case VectorStoreQueryMode.DEFAULT if not (query.query_embedding or query.query_str):
                return [(row, 1.0) for row in search.list_chunks(top_k)]
            case VectorStoreQueryMode.DEFAULT:
                return search.find_nearest(self._require_vector(query), top_k)
            case VectorStoreQueryMode.MMR:
                return _find_diverse(search, self._require_vector(query), query, kwargs)
            case VectorStoreQueryMode.TEXT_SEARCH | VectorStoreQueryMode.SPARSE:
                return search.find_by_words(
                    _require_words(query),
                    top_k if query.sparse_top_k is None else query.sparse_top_k,
                )
            case VectorStoreQueryMode.HYBRID:
                return search.find_by_both(
                    self._require_vector(query),
                    _require_words(query),
                    kwargs.get("fusion") or _read_fusion(query),
                    top_k if query.hybrid_top_k is None else query.hybrid_top_k,
                )
        raise StoreError(
            f"The query mode {query.mode.value!r} is not supported; use default, mmr, text_search, "
            "sparse or hybrid."
        )

    def _find_known_hits(
        self,
        results: KnownResults,
        asked: bytes,
        where: Where,
        find_hits: Callable[[Search], list[Hit]],
    ) -> list[Hit]:
        """Find hits that are known, as of now, or else anew, as of the moment of the search."""
        self.set_up()
        by_groups = self._groups is not None
        read_key = partial(results.read_key, asked=asked, by_groups=by_groups)
        with suppress(*self._reader.errors):  # else it is searched for, which explains them
            known = results.find(read_key(self._reader))
            if known is not None:
                return known

        def find_with_key(search: Search) -> tuple[bytes, list[Hit]]:
            return read_key(search.connection), find_hits(search)

        key, hits = self._read_quickly(where, find_with_key, in_steps=True)
        results.keep(key, hits)
        return hits

    def _require_vector(self, query: VectorStoreQuery) -> bytes:
        if query.query_embedding is None:
            raise StoreError(f"A {query.mode.value} query needs query_embedding.")
        return vectors.to_bytes(query.query_embedding, self.embed_dim)

    def _make_where(
        self,
        filters: MetadataFilters | None,
        *,
        node_ids: Sequence[str] | None = None,
        document_ids: Sequence[str] | None = None,
    ) -> Where:
        """Make the conditions of a call; an empty list of ids is none, as retrievers mean it."""
        where = self._table.make_where(self._groups)
        if node_ids:
            where.require_any("chunk_id", node_ids)
        if document_ids:
            where.require_any("document_id", document_ids)
        require_filters(where, filters)
        return where

    def _read_quickly(self, where: Where, work: Callable[[Search], T], *, in_steps: bool) -> T:
        """Search on a reader, at one moment if it takes several statements, as with conditions.

        What fails is done again on the engine, which explains it.
        """

        def read(reader: Reader) -> T:
            if not in_steps and not where:
                return work(Search(reader, self._table, where))
            with reader.open_snapshot() as snapshot:
                return work(Search(snapshot, self._table, where))

        if self._set_up:
            with suppress(*self._reader.errors):
                if self._groups is not None:  # a replica may not know yet what was taken from them
                    return read(self._reader)
                return read_anywhere(self._engine, read)
        return self._read_on_engine(where, work)

    def _read_on_engine(self, where: Where, work: Callable[[Search], T]) -> T:
        self.set_up()
        return read_snapshot(
            self._engine, lambda connection: work(Search(connection, self._table, where))
        )

    def _transact(self, work: Callable[[sa.Connection], T]) -> T:
        self.set_up()
        return self._table.transact(self._engine, work)

    async def async_add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:
        return await asyncio.to_thread(self.add, nodes, **kwargs)

    async def adelete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        await asyncio.to_thread(self.delete, ref_doc_id, **delete_kwargs)

    async def adelete_nodes(
        self,
        node_ids: list[str] | None = None,
        filters: MetadataFilters | None = None,
        **delete_kwargs: Any,
    ) -> None:
        await asyncio.to_thread(self.delete_nodes, node_ids, filters, **delete_kwargs)

    async def aclear(self) -> None:
        await asyncio.to_thread(self.clear)

    async def aget_nodes(
        self,
        node_ids: list[str] | None = None,
        filters: MetadataFilters | None = None,
    ) -> list[BaseNode]:
        return await asyncio.to_thread(self.get_nodes, node_ids, filters)

    async def aquery(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        return await asyncio.to_thread(self.query, query, **kwargs)


def _require_words(query: VectorStoreQuery) -> str:
    if not query.query_str:
        raise StoreError(f"A {query.mode.value} query needs query_str.")
    return query.query_str


def _read_fusion(query: VectorStoreQuery) -> Fusion:
    """Read the fusion that the fields of a LlamaIndex query describe."""
    alpha = Fusion.vector_weight if query.alpha is None else query.alpha
    if not 0 <= alpha <= 1:
        raise StoreError(f"alpha is {alpha}; it goes from 0 (only words) to 1 (only vectors).")
    return Fusion(
        vector_weight=alpha,
        candidates=query.similarity_top_k,
        word_candidates=query.sparse_top_k,
        adaptive=query.alpha is None,
    )


def _find_diverse(
    search: Search, vector: bytes, query: VectorStoreQuery, kwargs: dict[str, Any]
) -> list[Hit]:
    """Find chunks by maximal marginal relevance among the nearest, by LlamaIndex's own function."""
    factor = kwargs.get("mmr_prefetch_factor", _MMR_PREFETCH_FACTOR)
    prefetch = kwargs.get("mmr_prefetch_k") or int(query.similarity_top_k * factor)
    hits = search.find_nearest(vector, max(prefetch, query.similarity_top_k), embedding=True)
    threshold = query.mmr_threshold
    if threshold is None:
        threshold = kwargs.get("mmr_threshold", _MMR_THRESHOLD)
    if not query.similarity_top_k:
        return []  # the function takes 0 for all
    _, chosen = get_top_k_mmr_embeddings(
        vectors.from_bytes(vector),
        [vectors.from_bytes(row.embedding) for row, _ in hits],
        similarity_top_k=query.similarity_top_k,
        embedding_ids=list(range(len(hits))),
        mmr_threshold=threshold,
    )
    return [(hits[place][0], hits[place][1]) for place in chosen]
