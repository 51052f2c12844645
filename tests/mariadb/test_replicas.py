"""Searches are read from a replica, and see what was written; without it they go on."""

import os
import random
import signal
import time
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from llama_index.core.schema import Document
from llama_index.core.vector_stores import VectorStoreQuery
from llama_index.core.vector_stores.types import VectorStoreQueryMode
from model_server import FakeModels
from nodes import DIMENSION, node
from replication import Pair, run_pair

from kb.app import KnowledgeBase
from kb.config.sections import Config
from stores import MariaDBVectorStore, make_engine
from stores.errors import ServerIsReadOnly, StoreError
from stores.registry.schema import create_database
from stores.replicas import add_replicas, read_anywhere

pytestmark = pytest.mark.slow
SERVER = sa.text("SELECT @@server_id AS id")
GROUPS = sa.text(
    "SELECT group_name AS name FROM kb_document JOIN kb_audience ON kb_audience.id = audience"
)
PRIMARY, REPLICA = 1, 2
MODES = (
    VectorStoreQueryMode.DEFAULT,
    VectorStoreQueryMode.TEXT_SEARCH,
    VectorStoreQueryMode.HYBRID,
)
WORDS = [
    "kettle",
    "lamp",
    "hub",
    "water",
    "grind",
    "sour",
    "coffee",
    "filter",
    "cup",
    "bean",
    "steam",
    "valve",
    "pump",
    "hose",
    "lid",
]


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with run_pair() as pair:
        admin = make_engine(pair.primary.url(""))
        for name in ("kb", "base", "closing"):
            create_database(admin, name)
        admin.dispose()
        yield pair


@pytest.fixture
def engine(pair: Pair) -> Iterator[sa.Engine]:
    pair.replica.ensure_running()
    engine = make_engine(pair.primary.url("kb"))
    add_replicas(engine, [pair.replica.url("kb")], most_seconds_behind=2)
    yield engine
    engine.dispose()


@pytest.fixture
def store(engine: sa.Engine) -> MariaDBVectorStore:
    store = MariaDBVectorStore(engine, embed_dim=DIMENSION)
    store.clear()
    return store


def find_server(engine: sa.Engine) -> int:
    return int(read_anywhere(engine, lambda reader: reader.execute(SERVER, {}))[0].id)


def order(pair: Pair, statement: str) -> None:
    """Have the replica do something as an administrator."""
    engine = make_engine(pair.replica.url(""))
    with engine.connect() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()


def await_server(engine: sa.Engine, wanted: int) -> None:
    until = time.monotonic() + 40
    while find_server(engine) != wanted:
        assert time.monotonic() < until, f"the server {wanted} is not asked"
        time.sleep(0.1)


def test_a_replica_finds_the_same_by_vectors_by_words_and_by_both(
    pair: Pair, engine: sa.Engine, store: MariaDBVectorStore
) -> None:
    chance = random.Random(7)
    vectors = [[chance.gauss(0, 1) for _ in range(DIMENSION)] for _ in range(300)]
    texts = [" ".join(chance.choices(WORDS, k=12)) for _ in vectors]
    store.add(
        [
            node(f"n{number}", text=text, embedding=vector)
            for number, (text, vector) in enumerate(zip(texts, vectors, strict=True))
        ]
    )
    alone = MariaDBVectorStore(make_engine(pair.primary.url("kb")), embed_dim=DIMENSION)
    for number in range(40):
        mode = MODES[number % len(MODES)]
        query = VectorStoreQuery(
            query_embedding=[chance.gauss(0, 1) for _ in range(DIMENSION)],
            query_str=" ".join(chance.choices(WORDS, k=3)),
            similarity_top_k=10,
            mode=mode,
        )
        found, expected = store.query(query), alone.query(query)
        assert (found.ids, found.similarities) == (expected.ids, expected.similarities)
        assert len(found.ids or []) == 10
    assert find_server(engine) == REPLICA
    alone.close()


def test_what_was_written_is_found_at_once(engine: sa.Engine, store: MariaDBVectorStore) -> None:
    stale, servers = 0, set()
    for number in range(40):
        vector = [float(number), 1.0, -1.0, 2.0]
        store.add([node(f"w{number}", embedding=vector)])
        found = store.query(VectorStoreQuery(query_embedding=vector, similarity_top_k=1))
        stale += found.ids != [f"w{number}"]
        servers.add(find_server(engine))
    assert (stale, REPLICA in servers) == (0, True)


