"""All sections of config.yaml, and what the program makes of them."""

import platform
import re
from pathlib import Path

import platformdirs
import sqlalchemy as sa
from pydantic import Field

from engines.search.profiles import Profile, resolve_profile
from kb.config.access import AccessConfig
from kb.config.asking import ChatConfig, DocumentsConfig, RetrievalConfig
from kb.config.caches import CachesConfig
from kb.config.costs import CostConfig
from kb.config.databases import EMBEDDED, DatabaseConfig, TablesConfig
from kb.config.models import (
    EmbeddingConfig,
    LLMConfig,
    NextEmbeddingConfig,
    RerankerConfig,
)
from kb.config.section import Section
from kb.config.serving import ServeConfig, WorkersConfig


class Sections(Section):
    """What config.yaml may hold."""

    database: DatabaseConfig = DatabaseConfig()
    documents: DocumentsConfig = DocumentsConfig()
    embedding: EmbeddingConfig = EmbeddingConfig()
    next_embedding: NextEmbeddingConfig = NextEmbeddingConfig()
    llm: LLMConfig = LLMConfig()
    reranker: RerankerConfig = RerankerConfig()
    retrieval: RetrievalConfig = RetrievalConfig()
    profiles: dict[str, Profile] = Field(default_factory=dict)
    tables: TablesConfig = TablesConfig()
    chat: ChatConfig = ChatConfig()
    cost: CostConfig = CostConfig()
    caches: CachesConfig = CachesConfig()
    serve: ServeConfig = ServeConfig()
    workers: WorkersConfig = WorkersConfig()
    access: AccessConfig = AccessConfig()


class Config(Sections):
    """`directory` is the file's; `home` holds the embedded server, `cache` what was fetched."""

    file: Path | None = None
    directory: Path = Field(default_factory=Path.cwd)
    home: Path = Field(default_factory=lambda: platformdirs.user_data_path("kb"))
    cache: Path = Field(default_factory=lambda: platformdirs.user_cache_path("kb"))
    mariadbd: str | None = None

    @property
    def former_uploads(self) -> Path:
        """Where a former kb kept uploaded files without serve.uploads, for each database."""
        url = self.database.url
        place = (url.host, url.port, url.database) if isinstance(url, sa.URL) else ()
        name = "-".join(str(part) for part in place if part) or self.database.name
        return self.home / "uploads" / re.sub(r"[^\w-]", "_", name)

    @property
    def queue(self) -> str:
        """What the queue of this knowledge base is called at the broker."""
        url = self.database.url
        name = url.database if isinstance(url, sa.URL) else self.database.name
        return self.workers.queue or f"kb-{name}"

    @property
    def machine(self) -> str | None:
        """Who sees the indexed directories; None with the embedded server, on one machine."""
        if self.database.url == EMBEDDED:
            return None
        return self.serve.machine or platform.node()[:190]

    def profile(self, name: str) -> Profile:
        """Return a search profile, ready or of `profiles`. Raises ConfigError."""
        return resolve_profile(name, self.profiles)
