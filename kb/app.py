"""KnowledgeBase: opens, wires, closes. The one place where the parts meet."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa
from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.base.response.schema import Response
from llama_index.core.llms.llm import LLM
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore
from llama_index.core.vector_stores.types import MetadataFilters

from engines.entities import EntityIndex
from engines.evidence import Evidence
from engines.guarded_database import GuardedDatabase
from engines.reranking import make_reranker
from engines.retrieval import DocumentRetriever
from engines.searching import Search
from engines.verified import VerifiedMatcher
from kb.answering import Asking, answering_engine
from kb.collection import open_store
from kb.config import Config, load_config
from kb.database import open_database
from kb.experiments import assigned
from kb.indexing.embed import ChunkEmbedder
from kb.indexing.report import IndexReport, Progress
from kb.indexing.run import Indexer
from kb.models import make_embedder, make_llm, vector_weight
from kb.sources import Source
from kb.tables import answering_from_tables, open_tables
from kb.usage import Said, keep_feedback, keeping_searches
from kb.verified_queries import open_verified_queries
from stores.collection import Collection
from stores.connection import ServerInfo, server_info
from stores.documents import DocumentRegistry
from stores.embedding_cache import EmbeddingCache
from stores.errors import ConfigError
from stores.search_log import Rating, SearchLog
from stores.vector_store import MariaDBVectorStore
from stores.verified_queries import VerifiedQueries


@dataclass(frozen=True)
class KnowledgeBase:
    """Documents and chunks in one MariaDB, and the engines that answer from them.

    Open it with `KnowledgeBase.open`; use it as a context manager, or `close` it.
    """

    config: Config
    engine: sa.Engine
    collection: Collection
    vector_store: MariaDBVectorStore
    registry: DocumentRegistry
    embed_model: BaseEmbedding
    llm: LLM | None

    @classmethod
    def open(
        cls,
        config: Config | str | Path | None = None,
        *,
        say: Callable[[str], None] = lambda _: None,
    ) -> Self:
        """Connect, starting the private MariaDB if need be, and bring the tables up to date.

        Raises ConfigError, StoreUnavailable, UnsupportedServer or CollectionMismatch.
        """
        config = config if isinstance(config, Config) else load_config(config)
        embed_model, llm = make_embedder(config), make_llm(config)
        engine = open_database(config, say)
        try:
            vector_store, collection = open_store(engine, config, embed_model)
        except BaseException:
            engine.dispose()
            raise
        registry = DocumentRegistry(engine, vector_store.table)
        return cls(config, engine, collection, vector_store, registry, embed_model, llm)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.engine.dispose()
        if "tables" in vars(self):
            self.tables.engine.dispose()

    @cached_property
    def tables(self) -> GuardedDatabase:
        """The business tables of tables.include, opened when they are first asked.

        Raises ConfigError, also when their account could do more than read them; StoreError.
        """
        return open_tables(self.config)

    @cached_property
    def verified_queries(self) -> VerifiedQueries:
        """Those of tables.verified_queries as the file is now, and those that were saved.

        Raises ConfigError, StoreError.
        """
        return open_verified_queries(self.config, self.engine)

    @cached_property
    def verified_matcher(self) -> VerifiedMatcher:
        return VerifiedMatcher(self.verified_queries, self.embed_model, self.tables.run)

    @cached_property
    def entities(self) -> EntityIndex:
        """The names that the business tables hold."""
        return EntityIndex(self.tables)

    @cached_property
    def evidence(self) -> Evidence:
        """What chooses a source where no model does."""
        schema = [
            self.tables.get_single_table_info(name)
            for name in sorted(self.tables.get_usable_table_names())
        ]
        return Evidence(schema, self.verified_matcher, self.entities)

    def index(
        self,
        path: str | Path | None = None,
        *,
        prune: bool = False,
        name: str | None = None,
        on_progress: Callable[[Progress], None] = lambda _: None,
        say: Callable[[str], None] = lambda _: None,
    ) -> IndexReport:
        """Index a directory, or one file; without a path, the one that config.yaml names.

        `prune` removes documents whose files are gone from the directory. Raises RootConflict,
        ModelUnavailable, StoreUnavailable; files that cannot be read are in the report.
        """
        directory = Path(path) if path else self.config.documents.path
        if directory is None:
            raise ConfigError("Name what to index, or set documents.path in config.yaml.")
        if not directory.exists():
            raise ConfigError(f"There is no {directory} to index. Name a directory or a file.")
        cache = EmbeddingCache(
            self.engine, self.collection.embedding_model, self.collection.dimension
        )
        embedder = ChunkEmbedder(self.embed_model, cache)
        indexer = Indexer(self.registry, embedder, on_progress, say)
        return indexer.index(directory, name=name, prune=prune)

    def retriever(
        self,
        top_k: int | None = None,
        *,
        filters: MetadataFilters | None = None,
        profile: str | None = None,
        session: str | None = None,
        on_search: Callable[[Search], None] | None = None,
    ) -> BaseRetriever:
        """What runs a search profile for `top_k` passages.

        Without a profile, the session's by retrieval.experiment, or retrieval.profile. Raises
        ConfigError, ModelUnavailable.
        """
        top_k = self.config.retrieval.top_k if top_k is None else top_k
        if top_k < 1:
            raise ConfigError(f"top_k is {top_k}; at least 1 passage is needed.")
        name = profile or self._profile_of(session)
        chosen = self.config.profile(name)
        rerank = chosen.rerank
        return DocumentRetriever(
            self.vector_store,
            self.embed_model,
            chosen,
            name=name,
            top_k=top_k,
            vector_weight=vector_weight(self.config.embedding),
            filters=filters,
            filter_keys=self.config.documents.filter_keys,
            reranker=make_reranker(rerank, self.llm, self.config.directory) if rerank else None,
            on_search=on_search,
        )

    def search(
        self,
        question: str,
        top_k: int | None = None,
        *,
        filters: MetadataFilters | None = None,
        profile: str | None = None,
        session: str | None = None,
    ) -> list[NodeWithScore]:
        """The passages that match best, the best first, scored in 0..1.

        A profile with neighbours adds those behind the `top_k`. A session keeps to one profile of
        retrieval.experiment.
        """
        retriever = self.retriever(
            top_k,
            filters=filters,
            profile=profile,
            session=session,
            on_search=keeping_searches(self.engine, self.config.retrieval.log, session),
        )
        return retriever.retrieve(_asked(question))

    def query_engine(
        self,
        source: Source = "auto",
        *,
        top_k: int | None = None,
        filters: MetadataFilters | None = None,
        profile: str | None = None,
        session: str | None = None,
        streaming: bool = False,
    ) -> BaseQueryEngine:
        """An engine that answers from a source, or chooses it; its responses carry their evidence.

        What chooses and logs passages has no meaning for the source `database`. Raises ConfigError.
        """
        return answering_engine(
            self, Asking(source, top_k, filters, profile, session, streaming=streaming)
        )

    def database_engine(
        self,
        *,
        streaming: bool = False,
        sql_only: bool = False,
        synthesize_response: bool = True,
    ) -> BaseQueryEngine:
        """The engine of the source `database`: verified queries, then SQL of the model.

        With `sql_only` it runs no SQL; without `synthesize_response` the rows are the answer.
        Raises ConfigError, StoreError.
        """
        return answering_from_tables(
            self.tables,
            self.verified_matcher,
            llm=self.llm,
            embed_model=self.embed_model,
            streaming=streaming,
            sql_only=sql_only,
            synthesize_response=synthesize_response,
        )

    def ask(
        self,
        question: str,
        source: Source = "auto",
        *,
        top_k: int | None = None,
        filters: MetadataFilters | None = None,
        profile: str | None = None,
        session: str | None = None,
    ) -> Response:
        """One answer with its evidence. Raises ModelUnavailable, StoreUnavailable."""
        engine = self.query_engine(
            source, top_k=top_k, filters=filters, profile=profile, session=session
        )
        response = engine.query(_asked(question))
        assert isinstance(response, Response)  # noqa: S101 - only streaming engines return others
        return response

    def feedback(
        self,
        search_id: str | None = None,
        *,
        session_id: str | None = None,
        turn_id: str | None = None,
        rating: Rating | None = None,
        comment: str = "",
        clicked: int | str | None = None,
    ) -> None:
        """Keep what somebody says of a search, or of a turn of a chat session.

        The id of an answer's search is in `metadata["search"]`. `clicked` is the number that a
        passage was shown with, or its chunk id. Raises ConfigError, StoreError.
        """
        said = Said(rating, comment, clicked)
        keep_feedback(SearchLog(self.engine), said, search_id, session_id, turn_id)

    def status(self) -> dict[str, Any]:
        """Server, collection, counts and failures, as `kb status --json` prints them."""
        info: ServerInfo = server_info(self.engine)
        documents, chunks = self.registry.totals()
        return {
            "server": info.version,
            "collection": self.collection.name,
            "embedding": self.collection.embedding_model,
            "dimension": self.collection.dimension,
            "llm": self.llm.metadata.model_name if self.llm else None,
            "documents": documents,
            "chunks": chunks,
            "roots": self.registry.roots(),
            "failed": [
                {"path": each.path, "reason": each.reason, "root": each.root}
                for each in self.registry.failures()
            ],
        }

    def _profile_of(self, session: str | None) -> str:
        retrieval = self.config.retrieval
        if session is None or not retrieval.experiment:
            return retrieval.profile
        return assigned(session, retrieval.experiment)


def _asked(question: str) -> str:
    if not question.strip():
        raise ConfigError("The question is empty. Ask something.")
    return question.encode(errors="replace").decode()
