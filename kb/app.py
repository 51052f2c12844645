"""KnowledgeBase: what it can do, one method each. The parts meet here."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.response.schema import Response
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore
from llama_index.core.vector_stores.types import MetadataFilters

from engines.chat.chat_session import ChatSession
from engines.search.search_run import Search
from kb.assembly.answer_sources import Source
from kb.assembly.answering import Asking, answering_engine, database_engine, document_retriever
from kb.assembly.chatting import chat_session
from kb.assembly.components import Parts
from kb.assembly.search_logging import Said, keep_feedback, keeping_searches
from kb.indexing.embed import ChunkEmbedder
from kb.indexing.indexing_run import EVERYTHING, Indexer, Scope
from kb.indexing.report import IndexReport, Progress
from kb.indexing.secret_files import OwnFiles
from kb.transcript import transcript
from stores.chats.chat_sessions import SessionInfo
from stores.connection import ServerInfo, read_server_info
from stores.errors import ConfigError
from stores.registry.embedding_cache import EmbeddingCache
from stores.searches.search_log import Rating, SearchLog


class KnowledgeBase(Parts):
    """Documents, tables and chat sessions in one MariaDB, and the engines that answer from them.

    Open it with `KnowledgeBase.open`; use it as a context manager, or `close` it.
    """

    def index(
        self,
        path: str | Path | None = None,
        *,
        prune: bool = False,
        name: str | None = None,
        scope: Scope = EVERYTHING,
        on_progress: Callable[[Progress], None] = lambda _: None,
        say: Callable[[str], None] = lambda _: None,
    ) -> IndexReport:
        """Index a directory, or one file; without a path, the one that config.yaml names.

        `prune` removes documents whose files are gone from the directory; `scope` says how much of
        it is looked at. Raises RootConflict, ModelUnavailable, StoreUnavailable; files that cannot
        be read are in the report, and so are those that hold secrets, which are passed over.
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
        own = OwnFiles.of(self.config)
        indexer = Indexer(self.registry, embedder, on_progress, say, own)
        return indexer.index(directory, name=name, prune=prune, scope=scope)

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
        asking = Asking(top_k=top_k, filters=filters, profile=profile, session=session)
        return document_retriever(self, asking, on_search)

    def search(
        self,
        question: str,
        top_k: int | None = None,
        *,
        filters: MetadataFilters | None = None,
        profile: str | None = None,
        session: str | None = None,
        user: str | None = None,
    ) -> list[NodeWithScore]:
        """The passages that match best, the best first, scored in 0..1.

        A profile with neighbours adds those behind the `top_k`. A session keeps to one profile of
        retrieval.experiment. The search is logged as that of `user`.
        """
        retriever = self.retriever(
            top_k,
            filters=filters,
            profile=profile,
            session=session,
            on_search=keeping_searches(self.search_log, self.config.retrieval.log, session, user),
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
        user: str | None = None,
        streaming: bool = False,
    ) -> BaseQueryEngine:
        """An engine that answers from a source, or chooses it; its responses carry their evidence.

        What chooses and logs passages has no meaning for the source `database`. Raises ConfigError.
        """
        return answering_engine(
            self, Asking(source, top_k, filters, profile, session, user, streaming)
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
        return database_engine(
            self, streaming=streaming, sql_only=sql_only, synthesize_response=synthesize_response
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

    def chat(
        self,
        session_id: str,
        *,
        source: Source = "auto",
        profile: str | None = None,
        filters: MetadataFilters | None = None,
        user: str | None = None,
    ) -> ChatSession:
        """The chat engine of a stored session, which begins with its first question.

        Raises ConfigError; a session of another user raises StoreError when it is asked.
        """
        asking = Asking(source, filters=filters, profile=profile, session=session_id, user=user)
        return chat_session(self, asking, user)

    def sessions(self, search: str | None = None, *, user: str | None = None) -> list[SessionInfo]:
        """The chat sessions, the last used first; those that hold all words of `search`."""
        return self.session_store.all(search=search, user=user)

    def rename_session(self, session_id: str, title: str) -> None:
        """Raises StoreError."""
        self.session_store.rename(session_id, title)

    def delete_session(self, session_id: str) -> None:
        """Delete everything of a session. Raises StoreError."""
        self.session_store.delete(session_id)

    def export_session(self, session_id: str, format: str = "markdown") -> str:  # noqa: A002 - a promised name
        """A session as `markdown` or as `json`. Raises ConfigError, StoreError."""
        info = self.session_store.one(session_id)
        return transcript(info, self.session_store.list_turns(session_id), format)

    def feedback(
        self,
        search_id: str | None = None,
        *,
        session_id: str | None = None,
        turn_id: str | None = None,
        rating: Rating | None = None,
        comment: str = "",
        clicked: int | str | None = None,
        user: str | None = None,
    ) -> None:
        """Keep what somebody says of a search, or of a turn of a chat session.

        A `user` speaks of their own searches alone.
        The id of an answer's search is in `metadata["search"]`. `clicked` is the number that a
        passage was shown with, or its chunk id. Raises ConfigError, StoreError.
        """
        said = Said(rating, comment, clicked)
        self.search_log.flush()
        keep_feedback(SearchLog(self.engine), said, search_id, session_id, turn_id, user)

    def status(self) -> dict[str, Any]:
        """Server, collection, counts and failures, as `kb status --json` prints them."""
        info: ServerInfo = read_server_info(self.engine)
        documents, chunks = self.registry.count_totals()
        return {
            "server": info.version,
            "collection": self.collection.name,
            "embedding": self.collection.embedding_model,
            "dimension": self.collection.dimension,
            "llm": self.llm.metadata.model_name if self.llm else None,
            "documents": documents,
            "chunks": chunks,
            "roots": self.registry.list_roots(),
            "failed": [
                {"path": each.path, "reason": each.reason, "root": each.root}
                for each in self.registry.list_failures()
            ],
        }


def _asked(question: str) -> str:
    if not question.strip():
        raise ConfigError("The question is empty. Ask something.")
    return question.encode(errors="replace").decode()
