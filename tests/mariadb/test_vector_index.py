"""A table that is filled from empty gets its vector index at the end, and none stays without."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from nodes import nearest_to, node

from stores import MariaDBVectorStore, StoreError
from stores.chunks.vector_index import build_index_after
from stores.connection import read_snapshot, run_transaction

MANY = 100_000  # chunks that are said to come
VECTORS = [[float(number), 1.0, float(number % 7), 0.0] for number in range(60)]
ASKED = [30.0, 1.0, 2.0, 0.0]
PLAN = "EXPLAIN SELECT seq FROM `kb_chunk` ORDER BY VEC_DISTANCE_COSINE(embedding, ?) LIMIT 3"


@pytest.fixture
def store(engine: sa.Engine) -> MariaDBVectorStore:
    store = MariaDBVectorStore(engine, "kb_chunk", embed_dim=4, m=9)
    store.set_up()
    return store


def fill(store: MariaDBVectorStore, name: str = "doc") -> None:
    store.add(
        [node(f"{name}:{number}", name, embedding=each) for number, each in enumerate(VECTORS)]
    )


def has_index(store: MariaDBVectorStore) -> bool:
    assert store.client
    return read_snapshot(store.client, store.table.has_vector_index)


def find(store: MariaDBVectorStore) -> list[str]:
    return list(store.query(nearest_to(ASKED, 5)).ids or [])


def test_a_first_fill_is_searched_meanwhile_and_has_its_index_at_the_end(engine, store):
    said: list[str] = []
    with build_index_after(engine, store.table, MANY, said.append):
        fill(store)
        assert not has_index(store)
        found = find(store)
        assert len(found) == 5
        assert not said
    assert said == ["Building the vector index …"]
    assert has_index(store)
    assert find(store) == found
    with engine.connect() as connection:
        definition = connection.exec_driver_sql("SHOW CREATE TABLE kb_chunk").one()[1]
        (plan,) = connection.exec_driver_sql(PLAN, (b"\0\0\x80\x3f" * 4,)).all()
    assert "VECTOR KEY `nearest` (`embedding`) `M`='9' `DISTANCE`='cosine'" in definition
    assert plan.key == "nearest"


@pytest.mark.parametrize("expected", [MANY, 10])
def test_a_table_with_rows_and_a_small_fill_keep_their_index(engine, store, expected):
    if expected == MANY:
        fill(store, "former")
    with build_index_after(engine, store.table, expected):
        fill(store)
        assert has_index(store)


def test_an_index_is_built_where_a_fill_breaks_off_and_after_one_that_was_killed(engine, store):

    def fill_until(reason: BaseException) -> None:
        with build_index_after(engine, store.table, MANY):
            fill(store)
            raise reason

    with pytest.raises(ValueError, match="no more"):
        fill_until(ValueError("no more"))
    assert has_index(store)
    store.clear()
    with pytest.raises(KeyboardInterrupt):
        fill_until(KeyboardInterrupt())  # who breaks off does not wait
    assert not has_index(store)
    again = MariaDBVectorStore(engine, "kb_chunk", embed_dim=4, m=9)
    assert len(find(again)) == 5
    with build_index_after(engine, again.table, 0):
        pass
    assert has_index(again)


@contextmanager
def limited_to_rows(engine: sa.Engine) -> Iterator[sa.Engine]:
    """An account that may change rows, and no table."""
    user, url = "rows_only", engine.url
    rights = f"GRANT SELECT, INSERT, UPDATE, DELETE ON {url.database}.* TO {user}"
    create = f"CREATE OR REPLACE USER {user} IDENTIFIED BY 'rows'"
    run_transaction(engine, lambda c: [c.exec_driver_sql(each) for each in (create, rights)])
    limited = sa.create_engine(url.set(username=user, password="rows"))
    try:
        yield limited
    finally:
        limited.dispose()
        run_transaction(engine, lambda c: c.exec_driver_sql(f"DROP USER {user}"))


def test_an_account_that_may_change_no_table_writes_beside_the_index(engine, store):
    with limited_to_rows(engine) as limited, build_index_after(limited, store.table, MANY):
        fill(store)
        assert has_index(store)


def test_a_table_that_is_read_for_long_keeps_its_index_and_keeps_nobody_waiting(engine, store):
    with engine.connect() as reader:
        reader.exec_driver_sql("SELECT COUNT(*) FROM kb_chunk").all()  # until its transaction ends
        with build_index_after(engine, store.table, MANY):
            fill(store)
            assert has_index(store)
            assert len(find(store)) == 5


def test_what_cannot_be_built_is_said_and_the_rows_stay(engine, store):
    run_transaction(engine, lambda c: c.execute(store.table.fill("drop_index")))
    with (
        limited_to_rows(engine) as limited,
        pytest.raises(StoreError, match=r"not their vector index.*denied.*next run"),
        build_index_after(limited, store.table, 0),
    ):
        fill(store)
    assert len(find(store)) == 5
