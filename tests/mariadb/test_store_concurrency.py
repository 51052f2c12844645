"""Many at once: loops stay awake, readers get full answers, and see one version of a document."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores.types import VectorStoreQueryMode as Mode
from nodes import nearest_to, node, stored_ids, where

from stores import MariaDBVectorStore
from stores.registry.document_registry import DocumentRegistry, IndexedDocument, document_id
from stores.registry.schema import migrate

DIMENSION = 8


@pytest.fixture
def store(engine: sa.Engine) -> MariaDBVectorStore:
    store = MariaDBVectorStore(engine, embed_dim=DIMENSION)
    store.add([numbered(f"first {number}") for number in range(60)])
    return store


def numbered(name: str, document: str | None = None, **fields: object) -> TextNode:
    number = sum(map(ord, name))
    vector = [1.0, *((number * prime % 97) / 97 for prime in (3, 5, 7, 11, 13, 17, 19))]
    return node(name, document, **{"embedding": vector, "metadata": {"name": name}, **fields})


def anything(top_k: int = 10, mode: Mode = Mode.DEFAULT, **fields: object):
    return nearest_to([1.0] * DIMENSION, top_k, mode=mode, query_str="version", **fields)


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.aquery(anything()),
        lambda store: store.aquery(anything(mode=Mode.HYBRID)),
        lambda store: store.async_add([numbered("new")]),
        lambda store: store.adelete("some document"),
        lambda store: store.adelete_nodes(["first 1"]),
        lambda store: store.aget_nodes(["first 1"]),
        lambda store: store.aclear(),
    ],
    ids=["aquery", "hybrid", "async_add", "adelete", "adelete_nodes", "aget_nodes", "aclear"],
)
async def test_a_slow_statement_leaves_the_event_loop_awake(
    store: MariaDBVectorStore,
    engine: sa.Engine,
    call: Callable[[MariaDBVectorStore], Awaitable[object]],
) -> None:
    with engine.connect() as locker:
        locker.exec_driver_sql("LOCK TABLES kb_chunk WRITE")
        waiting = asyncio.ensure_future(call(store))
        ticks = [time.monotonic()]
        while ticks[-1] < ticks[0] + 0.2:
            await asyncio.sleep(0.005)
            ticks.append(time.monotonic())
        assert not waiting.done()
        locker.exec_driver_sql("UNLOCK TABLES")
    await asyncio.wait_for(waiting, 10)
    assert len(ticks) > 10


def test_event_loops_in_several_threads_share_a_store(store: MariaDBVectorStore) -> None:
    async def work(loop: int) -> None:
        names = [f"{loop} {number}" for number in range(10)]
        await asyncio.gather(*(store.async_add([numbered(name)]) for name in names))
        answers = await asyncio.gather(*(store.aquery(anything()) for _ in range(20)))
        assert all(len(answer.ids or []) == 10 for answer in answers)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda loop: asyncio.run(work(loop)), range(4)))
    assert len(stored_ids(store)) == 100


def test_readers_get_full_answers_while_others_write(store: MariaDBVectorStore) -> None:
    writing = threading.Event()
    writing.set()

    def write(writer: int) -> None:
        for turn in range(6):
            chunks = [
                numbered(f"{writer} {number}", f"doc {writer}", text=f"{turn}" * 2000)
                for number in range(25)
            ]
            store.add(chunks)
            if turn % 2:
                store.delete(f"doc {writer}")

    def read(mode: Mode) -> int:
        answers = 0
        while writing.is_set():
            assert len(store.query(anything(mode=mode)).ids or []) >= 10
            name = where(name="first 7")
            assert store.query(anything(filters=name)).ids == ["first 7"]
            answers += 1
        return answers

    with ThreadPoolExecutor(7) as threads:
        readers = [threads.submit(read, mode) for mode in (Mode.DEFAULT, Mode.MMR, Mode.HYBRID)]
        writers = [threads.submit(write, number) for number in range(4)]
        try:
            for each in writers:
                each.result()
        finally:
            writing.clear()
        assert all(each.result() > 5 for each in readers)


def test_several_who_add_the_same_chunks_at_once_leave_each_of_them_once(
    store: MariaDBVectorStore, engine: sa.Engine
) -> None:
    def add(writer: int) -> None:
        own = MariaDBVectorStore(engine, embed_dim=DIMENSION)
        for turn in range(12):
            names = [f"shared {turn} {number}" for number in range(20)]
            own.add([numbered(name, f"doc {turn}", text=f"word{writer} {name}") for name in names])

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(add, range(3)))
    texts = {each.node_id: each.get_content() for each in store.get_nodes()}
    assert len(texts) == 60 + 12 * 20
    for writer in range(3):
        words = nearest_to(None, 300, mode=Mode.TEXT_SEARCH, query_str=f"word{writer}")
        found = set(store.query(words).ids or [])
        assert found == {name for name, text in texts.items() if f"word{writer} " in text}


@pytest.mark.parametrize("mode", [Mode.DEFAULT, Mode.TEXT_SEARCH, Mode.HYBRID])
def test_a_reader_sees_the_old_or_the_new_version_of_a_document(
    engine: sa.Engine, mode: Mode
) -> None:
    migrate(engine)
    store = MariaDBVectorStore(engine, embed_dim=DIMENSION)
    store.set_up()
    registry = DocumentRegistry(engine, store.table)
    replace(registry, 0)
    stop = threading.Event()

    def read() -> set[str]:
        seen: set[str] = set()
        while not stop.is_set():
            answer = store.query(anything(50, mode=mode))
            versions = {each.metadata["name"] for each in answer.nodes or []}
            assert len(versions) == 1, versions
            (version,) = versions
            assert len(answer.nodes or []) == chunks_of(int(version))
            seen |= versions
        return seen

    with ThreadPoolExecutor(2) as threads:
        readers = [threads.submit(read) for _ in range(2)]
        try:
            for version in range(1, 25):
                replace(registry, version)
        finally:
            stop.set()
        assert all(len(each.result()) > 2 for each in readers)


def chunks_of(version: int) -> int:
    return 2 + version % 3


def replace(registry: DocumentRegistry, version: int) -> None:
    name = document_id("docs", "a.md")
    document = IndexedDocument(
        name,
        "docs",
        "a.md",
        f"{version:064}",
        1,
        datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None),
        "text/markdown",
        "A",
        "en",
    )
    registry.replace(
        document,
        [
            numbered(f"{name}:{n}", name, text="the version", metadata={"name": str(version)})
            for n in range(chunks_of(version))
        ],
    )
