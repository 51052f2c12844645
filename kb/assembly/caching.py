"""Config -> what is kept for the next time, and where."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import assert_never

import sqlalchemy as sa

from kb.config.caches import CacheConfig, CachesConfig
from stores.caches.cache import Cache, Place
from stores.caches.database_place import DatabasePlace
from stores.caches.process_place import ProcessPlace
from stores.caches.redis_place import RedisPlace

_MB = 1024**2


@dataclass(frozen=True)
class Caches:
    """The caches of a knowledge base; None for what is made anew each time."""

    embeddings: Cache | None
    results: Cache | None
    replies: Cache | None
    rows: Cache | None

    def __iter__(self) -> Iterator[Cache]:
        return filter(None, (self.embeddings, self.results, self.replies, self.rows))

    def close(self) -> None:
        """Give back the connections of the places, and the memory of this process."""
        for cache in self:
            cache.place.close()


def open_caches(engine: sa.Engine, config: CachesConfig) -> Caches:
    """Open the caches that are configured. Raises ConfigError."""

    def open_cache(kind: str, kept: CacheConfig | None) -> Cache | None:
        return Cache(kind, _open_place(engine, config, kind, kept)) if kept else None

    return Caches(
        embeddings=open_cache("embeddings", config.embeddings),
        results=open_cache("results", config.results),
        replies=open_cache("replies", config.replies),
        rows=open_cache("rows", config.rows),
    )


def _open_place(engine: sa.Engine, config: CachesConfig, kind: str, kept: CacheConfig) -> Place:
    match kept.place:
        case "process":
            return ProcessPlace(kept.mb * _MB, kept.seconds)
        case "database":
            return DatabasePlace(engine, kind, kept.mb * _MB, kept.seconds)
        case "redis":
            url = config.redis_url.get_secret_value() if config.redis_url else ""
            return RedisPlace(url, kind, kept.seconds)
        case _:
            assert_never(kept.place)


@dataclass(frozen=True)
class DescribedCache:
    """Where values of a kind are kept, how many, and what was asked of them in this process."""

    kind: str
    place: str
    values: int
    bytes: int
    mb: int
    seconds: float
    hits: int
    misses: int


def describe_caches(caches: Caches, config: CachesConfig) -> list[DescribedCache]:
    """Describe each cache: where it is, what it holds, and what was asked of it in this process."""
    described = []
    for cache in caches:
        kept: CacheConfig = getattr(config, cache.kind)
        size = cache.place.measure()
        described.append(
            DescribedCache(
                kind=cache.kind,
                place=cache.place.name,
                values=size.values,
                bytes=size.bytes,
                mb=kept.mb,
                seconds=kept.seconds,
                hits=cache.hits,
                misses=cache.misses,
            )
        )
    return described
