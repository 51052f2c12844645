"""Config -> what a knowledge base is made of: its stores and its models."""

import logging
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from copy import copy
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.llms.llm import LLM

from engines.chat.memory import FILTER_KEYS, forget_session
from engines.chat.memory_updates import MemoryUpdates
from engines.chat.turn import LateEnds
from engines.model_fallback import SlowFailure
from engines.routing.evidence import Evidence
from engines.tables.configured_tables import ConfiguredTables
from engines.tables.entities import EntityIndex
from engines.tables.guarded_database import GuardedDatabase
from engines.verified.matching import VerifiedMatcher
from kb.assembly.access_rules import (
    HiddenColumns,
    find_hidden_columns,
    find_hidden_tables,
    open_access_rules,
)
from kb.assembly.bookkeeping import Bookkeeping
from kb.assembly.business_tables import make_guarded_database, open_tables
from kb.assembly.caching import Caches, open_caches
from kb.assembly.model_choice import choose_embedding_of
from kb.assembly.models import choose_sentence_model, make_embedder, make_llm
from kb.assembly.open_collection import open_store
from kb.assembly.open_database import open_database
from kb.assembly.outage import Outage
from kb.assembly.remembering import remember_questions, remember_replies
from kb.assembly.reply_bounds import bound_replies
from kb.config.models import Task
from kb.config.sections import Config
from kb.verified_query_file import open_verified_queries
from stores.audiences import Groups
from stores.chats.chat_sessions import SessionStore
from stores.chunks.vector_store import MariaDBVectorStore
from stores.errors import ConfigError, KBError, StoreError
from stores.log_writer import LogWriter
from stores.registry.collection import Collection
from stores.registry.document_registry import DocumentRegistry
from stores.replicas import add_replicas
from stores.searches.search_log import SearchLog
from stores.verified_queries import VerifiedQueries, VerifiedQuery

_log = logging.getLogger(__name__)
T = TypeVar("T")
_PATIENCE = 10.0  # seconds for the memory of chats; longer, it is taken in the next time


def open_components(config: Config, say: Callable[[str], None] = lambda _: None) -> "Components":
    """Connect, starting the private MariaDB if need be, and bring the tables up to date.

    Raises ConfigError, StoreUnavailable, UnsupportedServer or CollectionMismatch.
    """
    embed_model, llm = make_embedder(config), make_llm(config)
    for following in config.llm.list_next_models():  # what one lacks shows now, not in need
        make_llm(config.model_copy(update={"llm": following}))
    for name in config.llm.choices:  # as above
        make_llm(config.model_copy(update={"llm": config.llm.choose(name)}))
    engine = open_database(config, say)
    try:
        if config.next_embedding.provider:
            config = choose_embedding_of(engine, config)
            embed_model = make_embedder(config)
        caches = open_caches(engine, config.caches)
        vector_store, collection = open_store(engine, config, embed_model, results=caches.results)
        if config.database.replicas:
            add_replicas(engine, config.database.replicas, config.database.replica_seconds)
        return Components(config, engine, vector_store, collection, embed_model, llm, caches)
    except BaseException:
        engine.dispose()
        raise


class _shared_property(cached_property[T]):  # noqa: N801 - as the one it is
    """A part that is the same for all who may see the same tables, whoever opens it."""

    if not TYPE_CHECKING:

        def __get__(self, instance: Any, owner: type[Any] | None = None) -> Any:
            whole = getattr(instance, "_whole", None)
            return super().__get__(instance if whole is None else whole, owner)


