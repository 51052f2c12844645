"""What a knowledge base is made of; each part is opened when it is first used."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Self

import sqlalchemy as sa
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.llms.llm import LLM

from engines.chat.memory import FILTER_KEYS, forget
from engines.chat.memory_updates import wait_until_remembered
from engines.routing.evidence import Evidence
from engines.tables.entities import EntityIndex
from engines.tables.guarded_database import GuardedDatabase
from engines.verified.matching import VerifiedMatcher
from kb.assembly.business_tables import open_tables
from kb.assembly.models import make_embedder, make_llm
from kb.assembly.open_collection import open_store
from kb.assembly.open_database import open_database
from kb.config import Config, load_config
from kb.verified_query_file import open_verified_queries
from stores.chats.chat_sessions import SessionStore
from stores.chunks.vector_store import MariaDBVectorStore
from stores.registry.collection import Collection
from stores.registry.document_registry import DocumentRegistry
from stores.searches.search_log import SearchLog
from stores.searches.search_log_writer import SearchLogWriter
from stores.verified_queries import VerifiedQueries

_DAY = 86_400.0  # seconds
_PATIENCE = 10.0  # seconds for the memory of chats; longer, it is taken in the next time


@dataclass(frozen=True)
class Parts:
    """The stores and models of a knowledge base; a context manager that closes them."""

    config: Config
    engine: sa.Engine
    collection: Collection
    vector_store: MariaDBVectorStore
    registry: DocumentRegistry
    search_log: SearchLogWriter
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
        log = SearchLogWriter(SearchLog(engine))
        return cls(config, engine, collection, vector_store, registry, log, embed_model, llm)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        wait_until_remembered(self.engine, _PATIENCE)
        self.search_log.flush()
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

    @property
    def session_store(self) -> SessionStore:
        """The chat sessions; those older than chat.retention_days are deleted first, once a day."""
        days = self.config.chat.retention_days
        if days and time.monotonic() >= self._next_removal[0]:
            self._next_removal[0] = time.monotonic() + _DAY
            self._sessions.remove_older_than(days)
        return self._sessions

    @cached_property
    def _sessions(self) -> SessionStore:
        return SessionStore(self.engine, partial(forget, self.memory_store))

    @cached_property
    def _next_removal(self) -> list[float]:
        return [0.0]

    @cached_property
    def memory_store(self) -> MariaDBVectorStore:
        """Where the memory of chat sessions finds earlier turns and facts."""
        store = MariaDBVectorStore(
            self.engine,
            f"kb_memory_{self.collection.name}",
            embed_dim=self.collection.dimension,
            filter_keys=FILTER_KEYS,
            words="none",
        )
        store.set_up()
        return store
