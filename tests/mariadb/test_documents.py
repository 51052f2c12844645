"""The registry: a document is replaced whole or not at all, and one run at a time holds a root."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
import tenacity
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores import VectorStoreQuery
from llama_index.core.vector_stores.types import VectorStoreQueryMode as Mode
from nodes import DIMENSION, nearest_to, node
from programs import in_another_process

from stores import InvalidVector, MariaDBVectorStore, StoreError, make_engine
from stores.connection import run_transaction
from stores.registry.document_registry import DocumentRegistry, IndexedDocument, document_id
from stores.registry.root_lock import DEAD_SECONDS, list_roots_under_way
from stores.registry.schema import migrate

ID = document_id("docs", "a.md")
MODIFIED = datetime(2026, 11, 1, 12, 30, tzinfo=UTC).replace(tzinfo=None)


@pytest.fixture
def store(engine: sa.Engine) -> MariaDBVectorStore:
    migrate(engine)
    store = MariaDBVectorStore(engine, embed_dim=DIMENSION)
    store.set_up()
    return store


@pytest.fixture
def registry(store: MariaDBVectorStore, engine: sa.Engine) -> DocumentRegistry:
    return DocumentRegistry(engine, store.table)


def document(path: str = "a.md", content: str = "1", **fields: Any) -> IndexedDocument:
    facts = {"size": 7, "modified_at": MODIFIED, "media_type": "text/markdown", "title": "A"}
    return IndexedDocument(
        id=document_id("docs", path), root="docs", path=path, content_hash=content * 64,
        language="en", **{**facts, **fields},
    )  # fmt: skip


def chunks(word: str, count: int, of: str = ID) -> list[TextNode]:
    return [node(f"{of}:{number}", of, text=f"the {word} version") for number in range(count)]


def found(store: MariaDBVectorStore, word: str) -> tuple[int, int]:
    """How many chunks of that version a search by vector and one by words find."""
    by_vector = store.query(nearest_to([1.0, 1.0, 1.0, 1.0], 50))
    words = VectorStoreQuery(query_str=word, similarity_top_k=50, mode=Mode.TEXT_SEARCH)
    return (
        sum(word in each.get_content() for each in by_vector.nodes or []),
        len(store.query(words).ids or []),
    )


# Documents ----------------------------------------------------------------------------------------


def test_a_document_is_replaced_with_all_its_chunks(
    registry: DocumentRegistry, store: MariaDBVectorStore
) -> None:
    registry.fail("docs", "broken.md", "cannot be read")
    assert not registry.has_documents()
    registry.replace(document(), chunks("former", 3))
    registry.replace(document(content="2", title="B"), chunks("latter", 2))
    assert (found(store, "former"), found(store, "latter")) == ((0, 0), (2, 2))
    known = registry.find_known("docs")["a.md"]
    assert (known.id, known.status, known.content_hash, known.chunks) == (
        ID,
        "indexed",
        "2" * 64,
        2,
    )
    assert registry.count_totals() == (1, 2)
    assert registry.has_documents()


def test_an_invalid_vector_leaves_the_former_version(
    registry: DocumentRegistry, store: MariaDBVectorStore
) -> None:
    registry.replace(document(), chunks("former", 3))
    odd = [*chunks("latter", 2), node("odd", ID, embedding=[0.0] * DIMENSION)]
    with pytest.raises(InvalidVector, match="'odd'"):
        registry.replace(document(content="2"), odd)
    assert (found(store, "former"), found(store, "latter")) == ((3, 3), (0, 0))
    assert registry.find_known("docs")["a.md"].content_hash == "1" * 64


@pytest.mark.parametrize("statement", ["DELETE FROM `kb_chunk`", "INSERT INTO `kb_chunk`"])
def test_a_connection_lost_between_delete_and_insert_costs_nothing(
    registry: DocumentRegistry, store: MariaDBVectorStore, engine: sa.Engine, statement: str
) -> None:
    registry.replace(document(), chunks("former", 3))
    killed = kill_before(engine, statement, times=1)
    registry.replace(document(content="2"), chunks("latter", 2))
    assert len(killed) == 1
    assert (found(store, "former"), found(store, "latter")) == ((0, 0), (2, 2))


def test_a_server_that_stays_away_leaves_the_former_version(
    registry: DocumentRegistry,
    store: MariaDBVectorStore,
    engine: sa.Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tenacity, "wait_random_exponential", lambda **_: tenacity.wait_none())
    registry.replace(document(), chunks("former", 3))
    killed = kill_before(engine, "INSERT INTO `kb_chunk`", times=8)
    with pytest.raises(StoreError):
        registry.replace(document(content="2"), chunks("latter", 2))
    assert len(killed) == 8
    assert (found(store, "former"), found(store, "latter")) == ((3, 3), (0, 0))
    assert registry.find_known("docs")["a.md"].content_hash == "1" * 64


def kill_before(engine: sa.Engine, statement: str, times: int) -> list[int]:
    """End the connection that is about to run a statement, so many times."""
    killed: list[int] = []
    other = make_engine(engine.url)

    @sa.event.listens_for(engine, "before_cursor_execute")
    def kill(connection: sa.Connection, _cursor: Any, sql: str, *_: Any) -> None:
        if sql.startswith(statement) and len(killed) < times:
            killed.append(int(connection.connection.driver_connection.connection_id))
            run_transaction(other, lambda c: c.exec_driver_sql(f"KILL {killed[-1]}"))

    sa.event.listen(engine, "engine_disposed", lambda _: other.dispose())
    return killed


def test_a_failure_keeps_the_last_good_version(
    registry: DocumentRegistry, store: MariaDBVectorStore
) -> None:
    registry.replace(document(), chunks("former", 3))
    registry.fail("docs", "a.md", "It turned to noise.")
    registry.fail("docs", "never.pdf", "x" * 5000)
    assert found(store, "former") == (3, 3)
    known = registry.find_known("docs")
    assert (known["a.md"].status, known["a.md"].reason) == ("failed", "It turned to noise.")
    assert (known["a.md"].chunks, known["never.pdf"].chunks) == (3, 0)
    assert [each.path for each in registry.list_failures()] == ["a.md", "never.pdf"]
    assert registry.count_totals() == (1, 3)
    registry.replace(document(), chunks("latter", 1))
    assert [each.path for each in registry.list_failures()] == ["never.pdf"]


def test_a_removed_document_takes_its_own_chunks_along(
    registry: DocumentRegistry, store: MariaDBVectorStore
) -> None:
    other = document_id("docs", "b.md")
    registry.replace(document(), chunks("former", 3))
    registry.replace(document("b.md"), chunks("other", 2, of=other))
    registry.remove(ID)
    registry.remove(ID)
    assert (found(store, "former"), found(store, "other")) == ((0, 0), (2, 2))
    assert set(registry.find_known("docs")) == {"b.md"}


def test_paths_and_roots_differ_by_case_and_accent(registry: DocumentRegistry) -> None:
    paths = ["a.md", "A.md", "á.md", "a.md ", "🙂/漢字.md", "d" * 3000 + ".md"]
    for path in paths:
        registry.replace(document(path), [])
    assert set(registry.find_known("docs")) == set(paths)
    assert registry.find_known("Docs") == {}
    assert len({document_id("docs", path) for path in paths}) == len(paths)


def test_roots_keep_their_last_path(registry: DocumentRegistry) -> None:
    assert registry.find_root_path("docs") is None
    registry.set_root("docs", "/old")
    registry.set_root("docs", "/new")
    registry.replace(document(), chunks("former", 1))
    (root,) = registry.list_roots()
    assert (root["name"], root["path"], root["documents"]) == ("docs", "/new", 1)
    assert registry.find_root_path("docs") == "/new"


# One run at a time --------------------------------------------------------------------------------


def test_the_roots_that_are_indexed_at_this_moment_are_known(
    registry: DocumentRegistry, engine: sa.Engine
) -> None:
    assert list_roots_under_way(engine) == []
    with registry.hold_root("docs", lambda: None), registry.hold_root("more", lambda: None):
        assert list_roots_under_way(engine) == ["docs", "more"]
    with registry.hold_root("more", lambda: None):
        assert list_roots_under_way(engine) == ["more"]
    assert list_roots_under_way(engine) == []


def test_a_run_on_another_node_is_seen_by_what_it_has_written(
    engine: sa.Engine, registry: DocumentRegistry
) -> None:
    """Another node of a cluster has no lock of it here, as this one has none there."""
    with registry.hold_root("docs", lambda: None):
        pass
    elsewhere = (
        "UPDATE kb_indexing_run SET owner = 'another', node = 'elsewhere:3306', "
        f"beat_at = UTC_TIMESTAMP(6) - INTERVAL {DEAD_SECONDS} * %s SECOND"
    )
    run_transaction(engine, lambda c: c.exec_driver_sql(elsewhere, (0.5,)))
    assert list_roots_under_way(engine) == ["docs"]
    waits = []

    def let_it_die() -> None:
        waits.append(list_roots_under_way(engine))
        run_transaction(engine, lambda c: c.exec_driver_sql(elsewhere, (1.5,)))

    with registry.hold_root("docs", let_it_die) as still_alone:
        assert (waits, still_alone()) == ([["docs"]], True)
    assert list_roots_under_way(engine) == []


def test_a_run_whose_root_another_node_took_is_alone_no_more(
    engine: sa.Engine, registry: DocumentRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stores.registry.root_lock._BEAT", 0.02)
    taken = "UPDATE kb_indexing_run SET owner = 'another', node = 'elsewhere:3306'"
    with registry.hold_root("docs", lambda: None) as still_alone:
        run_transaction(engine, lambda c: c.exec_driver_sql(taken))
        for _ in range(200):
            if not still_alone():
                break
            time.sleep(0.05)
        assert not still_alone()
    assert list_roots_under_way(engine) == ["docs"]


def test_two_runs_hold_a_root_in_turn(registry: DocumentRegistry) -> None:
    waited = threading.Event()
    order: list[str] = []

    def second() -> None:
        with registry.hold_root("docs", waited.set):
            order.append("second")

    with ThreadPoolExecutor(1) as threads:
        with registry.hold_root("docs", waited.set):
            run = threads.submit(second)
            assert waited.wait(10)
            with registry.hold_root("other root", waited.set):
                order.append("first")
        run.result(10)
    assert order == ["first", "second"]


@pytest.mark.slow
def test_a_dead_holder_lets_go(registry: DocumentRegistry, engine: sa.Engine) -> None:
    holder = in_another_process(
        engine,
        """
        from stores.chunks.chunk_table import ChunkTable
        from stores.registry.document_registry import DocumentRegistry
        registry = DocumentRegistry(engine, ChunkTable("kb_chunk", 4))
        with registry.hold_root("docs", lambda: None):
            print("held", flush=True)
            sys.stdin.read()
        """,
    )
    assert holder.stdout
    assert holder.stdout.readline() == "held\n"
    waits: list[str] = []

    def waiting() -> None:
        waits.append("waited")
        holder.kill()

    with registry.hold_root("docs", waiting):
        assert waits
    assert holder.wait(10) == -9
    holder.communicate()
