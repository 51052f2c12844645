"""A store opens its table once, checks it, and tells no secrets."""

import copy
import json
import pickle
import threading
from typing import Any

import pytest
import sqlalchemy as sa
from llama_index.core.vector_stores import VectorStoreQuery
from llama_index.core.vector_stores.types import VectorStoreQueryMode
from nodes import DIMENSION, nearest_to, node, stored_ids, where

from stores import CollectionMismatch, MariaDBVectorStore, StoreError, make_engine


@pytest.fixture
def coloured(engine: sa.Engine) -> MariaDBVectorStore:
    store = MariaDBVectorStore(engine, embed_dim=DIMENSION, words="none")
    store.add([node("r1", metadata={"colour": "red"}), node("r2", metadata={"colour": "red"})])
    store.add([node("b1", metadata={"colour": "blue"}), node("none")])
    return store


def test_nothing_is_connected_before_the_first_use(database: sa.URL) -> None:
    connected: list[str] = []
    engine = make_engine(database, before_connect=lambda: connected.append("now"))
    store = MariaDBVectorStore(engine, embed_dim=DIMENSION)
    assert not store.client
    assert not connected
    assert store.query(nearest_to([1, 2, 3, 4])).ids == []
    assert store.client is engine
    engine.dispose()


def test_stores_that_open_one_table_at_once_create_it_once(engine: sa.Engine) -> None:
    together = threading.Barrier(4)
    failures: list[Exception] = []

    def open_store(number: int) -> None:
        store = MariaDBVectorStore(engine, "shared", embed_dim=DIMENSION, filter_keys=("colour",))
        together.wait()
        try:
            store.add([node(f"from {number}")])
        except Exception as error:  # noqa: BLE001 - the test shows whatever it is
            failures.append(error)

    threads = [threading.Thread(target=open_store, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(MariaDBVectorStore(engine, "shared", embed_dim=DIMENSION).get_nodes()) == 4
    with engine.connect() as connection:
        definition = connection.exec_driver_sql("SHOW CREATE TABLE shared").one()[1]
    assert definition.count("VECTOR KEY") == 1
    assert "FULLTEXT KEY" not in definition
    assert definition.count("KEY `f_colour`") == 1


@pytest.mark.parametrize(("dimension", "distance"), [(5, "cosine"), (DIMENSION, "euclidean")])
def test_a_table_of_another_shape_is_refused(
    coloured: MariaDBVectorStore, engine: sa.Engine, dimension: int, distance: Any
) -> None:
    store = MariaDBVectorStore(engine, embed_dim=dimension, distance=distance)
    for use in (lambda: store.add([node("new", embedding=[1.0] * dimension)]), store.get_nodes):
        with pytest.raises(CollectionMismatch, match="kb_chunk"):
            use()
    assert len(stored_ids(coloured)) == 4


@pytest.mark.parametrize(
    "options",
    [
        {"table_name": "a`; DROP TABLE b; -- "},
        {"table_name": ""},
        {"table_name": "x" * 61},
        {"filter_keys": ("a` INT; -- ",)},
        {"distance": "manhattan"},
    ],
)
def test_an_impossible_name_is_refused(engine: sa.Engine, options: dict[str, Any]) -> None:
    with pytest.raises(StoreError):
        MariaDBVectorStore(engine, **{"embed_dim": DIMENSION, **options})


def test_filter_keys_can_be_declared_later(coloured: MariaDBVectorStore, engine: sa.Engine) -> None:
    later = MariaDBVectorStore(engine, embed_dim=DIMENSION, filter_keys=("colour",))
    assert [each.node_id for each in later.get_nodes(filters=where(colour="red"))] == ["r1", "r2"]


@pytest.mark.parametrize("driver", ["mariadb+mariadbconnector", "mysql+pymysql"])
def test_it_opens_with_the_parameters_of_the_public_integration(
    database: sa.URL, driver: str
) -> None:
    url = database.set(drivername=driver).render_as_string(hide_password=False)
    store = MariaDBVectorStore.from_params(
        connection_string=url, table_name="llamaindex", schema_name="public", embed_dim=DIMENSION,
        default_m=6, ef_search=20, connection_args={"read_timeout": 30},
    )  # fmt: skip
    store.add([node("a", text="hello world", metadata={"colour": "red"}), node("b")])
    red = nearest_to([1.0, 2.0, 3.0, 4.0], filters=where(colour="red"))
    words = VectorStoreQuery(query_str="hello", mode=VectorStoreQueryMode.TEXT_SEARCH)
    assert store.query(red).ids == store.query(words).ids == ["a"]
    assert len(store.query(nearest_to([1.0, 2.0, 3.0, 4.0], 2)).ids) == 2
    store.close()


def test_its_parameters_make_an_address() -> None:
    store = MariaDBVectorStore.from_params(
        host="db.example", port="3307", user="kb", password="p@ss/word", database="shop"
    )
    url = store._engine.url
    assert (url.host, url.port, url.username, url.database) == ("db.example", 3307, "kb", "shop")
    assert url.password == "p@ss/word"


def test_a_store_tells_no_password_and_cannot_be_pickled(database: sa.URL) -> None:
    store = MariaDBVectorStore(make_engine(database), embed_dim=DIMENSION)
    told = f"{store!r} {store} {store.to_dict()} {store.to_json()} {json.dumps(store.to_dict())}"
    assert database.password
    assert database.password not in told
    with pytest.raises(TypeError, match="connection pool"):
        pickle.dumps(store)
    with pytest.raises(TypeError):
        copy.deepcopy(store)