def test_a_replica_that_waits_is_not_asked_for_what_it_lacks_and_left_out_while_behind(
    pair: Pair, engine: sa.Engine, store: MariaDBVectorStore, caplog: pytest.LogCaptureFixture
) -> None:
    await_server(engine, REPLICA)
    order(pair, "STOP SLAVE SQL_THREAD")
    try:
        vector = [9.0, 9.0, 9.0, -9.0]
        store.add([node("late", embedding=vector)])
        query = VectorStoreQuery(query_embedding=vector, similarity_top_k=1)
        assert store.query(query).ids == ["late"]
        assert find_server(engine) == PRIMARY
        until = time.monotonic() + 20
        while "more than 2 s behind" not in caplog.text and time.monotonic() < until:
            assert find_server(engine) == PRIMARY
            time.sleep(0.2)
        assert "more than 2 s behind" in caplog.text
    finally:
        order(pair, "START SLAVE SQL_THREAD")
    await_server(engine, REPLICA)


def test_a_replica_that_does_not_know_yet_what_was_closed_shows_it_to_nobody_in_groups(
    pair: Pair,
) -> None:
    with FakeModels() as models:
        model = {"provider": "openai-like", "model": "fake", "base_url": models.openai_url}

        def configure(*groups: str, **database: object) -> Config:
            url = pair.primary.url("closing")
            return Config.model_validate(
                {
                    "database": {"url": url, **database},
                    "embedding": model,
                    "access": {"documents": [{"path": "*", "groups": groups}]},
                }
            )

        replicas = {"replicas": [pair.replica.url("closing")]}
        with KnowledgeBase.open(configure("sales", **replicas)) as kb:
            kb.add([Document(id_="kettle", text="The kettle boils.")], root="wiki")
            await_server(kb.components.engine, REPLICA)
            order(pair, "STOP SLAVE SQL_THREAD")
            try:
                with KnowledgeBase.open(configure("hr")) as other:
                    other.components.registry.apply_access()
                assert find_server(kb.components.engine) == REPLICA
                stale = read_anywhere(kb.components.engine, lambda r: r.execute(GROUPS, {}))
                assert [row.name for row in stale] == ["sales"]
                assert kb.seen_by(["sales"]).search("kettle", 1) == []
                assert len(kb.seen_by(["hr"]).search("kettle", 1)) == 1
            finally:
                order(pair, "START SLAVE SQL_THREAD")


def test_a_killed_replica_costs_no_answer_and_is_asked_again_when_it_is_back(
    pair: Pair, engine: sa.Engine, store: MariaDBVectorStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.add([node(name) for name in "abcdefghijkl"])
    await_server(engine, REPLICA)
    query = VectorStoreQuery(query_embedding=[1.0, 2.0, 3.0, 4.0], similarity_top_k=10)
    answered = 0
    for number in range(200):
        if number == 50:
            pid = pair.replica.status().pid
            assert pid
            os.kill(pid, signal.SIGKILL)
        answered += len(store.query(query).ids or []) == 10
    assert answered == 200
    assert "is left out for 10 s: it does not answer" in caplog.text
    assert find_server(engine) == PRIMARY
    pair.replica.ensure_running()
    await_server(engine, REPLICA)


def test_a_server_without_a_binary_log_has_no_replicas(pair: Pair) -> None:
    engine = make_engine(pair.replica.url("kb"))
    with pytest.raises(StoreError, match="log_bin"):
        add_replicas(engine, [pair.primary.url("kb")], 1)
    engine.dispose()


def test_a_knowledge_base_opens_on_a_read_only_server_reads_and_says_why_it_does_not_write(
    pair: Pair,
) -> None:
    with FakeModels() as models:
        model = {"provider": "openai-like", "model": "fake", "base_url": models.openai_url}

        def configure(url: sa.URL, **database: object) -> Config:
            return Config.model_validate(
                {
                    "database": {"url": url, **database},
                    "embedding": model,
                    "chat": {"retention_days": 1},
                }
            )

        replicas = [pair.replica.url("base")]
        with KnowledgeBase.open(configure(pair.primary.url("base"), replicas=replicas)) as kb:
            kb.add([Document(id_="kettle", text="The kettle boils.")], root="wiki")
            assert [hit.text for hit in kb.search("kettle", 1)] == ["The kettle boils."]
            await_server(kb.components.engine, REPLICA)
        with KnowledgeBase.open(configure(pair.replica.url("base"))) as kb:
            assert [hit.text for hit in kb.search("kettle", 1)] == ["The kettle boils."]
            assert kb.status()["documents"] == 1
            assert kb.ask("What does the kettle do?", "documents").response
            with pytest.raises(ServerIsReadOnly, match=r"is read-only.*database\.url"):
                kb.remove_document("wiki/kettle")
