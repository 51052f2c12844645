"""KnowledgeBase: what it can do, one method each."""

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Literal, Self

from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.response.schema import Response
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import Document, NodeWithScore
from llama_index.core.vector_stores.types import MetadataFilters

from engines.answer import Answer
from engines.chat.chat_session import ChatSession
from engines.question import check_question
from engines.search.search_run import Search
from kb.assembly.answer_sources import Source
from kb.assembly.answering import make_answer_engine, make_database_engine
from kb.assembly.chatting import make_chat_session
from kb.assembly.components import Components, open_components
from kb.assembly.embedding import make_chunk_embedder
from kb.assembly.following import follow_collection
from kb.assembly.search_logging import Feedback, make_search_logger, store_feedback
from kb.assembly.searching import AnswerOptions, make_retriever
from kb.async_twins import make_async_twin
from kb.backups import back_up
from kb.catalogue import UPLOADS, Catalogue, ShownDocument, copy_uploads
from kb.config.loading import load_config
from kb.config.sections import Config
from kb.considered import ConsideredPassage, list_considered
from kb.former_uploads import take_in_former_uploads
from kb.indexing.added import DocumentAdder
from kb.indexing.added_rows import add_table_rows
from kb.indexing.estimate import EmbeddingEstimate
from kb.indexing.indexing_run import EVERYTHING, Indexer, Scope
from kb.indexing.reading_options import ReadingOptions
from kb.indexing.report import IndexReport, OnChange, OnProgress
from kb.indexing.secret_files import OwnFiles
from kb.shared_chats import share_session
from kb.status import read_status
from kb.suggestions import Suggestion, suggest_follow_ups, suggest_questions
from kb.transcript import write_transcript
from kb.workers.make_dispatch import make_worker_dispatch
from stores.answers.review import AnswerReview
from stores.audiences import join_groups
from stores.audit_log import EVERY_ENTRY, AuditEntry, AuditFilter
from stores.backup.write import BackupReport
from stores.caches.cache import pass_by_caches
from stores.chats.session_list import Place, SessionInfo
from stores.chunks.vector_store import MariaDBVectorStore
from stores.errors import (
    CollectionMismatch,
    ConfigError,
    RootConflict,
    ServerIsReadOnly,
    StoreUnavailable,
)
from stores.moves.foreign_tables import ForeignTable
from stores.registry.document_list import ListedDocument
from stores.searches.search_log import Rating, SearchLog
from stores.text.surrogates import replace_lone_surrogates

_SECONDS_BETWEEN_LOOKS: Final = 1.0


