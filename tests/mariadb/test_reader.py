"""The quick way of reading falls back on the engine, and leaves nothing behind."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from nodes import DIMENSION, nearest_to, node

from stores import MariaDBVectorStore, make_engine
from stores.connection import run_transaction
from stores.reader import Reader, find_reader

QUERY = nearest_to([1.0, 2.0, 3.0, 4.0], 2)
MY_ID = sa.text("SELECT CONNECTION_ID() AS id, @@autocommit AS autocommit")


@pytest.fixture(params=["mariadb+mariadbconnector", "mariadb+pymysql"])
def engine(database: sa.URL, request: pytest.FixtureRequest) -> Iterator[sa.Engine]:
    engine = make_engine(database.set(drivername=request.param))
    yield engine
    engine.dispose()


@pytest.fixture
def store(engine: sa.Engine) -> MariaDBVectorStore:
    store = MariaDBVectorStore(engine, embed_dim=DIMENSION, words="none")
    store.add([node("a"), node("b"), node("c")])
    return store


def connections(engine: sa.Engine) -> int:
    count = "SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE()"
    other = make_engine(engine.url)
    with other.connect() as connection:
        others = int(connection.exec_driver_sql(count).scalar_one()) - 1
    other.dispose()
    return others


def test_values_and_columns_come_by_name(engine: sa.Engine) -> None:
    statement = sa.text("SELECT :b AS second, :a AS first, :b || '' AS third, '%' AS percent")
    (row,) = Reader(engine).execute(statement, {"a": b"\0\xff", "b": "x' ? %s :c", "unused": 1})
    assert (row.first, row.second, row.percent) == (b"\0\xff", "x' ? %s :c", "%")


def test_rows_of_any_size_come_whole(engine: sa.Engine) -> None:
    reader = Reader(engine)
    for rows, longest in ((3, 20), (2000, 300), (40, 400_000)):
        sizes = [number * longest // rows for number in range(1, rows + 1)]
        made = "REPEAT(CHAR(65 + MOD(seq, 26) USING utf8mb4), seq * :longest DIV :rows)"
        statement = sa.text(
            f"SELECT seq, {made} AS text, CAST({made} AS BINARY) AS bytes FROM seq_1_to_{rows}"
        )
        found = reader.execute(statement, {"longest": longest, "rows": rows})
        letters = [chr(65 + number % 26) for number in range(1, rows + 1)]
        texts = [letter * size for letter, size in zip(letters, sizes, strict=True)]
        assert [row.text for row in found] == texts
        assert [bytes(row.bytes) for row in found] == [text.encode() for text in texts]


def test_a_killed_connection_costs_no_answer(store: MariaDBVectorStore, engine: sa.Engine) -> None:
    expected = store.query(QUERY).ids
    ((killed, _),) = store._reader.execute(MY_ID, {})
    run_transaction(engine, lambda c: c.exec_driver_sql(f"KILL {killed}"))
    assert store.query(QUERY).ids == expected
    ((renewed, autocommit),) = store._reader.execute(MY_ID, {})
    assert renewed != killed
    assert autocommit == 1


def test_a_refused_statement_is_raised_and_the_reader_stays_of_use(engine: sa.Engine) -> None:
    reader = Reader(engine)
    for _ in range(20):
        with pytest.raises(reader.errors):
            reader.execute(sa.text("SELECT * FROM not_there"), {})
    assert len(reader.execute(MY_ID, {})) == 1


def test_more_questions_than_connections_are_all_answered(
    store: MariaDBVectorStore, engine: sa.Engine
) -> None:
    with ThreadPoolExecutor(14) as threads:
        with engine.connect() as locker:
            locker.exec_driver_sql("LOCK TABLES kb_chunk WRITE")
            questions = [threads.submit(store.query, QUERY) for _ in range(14)]
            until = time.monotonic() + 10
            while connections(engine) < 15 and time.monotonic() < until:
                time.sleep(0.01)
            assert connections(engine) == 15
            locker.exec_driver_sql("UNLOCK TABLES")
        assert all(len(each.result(10).ids or []) == 2 for each in questions)


def test_disposing_of_the_engine_closes_every_connection(
    store: MariaDBVectorStore, engine: sa.Engine
) -> None:
    store.query(QUERY)
    store.get_nodes()
    assert connections(engine) == 2
    engine.dispose()
    until = time.monotonic() + 10
    while connections(engine) and time.monotonic() < until:
        time.sleep(0.01)
    assert connections(engine) == 0
    assert len(store.query(QUERY).ids or []) == 2


def test_prepared_statements_are_bounded(engine: sa.Engine) -> None:
    reader = Reader(engine)
    for number in range(300):
        reader.execute(sa.text(f"SELECT {number} AS a, :b AS b"), {"b": 1})
    with engine.connect() as connection:
        status = connection.execute(sa.text("SHOW GLOBAL STATUS LIKE 'Prepared_stmt_count'")).one()
    assert int(status[1]) < 300


def test_stores_on_one_engine_share_its_reader(engine: sa.Engine) -> None:
    assert find_reader(engine) is find_reader(engine)
