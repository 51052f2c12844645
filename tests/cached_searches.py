"""Processes that write documents and search for them with a cache that all of them share."""

import time
from functools import partial
from typing import Any

import sqlalchemy as sa
from llama_index.core.vector_stores.types import VectorStoreQueryMode
from nodes import DIMENSION, nearest_to, node

from stores import MariaDBVectorStore, make_engine
from stores.caches.cache import Cache
from stores.caches.database_place import DatabasePlace
from stores.caches.redis_place import RedisPlace
from stores.connection import read_snapshot, run_transaction

MB = 1024**2
_PAUSE = 0.03  # seconds, in which the others find again what they found
_NOTE = sa.text("UPDATE written SET version = :version WHERE name = :name")
_NOTED = sa.text("SELECT name, version FROM written")


def open_cache(engine: sa.Engine, redis: str | None = None) -> Cache:
    if redis:
        return Cache("results", RedisPlace(redis, "results", 60))
    return Cache("results", DatabasePlace(engine, "results", MB, 60))


def write_versions(url: sa.URL, name: str, versions: int) -> None:
    """Write a document again and again; each version is noted when it is committed."""
    engine = make_engine(url)
    store = MariaDBVectorStore(engine, embed_dim=DIMENSION)
    for version in range(1, versions + 1):
        text = f"The document {name}"
        store.add([node(f"{name} {version % 2}", name, text=text, metadata={"version": version})])
        store.delete_nodes([f"{name} {(version + 1) % 2}"])
        values = {"version": version, "name": name}
        run_transaction(engine, partial(_note_version, values=values))
        time.sleep(_PAUSE)
    engine.dispose()


def _note_version(connection: sa.Connection, values: dict[str, Any]) -> None:
    connection.execute(_NOTE, values)


def search_versions(url: sa.URL, redis: str | None, last: int) -> tuple[int, int, list[str]]:
    """Search until every document has its last version.

    Returns how many results were known and how many were not, and which were older than what had
    been committed before the search began.
    """
    engine = make_engine(url)
    cache = open_cache(engine, redis)
    store = MariaDBVectorStore(engine, embed_dim=DIMENSION, results=cache)
    asked = nearest_to([1.0, 2.0, 3.0, 4.0], mode=VectorStoreQueryMode.HYBRID, query_str="document")
    stale: list[str] = []
    while True:
        noted = read_snapshot(engine, lambda c: dict(map(tuple, c.execute(_NOTED))))
        found: dict[str, int] = {}
        for each in store.query(asked).nodes or ():
            name = str(each.ref_doc_id)
            found[name] = max(found.get(name, 0), each.metadata["version"])
        stale += [
            f"{name}: {found.get(name)} where {version} was committed"
            for name, version in noted.items()
            if version and found.get(name, 0) < version
        ]
        if set(noted.values()) == {last}:
            break
    store.query(asked)  # which nothing has changed since
    cache.place.close()
    engine.dispose()
    return cache.hits, cache.misses, stale
