"""What was searched for before: found again, the same, and never as it was before a change."""

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from cached_searches import MB, search_versions, write_versions
from llama_index.core.schema import ImageNode
from llama_index.core.vector_stores.types import VectorStoreQueryMode as Mode
from nodes import DIMENSION, nearest_to, node, where
from redis_server import REDIS, running_redis

from stores import MariaDBVectorStore, StoreError
from stores.caches.cache import Cache, pass_by_caches
from stores.caches.process_place import ProcessPlace
from stores.chunks.fusion import Fusion
from stores.registry.access import AccessRules
from stores.registry.schema import migrate

MODES = [Mode.DEFAULT, Mode.MMR, Mode.TEXT_SEARCH, Mode.SPARSE, Mode.HYBRID]


@pytest.fixture
def cache() -> Cache:
    return Cache("results", ProcessPlace(MB, 60))


@pytest.fixture
def store(engine: sa.Engine, cache: Cache) -> MariaDBVectorStore:
    store = MariaDBVectorStore(engine, embed_dim=DIMENSION, results=cache)
    store.add([node(f"word {number}", f"d{number}", metadata={"n": number}) for number in range(9)])
    return store


@pytest.fixture
def other(engine: sa.Engine) -> MariaDBVectorStore:
    """The same table as another process has it open."""
    return MariaDBVectorStore(engine, embed_dim=DIMENSION)


def ask(store: MariaDBVectorStore, mode: Mode = Mode.HYBRID, **how: Any) -> list[tuple[str, float]]:
    options = {name: how.pop(name) for name in ("fusion", "phrases") if name in how}
    query = nearest_to([1.0, 2.0, 3.0, 4.0], **{"mode": mode, "query_str": "word", **how})
    found = store.query(query, **options)
    return list(zip(found.ids or (), found.similarities or (), strict=True))


@pytest.mark.parametrize("mode", MODES)
def test_the_same_is_found_again_as_it_was(store, other, cache, mode):
    first = ask(store, mode)
    assert ask(store, mode) == first == ask(other, mode)
    assert (cache.hits, cache.misses) == (1, 1)
    assert first


def test_nodes_come_back_as_they_went_in_and_each_caller_has_their_own(store):
    image = ImageNode(
        id_="image", text="word of a picture", embedding=[9.0] * 4, metadata={"a": [1]}
    )
    store.add([image])
    query = nearest_to([9.0] * 4, 1)
    [first] = store.query(query).nodes
    first.metadata["a"] = "changed"
    [second] = store.query(query).nodes
    assert isinstance(second, ImageNode)
    assert second.metadata == {"a": [1]}
    assert second.text == "word of a picture"


@pytest.mark.parametrize(
    "how",
    [
        {"hybrid_top_k": 3},
        {"query_str": "words"},
        {"filters": where(n=3)},
        {"doc_ids": ["d3"]},
        {"node_ids": ["word 3"]},
        {"mode": Mode.DEFAULT},
        {"alpha": 0.9},
        {"phrases": ["word 3"]},
        {"fusion": Fusion(vector_weight=0.9)},
        {"fusion": Fusion(vector_weight=0.8)},
    ],
    ids=str,
)
def test_what_is_asked_otherwise_is_another_search(store, other, cache, how):
    ask(store)
    assert ask(store, **dict(how)) == ask(other, **dict(how))
    assert (cache.hits, cache.misses) == (0, 2)


@pytest.mark.parametrize(
    "change",
    [
        lambda store: store.add([node("word 10", "d10")]),
        lambda store: store.add([node("word 3", "d3", text="word word", metadata={"n": 30})]),
        lambda store: store.delete("d3"),
        lambda store: store.delete_nodes(["word 3"]),
        lambda store: store.delete_nodes(filters=where(n=3)),
        lambda store: store.clear(),
    ],
    ids=["add", "replace", "delete", "delete_nodes", "by_filter", "clear"],
)
def test_a_change_by_anybody_ends_what_was_found_before(
    store, other, cache, change: Callable[[MariaDBVectorStore], object]
):
    before = ask(store)
    change(other)
    assert ask(store) == ask(other) != before
    assert (cache.hits, cache.misses) == (0, 2)


def test_what_merges_and_sweeps_postings_changes_no_result(store, other, cache):
    before = ask(store)
    other.delete("d3")
    after = ask(store)
    other.table.postings.tables.sweep(other.client)
    assert ask(store) == after != before


def test_who_may_see_what_is_part_of_what_is_asked(engine, store, cache):
    migrate(engine)
    everyone, board = store.seen_by(frozenset({"everyone"})), store.seen_by(frozenset({"board"}))
    assert ask(store)
    assert ask(everyone) == ask(board) == []  # they see documents of the registry alone
    assert cache.hits == 0
    AccessRules.open(engine, ["board"], []).apply(engine, store.table_name)
    misses = cache.misses
    ask(everyone)
    assert cache.misses == misses + 1


def test_passing_by_makes_anew_what_is_found_from_then_on(store, cache):
    with pass_by_caches():
        ask(store)
        first = ask(store)
    assert (cache.hits, cache.misses) == (0, 0)
    assert ask(store) == first
    assert cache.hits == 1


def test_other_words_than_postings_tell_of_no_changes(engine, cache):
    with pytest.raises(StoreError, match="words='bm25' alone"):
        MariaDBVectorStore(engine, embed_dim=DIMENSION, words="none", results=cache)


@pytest.fixture(params=["database", "redis"])
def shared(request, tmp_path: Path) -> Iterator[str | None]:
    if request.param == "database":
        yield None
        return
    if REDIS is None:
        pytest.skip("redis-server is not installed")
    with running_redis(tmp_path) as redis:
        yield f"unix://{redis.socket}"


def test_no_process_finds_what_was_there_before_a_committed_change(engine, database, shared):
    """Four processes on one cache: two write, and two hold each result against what was noted."""
    migrate(engine)
    MariaDBVectorStore(engine, embed_dim=DIMENSION).set_up()
    versions = 40
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE written (name TEXT, version INT)")
        connection.exec_driver_sql("INSERT INTO written VALUES ('left', 0), ('right', 0)")
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(4, mp_context=spawned) as processes:
        writing = [
            processes.submit(write_versions, database, name, versions) for name in ("left", "right")
        ]
        searching = [
            processes.submit(search_versions, database, shared, versions) for _ in range(2)
        ]
        for each in writing:
            each.result(120)
        ended = [each.result(120) for each in searching]
    for hits, misses, stale in ended:
        assert stale == []
        assert hits
        assert misses
