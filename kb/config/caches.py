"""The section on what is kept for the next time."""

from typing import Literal, Self

from pydantic import model_validator

from kb.config.section import ApiKey, Positive, Seconds, Section


class CacheConfig(Section):
    """What is kept of one kind. Everything else about it is in the guide on caches."""

    place: Literal["process", "database", "redis"] = "process"
    """Where: in each process for itself, or for all in `kb_cache` or in Redis."""
    mb: Positive = 16
    """Their size, beyond which those go that were used least lately, in the database the oldest. In
    Redis its own `maxmemory` says it."""
    seconds: Seconds = 3600
    """For how long one is kept."""


class RowsCacheConfig(CacheConfig):
    """Rows of the business tables, whose changes nobody tells kb: they may be so old."""

    seconds: Seconds = 60
    """For how long rows are kept, and how old an answer may be; it says so."""


class CachesConfig(Section):
    """What is kept for the next time."""

    redis_url: ApiKey = None  # may hold a password
    """The server for `place: redis`, with the extra `redis`, from the environment:
    `${KB_CACHE_REDIS:}` for `redis://:password@host:6379/0`. Who may write there writes answers."""
    embeddings: CacheConfig | None = CacheConfig()
    """Embeddings of questions; `null` embeds each anew."""
    results: CacheConfig | None = None
    """What searches find, until any document changes; `null` searches anew each time."""
    replies: CacheConfig | None = None
    """What language models reply to exactly the same; `null` asks them anew each time."""
    rows: RowsCacheConfig | None = None
    """Rows of the business tables; `null` reads them anew each time, so that they are as of now."""

    @model_validator(mode="after")
    def _require_redis(self) -> Self:
        kinds = (self.embeddings, self.results, self.replies, self.rows)
        if self.redis_url is None and any(kind and kind.place == "redis" for kind in kinds):
            raise ValueError("`redis_url` beside `place: redis`, such as redis://localhost:6379/0")
        return self