class Components:
    """The stores and models of one knowledge base, which are closed together.

    What not every use needs is opened when it is first used; what could not be opened is tried
    again the next time.
    """

    def __init__(
        self,
        config: Config,
        engine: sa.Engine,
        vector_store: MariaDBVectorStore,
        collection: Collection,
        embed_model: BaseEmbedding,
        llm: LLM | None,
        caches: Caches,
    ) -> None:
        self.config = config
        self.engine = engine
        self.vector_store = vector_store
        self.collection = collection
        self.embed_model = embed_model
        self.caches = caches
        self.question_model = remember_questions(config, embed_model, caches.embeddings)
        self.llm = llm
        # One for all, so that a handler sees all that an answer takes, whenever it was added.
        self.callback_manager = embed_model.callback_manager
        if llm:
            llm.callback_manager = self.callback_manager
        self.model_failure = SlowFailure()
        self._chosen: dict[str, tuple[LLM | None, SlowFailure]] = {}  # by the names of choices
        rules = open_access_rules(engine, config)
        self.registry = DocumentRegistry(engine, vector_store.table, rules)
        self.search_log = LogWriter(SearchLog(engine).add, "Searches", "kb_search")
        self.books = Bookkeeping(engine, config)
        self.memory_updates = MemoryUpdates(partial(self.books.observe, "memory"))
        self.late_ends = LateEnds()
        self._outage = Outage()
        self._whole: Components | None = None  # of what these are a view
        self._of_all: Components | None = None  # that have more tables
        self._hidden_columns: HiddenColumns = frozenset()
        # By the tables and columns that they lack.
        self._with_fewer: dict[tuple[frozenset[str], HiddenColumns], Components] = {}
        self._on_close = ExitStack()  # the last opened is closed first
        self._on_close.callback(engine.dispose)
        self._on_close.callback(caches.close)
        self._on_close.callback(self.search_log.flush)
        self._on_close.callback(self.books.writer.flush)
        self._on_close.callback(self.books.audit.writer.flush)
        self._on_close.callback(self._store_late_ends)
        self._on_close.callback(self.memory_updates.wait, _PATIENCE)

    def copy_with(
        self,
        *,
        config: Config | None = None,
        vector_store: MariaDBVectorStore | None = None,
        collection: Collection | None = None,
        embed_model: BaseEmbedding | None = None,
    ) -> "Components":
        """Copy this with other settings, passages or vectors of them; closed with this one."""
        other = copy(self)
        if embed_model:
            other.embed_model = embed_model
            other.question_model = remember_questions(
                config or self.config, embed_model, self.caches.embeddings
            )
        other.config = config or self.config
        other.vector_store = vector_store or self.vector_store
        other.collection = collection or self.collection
        other.registry = replace(self.registry, table=other.vector_store.table)
        other._whole, other._with_fewer = None, {}  # noqa: SLF001 - of this class
        for name, part in vars(Components).items():
            if isinstance(part, cached_property):  # made of the former settings and passages
                vars(other).pop(name, None)
        return other

    def seen_by(self, groups: Groups) -> "Components":
        """Return these as some groups see them: for them there is nothing else.

        They are made for each question, and closed with this one.
        """
        tables = find_hidden_tables(self.config, groups)
        columns = find_hidden_columns(self.config, groups)
        hidden = tables, frozenset(each for each in columns if each[0] not in tables)
        whole = self._with_fewer.get(hidden) if any(hidden) else self
        if whole is None:
            whole = self._with_fewer[hidden] = self._hide(*hidden)
        seen = copy(whole)
        for name in ("evidence", "fallback"):
            vars(seen).pop(name, None)
        seen._whole = whole._whole or whole  # noqa: SLF001 - of this class
        seen.vector_store = self.vector_store.seen_by(groups)
        seen.registry = replace(self.registry, groups=groups)
        return seen

    def _hide(self, hidden: frozenset[str], columns: HiddenColumns) -> "Components":
        """Return these without some tables, and without some columns of others."""
        tables = self.config.tables
        include = tuple(name for name in tables.include if name not in hidden)
        untold = {f"{table}.{column}" for table, column in columns}
        told = {
            name: text
            for name, text in tables.descriptions.items()
            if name not in untold
            and not any(name == table or name.startswith(f"{table}.") for table in hidden)
        }
        fewer = tables.model_copy(update={"include": include, "descriptions": told})
        other = self.copy_with(config=self.config.model_copy(update={"tables": fewer}))
        other._of_all, other._hidden_columns = self, columns  # noqa: SLF001 - of this class
        return other

    @cached_property
    def fallback(self) -> "Components":
        """The same for while its language model does not answer; closed with this.

        It has the next model of llm.fallback, and behind the last one none. Raises ConfigError.
        """
        other, following = copy(self), self.config.llm.next_model()
        other.llm, other.model_failure = None, SlowFailure()
        if following:
            other.config = self.config.model_copy(update={"llm": following})
            other.llm = make_llm(other.config)
        if other.llm:
            other.llm.callback_manager = self.callback_manager
        return other

    def with_model(self, name: str | None) -> "Components":
        """Return the same with a model of llm.choices, or these; closed with them.

        Raises ConfigError for an unknown name.
        """
        if name is None:
            return self
        other = copy(self)
        vars(other).pop("fallback", None)
        other._whole = self._whole or self  # noqa: SLF001 - of this class
        other.config = self.config.model_copy(update={"llm": self.config.llm.choose(name)})
        if name not in self._chosen:
            llm = make_llm(other.config)
            if llm:
                llm.callback_manager = self.callback_manager
            self._chosen[name] = llm, SlowFailure()
        other.llm, other.model_failure = self._chosen[name]
        return other

    def llm_for(self, task: Task) -> LLM | None:
        """Return the language model, bound in what it may write for a task; None without one."""
        if self.llm is None:
            return None
        bound = bound_replies(self.llm, self.config.llm, task)
        return remember_replies(bound, self.config, task, self.caches.replies)

    def close(self) -> None:
        """Write what is still to be written, and give back every connection."""
        self._on_close.close()

    def _store_late_ends(self) -> None:
        try:
            self.late_ends.store_all()
        except StoreError as error:
            _log.warning("How the last turns ended is lost: %s", error)

    @cached_property
    def sentence_model(self) -> BaseEmbedding:
        """What compares sentences with a question, to quote them."""
        return choose_sentence_model(self.config, self.embed_model)

    @_shared_property
    def tables(self) -> GuardedDatabase:
        """The business tables of tables.include.

        Raises ConfigError, also when their account could do more than read them; StoreError.
        """
        if self._of_all:  # the guard lets fewer pass, by the same account
            opened = self.config, self._of_all.tables.engine, self.caches.rows
            return make_guarded_database(*opened, self._hidden_columns)
        tables = open_tables(self.config, self._outage, self.caches.rows)
        self._on_close.callback(tables.engine.dispose)
        return tables

    @_shared_property
    def verified_queries(self) -> VerifiedQueries:
        """The verified queries: those of the file as it is now, and those that were saved.

        Raises ConfigError, StoreError.
        """
        queries = open_verified_queries(self.config, self.engine)
        return replace(queries, allows=self._may_run) if self._of_all else queries

    def _may_run(self, query: VerifiedQuery) -> bool:
        """Tell whether a verified query asks for nothing that is hidden."""
        try:
            return self.tables.may_show(query.sql, query.parameters)
        except KBError:
            return False

    @_shared_property
    def verified_matcher(self) -> VerifiedMatcher:
        """What finds the verified query for a question. Raises ConfigError, StoreError."""
        return VerifiedMatcher(self.verified_queries, self.embed_model, self.tables.run)

    @_shared_property
    def entities(self) -> EntityIndex:
        """The names that the business tables hold. Raises ConfigError, StoreError."""
        return EntityIndex(self.tables)

    def find_entities(self) -> EntityIndex | None:
        """Find the names that the tables hold; None without tables or while they are away."""
        try:
            return self.entities
        except ConfigError:
            return None
        except StoreError as error:
            _log.warning("A question is read without the names of the tables: %s", error)
            return None

    @cached_property
    def evidence(self) -> Evidence:
        """What compares the business tables with the documents. Raises ConfigError, StoreError."""
        if self._whole:
            return self._whole.evidence.with_passages(self.vector_store.get_nodes)
        return Evidence(
            self.tables,
            self.verified_matcher,
            self.entities,
            self.embed_model,
            self.vector_store.get_nodes,
        )

    def weigh_without_tables(self) -> Evidence:
        """Make what tells a question for tables that are away by what is configured of them."""
        tables = ConfiguredTables(self.config.tables.include, self.config.tables.descriptions)
        try:
            queries: Iterable[VerifiedQuery] = self.verified_queries
        except KBError:  # which is the trouble, and is told
            queries = ()
        return Evidence(
            tables,
            VerifiedMatcher(queries, self.embed_model, tables.run),
            EntityIndex(tables),
            self.embed_model,
            self.vector_store.get_nodes,
        )

    @_shared_property
    def session_store(self) -> SessionStore:
        """The chat sessions; with one its memory is deleted."""
        return SessionStore(self.engine, partial(forget_session, self.memory_store))

    @_shared_property
    def memory_store(self) -> MariaDBVectorStore:
        """Where the memory of chat sessions finds earlier turns and facts."""
        store = MariaDBVectorStore(
            self.engine,
            self.collection.memory_table,
            embed_dim=self.collection.dimension,
            filter_keys=FILTER_KEYS,
            words="none",
        )
        store.set_up()
        return store