class KnowledgeBase:
    """Documents, tables and chat sessions in one MariaDB, and the engines that answer from them.

    Open it with `KnowledgeBase.open`; use it as a context manager, or `close` it. What it is made
    of are its `components`.
    """

    def __init__(self, components: Components) -> None:
        self.components = components
        self._looked = time.monotonic()

    @classmethod
    def open(
        cls,
        config: Config | str | Path | None = None,
        *,
        say: Callable[[str], None] = lambda _: None,
    ) -> Self:
        """Connect, starting the private MariaDB if need be, and bring the tables up to date.

        Chat sessions that are older than chat.retention_days are deleted, and logged answers that
        are older than cost.retention_days. Raises ConfigError, StoreUnavailable, UnsupportedServer
        or CollectionMismatch.
        """
        config = config if isinstance(config, Config) else load_config(config)
        knowledge_base = cls(open_components(config, say))
        try:
            with suppress(ServerIsReadOnly):  # who may write takes them in
                take_in_former_uploads(knowledge_base.components.engine, config, say)
            knowledge_base.remove_old_sessions()
            knowledge_base.remove_old_answers()
        except BaseException:
            knowledge_base.close()
            raise
        return knowledge_base

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.close)

    @classmethod
    async def aopen(
        cls,
        config: Config | str | Path | None = None,
        *,
        say: Callable[[str], None] = lambda _: None,
    ) -> Self:
        """Open as `open` does, for `async with await KnowledgeBase.aopen(...) as kb`."""
        return await asyncio.to_thread(cls.open, config, say=say)

    def close(self) -> None:
        """Write what is still to be written, and give back every connection."""
        self.components.close()

    def seen_by(self, groups: Iterable[str]) -> Self:
        """The same knowledge base as somebody in these groups sees it, and in `everyone`.

        What they may not see by `access` is not there: no passage, count, table or name of it, and
        scores are those of a base that never held it. Everything without `access` in config.yaml.
        It is closed with this one.
        """
        if not self.config.access.is_set:
            return self
        return type(self)(self.components.seen_by(join_groups(groups)))

    @property
    def config(self) -> Config:
        return self.components.config

    @property
    def vector_store(self) -> MariaDBVectorStore:
        return self.components.vector_store

    def index(
        self,
        path: str | Path | None = None,
        *,
        keep: bool = False,
        prune: bool = False,
        name: str | None = None,
        scope: Scope = EVERYTHING,
        by_workers: bool = False,
        on_progress: OnProgress = lambda _: None,
        on_change: OnChange = lambda _: None,
        say: Callable[[str], None] = lambda _: None,
    ) -> IndexReport:
        """Index a directory, or one file; without a path, the one that config.yaml names.

        Documents whose files are gone are removed, but not with `keep`; those of a directory in
        which nothing is found any more, as of a disk that is not mounted, only with `prune`.
        `scope` says how much is looked at. With `by_workers` processes of `kb worker` read and
        write what has changed. Raises ConfigError, RootConflict, ModelUnavailable or
        StoreUnavailable; files that cannot be read are in the report, and so are those that hold
        secrets, which are passed over.
        """
        if keep and prune:
            raise ConfigError("Documents whose files are gone are kept or pruned, not both.")
        directory = self._require_directory(path)

        def run() -> IndexReport:
            indexer = self._make_indexer(on_progress, on_change, say)
            if by_workers:
                indexer = replace(indexer, dispatch=make_worker_dispatch(self.components, say))
            return indexer.index(directory, name=name, keep=keep, prune=prune, scope=scope)

        return self._write_current(run)

    def estimate(
        self,
        path: str | Path | None = None,
        *,
        name: str | None = None,
        on_progress: OnProgress = lambda _: None,
        say: Callable[[str], None] = lambda _: None,
    ) -> EmbeddingEstimate:
        """Find out what `index` would have embedded; nothing is embedded or written.

        Raises what `index` raises.
        """
        directory = self._require_directory(path)
        indexer = self._make_indexer(on_progress, lambda _: None, say)
        return indexer.estimate(directory, name=name)

    def index_uploads(
        self,
        *,
        keep: bool = False,
        scope: Scope = EVERYTHING,
        by_workers: bool = False,
        on_progress: OnProgress = lambda _: None,
        on_change: OnChange = lambda _: None,
        say: Callable[[str], None] = lambda _: None,
    ) -> IndexReport:
        """Index the uploaded files that the database keeps, of which it makes copies meanwhile.

        What was uploaded and is removed since is no document any more, but with `keep`; what is
        damaged stays as it was indexed, and is in the report. Raises what `index` raises.
        """
        self._catalogue.require_own_uploads(self.config.former_uploads)
        files = self._catalogue.uploaded_files
        paths = scope.only
        if paths is None:
            paths = [file.path for file in files.list_all()]
        with tempfile.TemporaryDirectory(prefix="kb-uploads-") as copies:
            damaged = copy_uploads(files, paths, Path(copies))
            whole = [path for path in paths if path not in damaged]

            def run() -> IndexReport:
                indexer = self._make_indexer(on_progress, on_change, say)
                if by_workers:
                    dispatch = make_worker_dispatch(self.components, say, are_copies=True)
                    indexer = replace(indexer, dispatch=dispatch)
                return indexer.index_copies(
                    Path(copies), UPLOADS, keep=keep, scope=replace(scope, only=whole)
                )

            report = self._write_current(run)
        return replace(report, failed=[*report.failed, *damaged.items()])

    def _require_directory(self, path: str | Path | None) -> Path:
        directory = Path(path) if path else self.config.documents.path
        if directory is None:
            raise ConfigError("Name what to index, or set documents.path in config.yaml.")
        if not directory.exists():
            raise ConfigError(f"There is no {directory} to index. Name a directory or a file.")
        return directory

    def _make_indexer(
        self, on_progress: OnProgress, on_change: OnChange, say: Callable[[str], None]
    ) -> Indexer:
        own = OwnFiles.from_config(self.config)
        registry, embedder = self.components.registry, make_chunk_embedder(self.components)
        options = ReadingOptions.from_config(self.config.documents)
        return Indexer(registry, embedder, on_progress, say, own, on_change, options)

    def add(
        self,
        documents: Iterable[Document],
        *,
        root: str,
        on_progress: OnProgress = lambda _: None,
        on_change: OnChange = lambda _: None,
        say: Callable[[str], None] = lambda _: None,
    ) -> IndexReport:
        """Add LlamaIndex documents, of any reader, below a root that has no directory.

        Each is known by its `id_`, which must stay the same from call to call: it takes the place
        of the one with that id in one transaction, and costs nothing when it is unchanged. Metadata
        are kept, and shown to the models as the document says; `title`, `language`, `page` (or
        `page_label`) and `lines` are cited. What cannot be added is in the report. No run of
        `index` removes them; `remove_document` and `forget_root` do. Raises ConfigError,
        RootConflict, ModelUnavailable, StoreUnavailable.
        """
        listed = list(documents)
        return self._write_current(
            lambda: self._make_adder(root, on_progress, on_change, say).add(listed, root)
        )

    def add_rows(
        self,
        table: ForeignTable,
        *,
        root: str | None = None,
        same_model: bool = False,
        on_progress: OnProgress = lambda _: None,
        on_change: OnChange = lambda _: None,
        say: Callable[[str], None] = lambda _: None,
    ) -> IndexReport:
        """Add the rows of a table that another framework wrote, below a root that has no directory.

        `stores.moves.foreign_tables` opens one; the root is called as it is, without another name.
        Rows that are pieces of one document become one, each a chunk with its text and metadata;
        its id is in `row_id`. With `same_model`, which some texts are embedded to confirm, vectors
        are kept; else all texts are embedded. What is there unchanged costs nothing, so that a run
        that broke off is gone on with by another. Raises what `add` raises, CollectionMismatch for
        vectors of another model, StoreError for what the table is not.
        """
        name = root or table.name

        def run() -> IndexReport:
            adder = self._make_adder(name, on_progress, on_change, say)
            return add_table_rows(adder, table, name, same_model=same_model)

        return self._write_current(run)

    def _make_adder(
        self, root: str, on_progress: OnProgress, on_change: OnChange, say: Callable[[str], None]
    ) -> DocumentAdder:
        """Make what adds documents below a root. Raises RootConflict for that of uploads."""
        if root == UPLOADS:
            raise RootConflict(f"{UPLOADS!r} is the root of uploaded files. Choose another name.")
        registry, embedder = self.components.registry, make_chunk_embedder(self.components)
        return DocumentAdder(registry, embedder, on_progress, on_change, say)

    def _write_current(self, run: Callable[[], IndexReport]) -> IndexReport:
        """Do a run, and again whenever the collection was switched to another model meanwhile."""
        self.follow_collection()
        while True:
            before = self.components
            try:
                return run()
            except CollectionMismatch:
                self.follow_collection(0)
                if self.components is before:
                    raise

    def follow_collection(self, seconds: float = _SECONDS_BETWEEN_LOOKS) -> None:
        """Take up the table and the model that the collection was switched to meanwhile.

        Every question and every run does, when nobody looked for so many seconds; what is under
        way goes on with what it began with. Raises CollectionMismatch when the configuration does
        not name that model.
        """
        if time.monotonic() - self._looked < seconds:
            return
        with suppress(StoreUnavailable):  # what asks next says so
            self.components = follow_collection(self.components)
            self._looked = time.monotonic()

    @property
    def _catalogue(self) -> Catalogue:
        return Catalogue(self.components.registry)

    def list_documents(
        self,
        *,
        root: str | None = None,
        status: Literal["indexed", "failed"] | None = None,
        search: str | None = None,
        offset: int = 0,
        limit: int = 1000,
    ) -> list[ListedDocument]:
        """The documents by their names, a page of them; those with `search` in path or title."""
        roots = None if root is None else [root]
        documents = self._catalogue.documents
        page, _ = documents.list_page(
            status=status, roots=roots, search=search, offset=offset, limit=limit
        )
        return page

    def show_document(self, name: str) -> ShownDocument:
        """A document with its passages, by its name as ROOT/PATH. Raises StoreError."""
        return self._catalogue.show_document(name)

    def remove_document(self, name: str) -> bool:
        """Take a document out of the index; whether its file went too, as that of an upload does.

        Any other file stays, and the next run over its directory indexes it again. Raises
        StoreError.
        """
        return self._catalogue.remove_document(self._catalogue.documents.find(name))

    def retry_documents(
        self,
        names: Sequence[str] | None = None,
        *,
        root: str | None = None,
        on_progress: OnProgress = lambda _: None,
        say: Callable[[str], None] = lambda _: None,
    ) -> list[IndexReport]:
        """Read again what is named, or all that failed; the report of each root.

        What has no file to read, as of a directory that is not there, fails with that reason.
        Raises StoreError for an unknown name, and what `index` raises.
        """
        return [
            self._retry_root(retried, paths, on_progress, say)
            for retried, paths in self._catalogue.choose_to_retry(names, root).items()
        ]

    def _retry_root(
        self,
        root: str,
        paths: Sequence[str],
        on_progress: OnProgress,
        say: Callable[[str], None],
    ) -> IndexReport:
        files = self._catalogue.uploaded_files
        kept = [path for path in paths if files.find(path)] if root == UPLOADS else []
        directory = self.components.registry.find_root_path(root)
        if kept:
            report = self.index_uploads(
                scope=Scope(only=kept, retry=True), on_progress=on_progress, say=say
            )
            gone = [(path, "its file is gone") for path in paths if path not in kept]
            return replace(report, failed=[*report.failed, *gone])
        if directory is None:
            reason = "it is no file: add it again, by the program that did"
        elif not Path(directory).is_dir():
            reason = "the directory of its root is not there"
        else:
            scope = Scope(only=paths, retry=True)
            return self.index(directory, name=root, scope=scope, on_progress=on_progress, say=say)
        return IndexReport(root=root, failed=[(path, reason) for path in paths])

    def forget_root(
        self,
        root: str,
        *,
        on_removed: Callable[[int], None] = lambda _: None,
        say: Callable[[str], None] = lambda _: None,
    ) -> int:
        """Take all documents of a root out of the index, with its name; how many they were.

        Files stay, but for those that were uploaded. Raises StoreError for an unknown root.
        """
        return self._catalogue.forget_root(root, on_removed=on_removed, say=say)

    def retriever(
        self,
        top_k: int | None = None,
        *,
        filters: MetadataFilters | None = None,
        profile: str | None = None,
        session: str | None = None,
        exact: bool = False,
        on_search: Callable[[Search], None] | None = None,
    ) -> BaseRetriever:
        """What runs a search profile for `top_k` passages.

        Words that a question quotes favour the passages that hold them; with `exact` they must
        stand there, unless no passage holds them. Without a profile, the session's by
        retrieval.experiment, or retrieval.profile. Raises ConfigError, ModelUnavailable.
        """
        self.follow_collection()
        options = AnswerOptions(
            top_k=top_k, filters=filters, profile=profile, session=session, exact=exact
        )
        return make_retriever(self.components, options, on_search)

    def search(
        self,
        question: str,
        top_k: int | None = None,
        *,
        filters: MetadataFilters | None = None,
        profile: str | None = None,
        session: str | None = None,
        user: str | None = None,
        exact: bool = True,
        cached: bool = True,
    ) -> list[NodeWithScore]:
        """The passages that match best, the best first, scored in 0..1.

        Quoted words must stand in each, unless they stand in none or `exact` is False.
        A profile with neighbours adds those behind the `top_k`. A session keeps to one profile of
        retrieval.experiment. The search is logged as that of `user`. Unless `cached`, nothing comes
        from a cache.
        """
        retriever = self._make_logged_retriever(top_k, filters, profile, session, user, exact=exact)
        books, asked = self.components.books, replace_lone_surrogates(check_question(question))
        audited = books.audit.begin("search", asked, user)
        observed = books.observe("search", user)
        with observed as calls, audited.until_end(calls), pass_by_caches(not cached):
            return retriever.retrieve(asked)

    def considered(
        self,
        search_id: str,
        *,
        filters: MetadataFilters | None = None,
        user: str | None = None,
    ) -> list[ConsideredPassage]:
        """The passages that a search found, the best first, with what its answer cites of them.

        The id of an answer's search is in `metadata["search"]`. A `user` sees their own searches
        alone. Raises StoreError for one that is not in the log.
        """
        self.components.search_log.flush()
        log = SearchLog(self.components.engine)
        return list_considered(log, self.vector_store, search_id, filters, user)

    def _make_logged_retriever(
        self,
        top_k: int | None,
        filters: MetadataFilters | None,
        profile: str | None,
        session: str | None,
        user: str | None,
        *,
        exact: bool,
    ) -> BaseRetriever:
        """Make the retriever of a search that is logged."""
        log = self.config.retrieval.log
        return self.retriever(
            top_k,
            filters=filters,
            profile=profile,
            session=session,
            exact=exact,
            on_search=make_search_logger(self.components.search_log, log, session, user),
        )

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
        exact: bool = False,
        model: str | None = None,
        cached: bool = True,
    ) -> BaseQueryEngine:
        """An engine that answers from a source, or chooses it; its responses carry their evidence.

        What chooses and logs passages has no meaning for the source `database`. `exact` is that of
        `retriever`, `model` a name of llm.choices. Unless `cached`, nothing comes from a cache.
        Raises ConfigError.
        """
        how = streaming, exact, model, cached
        return self._make_answer_engine(
            AnswerOptions(source, top_k, filters, profile, session, user, *how)
        )

    def _make_answer_engine(self, options: AnswerOptions) -> BaseQueryEngine:
        """Make the engine of the options on the collection as it is now."""
        self.follow_collection()
        return make_answer_engine(self.components, options)

    def database_engine(
        self,
        *,
        streaming: bool = False,
        sql_only: bool = False,
        synthesize_response: bool = True,
        user: str | None = None,
    ) -> BaseQueryEngine:
        """The engine of the source `database`: verified queries, then SQL of the model.

        With `sql_only` it runs no SQL; without `synthesize_response` the rows are the answer. Its
        questions are logged as those of `user`.
        Raises ConfigError, StoreError.
        """
        return make_database_engine(
            self.components,
            streaming=streaming,
            sql_only=sql_only,
            synthesize_response=synthesize_response,
            user=user,
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
        exact: bool = False,
        model: str | None = None,
        cached: bool = True,
    ) -> Response:
        """One answer with its evidence. `exact`, `model` and `cached` are those of `query_engine`.

        Raises ModelUnavailable, StoreUnavailable.
        """
        how: dict[str, Any] = {"exact": exact, "model": model, "cached": cached}
        engine = self._make_answer_engine(
            AnswerOptions(source, top_k, filters, profile, session, **how)
        )
        response = engine.query(replace_lone_surrogates(check_question(question)))
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
        model: str | None = None,
    ) -> ChatSession:
        """The chat engine of a stored session, which begins with its first question.

        `model` is a name of llm.choices. Raises ConfigError; a session of another user raises
        StoreError when it is asked.
        """
        self.follow_collection()
        options = AnswerOptions(
            source, filters=filters, profile=profile, session=session_id, user=user, model=model
        )
        return make_chat_session(self.components, options, user)

    def sessions(
        self,
        search: str | None = None,
        *,
        user: str | None = None,
        tag: str | None = None,
        after: Place | None = None,
        limit: int = 100,
    ) -> list[SessionInfo]:
        """The chat sessions: pinned ones, then the others, the last used first.

        Those that hold all words of `search`, have a tag, and stand behind a place: that of the
        last one of the page before. `components.session_store` pins, tags and brings them back.
        """
        return self.components.session_store.list_sessions(
            search=search, user=user, tag=tag, after=after, limit=limit
        )

    def suggest_questions(
        self, *, language: str = "en", roots: Sequence[str] | None = None, limit: int = 6
    ) -> list[Suggestion]:
        """Suggest questions to begin with, drawn from verified queries, documents and tables.

        No model is asked; what is in the language comes first. Raises StoreError.
        """
        return suggest_questions(self.components, language, roots, limit)

    def suggest_follow_ups(
        self,
        metadata: Mapping[str, Any],
        *,
        filters: MetadataFilters | None = None,
        user: str | None = None,
        limit: int = 3,
    ) -> list[Suggestion]:
        """Suggest questions behind the answer of these `Response.metadata`, or a turn's `evidence`.

        They are on what its search found and it does not cite, and verified ones on its tables.
        Raises ConfigError, StoreError.
        """
        self.components.search_log.flush()
        answer = Answer.from_metadata(metadata)
        return suggest_follow_ups(self.components, answer, filters, user, limit)

    def remove_old_sessions(self) -> None:
        """Delete the sessions that are older than chat.retention_days, if it is set.

        And for good those that were deleted, and can be brought back no more.

        `open` does so, and a server every day. Raises StoreError.
        """
        if days := self.config.chat.retention_days:
            with suppress(ServerIsReadOnly):  # who may write deletes them
                self.components.session_store.remove_older_than(days)
        with suppress(ServerIsReadOnly):
            self.components.session_store.remove_deleted()

    def remove_old_answers(self) -> None:
        """Delete logged answers and audited questions that are older than the configuration keeps.

        Those are cost.retention_days and access.audit_days.
        `open` does so, and a server every day. Raises StoreError.
        """
        with suppress(ServerIsReadOnly):  # who may write deletes them
            if days := self.config.cost.retention_days:
                self.components.books.log.remove_older_than(days)
                AnswerReview(self.components.engine).remove_spent()
            if days := self.config.access.audit_days:
                self.components.books.audit.log.remove_older_than(days)

    def audit_entries(
        self, wanted: AuditFilter = EVERY_ENTRY, limit: int = 1000
    ) -> list[AuditEntry]:
        """Who asked what with `access.audit`, and which documents and tables that read.

        The last is the first. Raises StoreError.
        """
        audit = self.components.books.audit
        audit.writer.flush()
        return audit.log.list_entries(wanted, limit)

    def rename_session(self, session_id: str, title: str) -> None:
        """Raises StoreError."""
        self.components.session_store.rename(session_id, title)

    def delete_session(self, session_id: str) -> None:
        """Delete everything of a session. Raises StoreError."""
        self.components.session_store.delete(session_id)

    def share_session(self, session_id: str) -> str:
        """Return the secret of a link that shows a session as it is now to whoever has it.

        `stores.chats.shares` lists and revokes links. Raises StoreError.
        """
        return share_session(self.components, session_id)

    def export_session(self, session_id: str, format: str = "markdown") -> str:  # noqa: A002 - a promised name
        """A session as `markdown` or as `json`. Raises ConfigError, StoreError."""
        info = self.components.session_store.one(session_id)
        return write_transcript(info, self.components.session_store.list_turns(session_id), format)

    def feedback(
        self,
        search_id: str | None = None,
        *,
        session_id: str | None = None,
        turn_id: str | None = None,
        rating: Rating | None = None,
        comment: str = "",
        clicked: int | str | None = None,
        edited_sql: str | None = None,
        user: str | None = None,
    ) -> None:
        """Keep what somebody says of a search, or of a turn of a chat session.

        A `user` speaks of their own searches alone.
        The id of an answer's search is in `metadata["search"]`. `clicked` is the number that a
        passage was shown with, or its chunk id. `edited_sql` is what somebody made of the statement
        of a turn. Raises ConfigError, StoreError.
        """
        feedback = Feedback(rating, comment, clicked, edited_sql)
        self.components.search_log.flush()
        log = SearchLog(self.components.engine)
        extent = self.config.retrieval.log
        store_feedback(log, feedback, search_id, session_id, turn_id, user, extent)

    def backup(
        self,
        file: str | Path,
        *,
        force: bool = False,
        on_progress: Callable[[str, int, int], None] = lambda *_: None,
    ) -> BackupReport:
        """Save the whole database and the uploaded files in one file, as of one moment.

        It is read again before it gets its name; with `force` it replaces one of that name.
        `kb.restore` reads it. Raises StoreError, StoreUnavailable.
        """
        self.components.search_log.flush()
        self.components.books.writer.flush()
        used = self.components
        return back_up(used.engine, self.config, file, force=force, on_progress=on_progress)

    def status(self) -> dict[str, Any]:
        """Server, collection, counts and failures, as `kb status --json` prints them."""
        used = self.components
        return read_status(used.engine, self.config, used.registry.groups)

    async def asearch(
        self,
        question: str,
        top_k: int | None = None,
        *,
        filters: MetadataFilters | None = None,
        profile: str | None = None,
        session: str | None = None,
        user: str | None = None,
        exact: bool = True,
        cached: bool = True,
    ) -> list[NodeWithScore]:
        """Search as `search` does, without a thread for what the models do."""
        retriever = await asyncio.to_thread(
            self._make_logged_retriever, top_k, filters, profile, session, user, exact=exact
        )
        books, asked = self.components.books, replace_lone_surrogates(check_question(question))
        audited = await asyncio.to_thread(books.audit.begin, "search", asked, user)
        observed = books.observe("search", user)
        with observed as calls, audited.until_end(calls), pass_by_caches(not cached):
            return await retriever.aretrieve(asked)

    async def aask(
        self,
        question: str,
        source: Source = "auto",
        *,
        top_k: int | None = None,
        filters: MetadataFilters | None = None,
        profile: str | None = None,
        session: str | None = None,
        exact: bool = False,
        model: str | None = None,
        cached: bool = True,
    ) -> Response:
        """Answer as `ask` does, without a thread for what the models do."""
        how: dict[str, Any] = {"exact": exact, "model": model, "cached": cached}
        engine = await asyncio.to_thread(
            self._make_answer_engine,
            AnswerOptions(source, top_k, filters, profile, session, **how),
        )
        response = await engine.aquery(replace_lone_surrogates(check_question(question)))
        assert isinstance(response, Response)  # noqa: S101 - as above
        return response

    # A chat session and the engines have async methods of their own.
    aclose = make_async_twin(close)
    afollow_collection = make_async_twin(follow_collection)
    aindex = make_async_twin(index)
    aindex_uploads = make_async_twin(index_uploads)
    aestimate = make_async_twin(estimate)
    aadd = make_async_twin(add)
    aadd_rows = make_async_twin(add_rows)
    alist_documents = make_async_twin(list_documents)
    ashow_document = make_async_twin(show_document)
    aremove_document = make_async_twin(remove_document)
    aretry_documents = make_async_twin(retry_documents)
    aforget_root = make_async_twin(forget_root)
    aaudit_entries = make_async_twin(audit_entries)
    aconsidered = make_async_twin(considered)
    asessions = make_async_twin(sessions)
    asuggest_questions = make_async_twin(suggest_questions)
    asuggest_follow_ups = make_async_twin(suggest_follow_ups)
    aremove_old_sessions = make_async_twin(remove_old_sessions)
    aremove_old_answers = make_async_twin(remove_old_answers)
    arename_session = make_async_twin(rename_session)
    adelete_session = make_async_twin(delete_session)
    ashare_session = make_async_twin(share_session)
    aexport_session = make_async_twin(export_session)
    afeedback = make_async_twin(feedback)
    abackup = make_async_twin(backup)
    astatus = make_async_twin(status)
