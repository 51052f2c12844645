"""What every engine promises, whichever driver speaks."""

import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from stores.connection import make_engine, read_server_info, read_snapshot, run_transaction
from stores.errors import StoreError, StoreUnavailable, UnsupportedServer

CANARY = "c4n4ry-passw0rd"


@pytest.fixture(params=["mariadb+mariadbconnector", "mariadb+pymysql"])
def url(database: sa.URL, request: pytest.FixtureRequest) -> sa.URL:
    return database.set(drivername=request.param)


@pytest.fixture
def engine(url: sa.URL) -> Iterator[sa.Engine]:
    engine = make_engine(url)
    yield engine
    engine.dispose()


@pytest.fixture
def table(engine: sa.Engine) -> str:
    run(engine, "CREATE TABLE entry (id INT PRIMARY KEY, note VARCHAR(20) NOT NULL DEFAULT '')")
    run(engine, "INSERT INTO entry (id) VALUES (1), (2)")
    return "entry"


def run(engine: sa.Engine, sql: str) -> None:
    run_transaction(engine, lambda connection: connection.exec_driver_sql(sql))


def scalar(engine: sa.Engine, sql: str) -> object:
    return read_snapshot(engine, lambda connection: connection.exec_driver_sql(sql).scalar())


def kill(engine: sa.Engine, connection_id: object) -> None:
    """End a connection from outside, as a server that restarts does."""
    run(engine, f"KILL {connection_id}")


def unused_port(url: sa.URL) -> sa.URL:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    return url.set(host="127.0.0.1", port=port).difference_update_query(["unix_socket"])


def test_hostile_bytes_and_vectors_come_back_as_they_went_in(engine: sa.Engine) -> None:
    run(engine, "CREATE TABLE raw (id INT, data BLOB, embedding VECTOR(64))")
    vectors = np.random.default_rng(5).normal(size=(50, 64)).astype("<f4")
    hostile = [bytes(range(256)), b"", b"';--\0\\\n\r\x1a%s?:a", *map(np.ndarray.tobytes, vectors)]
    rows = [
        {"id": number, "data": data, "embedding": vectors[number % 50].tobytes()}
        for number, data in enumerate(hostile)
    ]
    insert = sa.text("INSERT INTO raw VALUES (:id, :data, :embedding)")
    run_transaction(engine, lambda connection: connection.execute(insert, rows))
    select = sa.text("SELECT data, embedding FROM raw ORDER BY id")
    stored = read_snapshot(engine, lambda connection: connection.execute(select).all())
    assert [(row.data, row.embedding) for row in stored] == [
        (row["data"], row["embedding"]) for row in rows
    ]


def test_text_of_every_script_comes_back(engine: sa.Engine) -> None:
    text = "L'été 漢字 🙂 \0 \\ ' \" % :x ? עברית e\u0301"
    select = sa.text("SELECT :text, @@character_set_client, @@character_set_connection")
    row = read_snapshot(engine, lambda connection: connection.execute(select, {"text": text}).one())
    assert tuple(row) == (text, "utf8mb4", "utf8mb4")


def test_transactions_see_one_moment_whatever_the_server_prefers(url: sa.URL) -> None:
    preferred = "SET transaction_isolation = 'READ-COMMITTED'"
    engine = make_engine(url, connect_args={"init_command": preferred})
    assert scalar(engine, "SELECT @@transaction_isolation") == "REPEATABLE-READ"
    engine.dispose()


def test_sessions_speak_utc(engine: sa.Engine) -> None:
    assert scalar(engine, "SELECT @@session.time_zone") == "+00:00"
    now = scalar(engine, "SELECT NOW()")
    assert isinstance(now, datetime)
    assert abs(now.replace(tzinfo=UTC) - datetime.now(UTC)).total_seconds() < 60


def test_a_value_that_does_not_fit_is_refused_and_not_cut(engine: sa.Engine, table: str) -> None:
    with pytest.raises(StoreError, match="too long"):
        run(engine, f"UPDATE {table} SET note = REPEAT('x', 21)")
    with pytest.raises(StoreError, match="GROUP BY"):
        scalar(engine, f"SELECT id, COUNT(*) FROM {table} GROUP BY note")


def test_a_large_result_is_copied_a_few_times_only(
    url: sa.URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make_engine(url)
    if engine.driver == "pymysql":
        pytest.skip("it reads row by row")
    with engine.connect() as connection:
        client: Any = connection.connection._client  # type: ignore[attr-defined]  # of the driver
        grow, grown = type(client)._ensure_space, []

        def count(itself: Any, needed: int) -> None:
            grown.append(needed)
            grow(itself, needed)

        monkeypatch.setattr(type(client), "_ensure_space", count)
    engine.dispose()
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT REPEAT('x', 200) FROM seq_1_to_20000").all()
    engine.dispose()
    assert len(rows) == 20_000
    assert 0 < len(grown) <= 12, "4 MB are doubled nine times from 16 KB on"


def test_a_local_file_is_never_sent(engine: sa.Engine, table: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("7\n")
    with pytest.raises(StoreError):
        run(engine, f"LOAD DATA LOCAL INFILE '{secret}' INTO TABLE {table} (id)")
    assert scalar(engine, f"SELECT COUNT(*) FROM {table}") == 2


def test_a_killed_idle_connection_is_replaced_unnoticed(engine: sa.Engine, url: sa.URL) -> None:
    killed = scalar(engine, "SELECT CONNECTION_ID()")
    other = make_engine(url)
    kill(other, killed)
    other.dispose()
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT CONNECTION_ID()").scalar() != killed


def test_a_transaction_whose_connection_dies_runs_again_as_a_whole(
    engine: sa.Engine, url: sa.URL, table: str
) -> None:
    other = make_engine(url)
    seen: list[object] = []

    def work(connection: sa.Connection) -> None:
        seen.append(connection.exec_driver_sql("SELECT CONNECTION_ID()").scalar())
        connection.exec_driver_sql(f"INSERT INTO {table} (id) VALUES (3)")
        if len(seen) == 1:
            kill(other, seen[0])
        connection.exec_driver_sql(f"INSERT INTO {table} (id) VALUES (4)")

    run_transaction(engine, work)
    other.dispose()
    assert len(seen) == 2
    assert seen[0] != seen[1]
    assert scalar(engine, f"SELECT COUNT(*) FROM {table}") == 4


def test_the_loser_of_a_deadlock_runs_again(engine: sa.Engine, table: str) -> None:
    both_hold_one = threading.Barrier(2, timeout=10)
    calls: list[str] = []

    def worker(name: str, first: int, second: int) -> None:
        def work(connection: sa.Connection) -> None:
            calls.append(name)
            append = f"UPDATE {table} SET note = CONCAT(note, '{name}') WHERE id = "
            connection.exec_driver_sql(append + str(first))
            if calls.count(name) == 1:
                both_hold_one.wait()
            connection.exec_driver_sql(append + str(second))

        run_transaction(engine, work)

    threads = [
        threading.Thread(target=worker, args=("a", 1, 2)),
        threading.Thread(target=worker, args=("b", 2, 1)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 3
    assert scalar(engine, f"SELECT MIN(LENGTH(note)) FROM {table}") == 2


def test_a_table_altered_since_the_snapshot_is_read_again(engine: sa.Engine, table: str) -> None:
    calls = 0

    def work(connection: sa.Connection) -> int:
        nonlocal calls
        calls += 1
        connection.exec_driver_sql("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        if calls == 1:
            with engine.begin() as other:
                other.exec_driver_sql(f"ALTER TABLE {table} ADD added INT, ALGORITHM=COPY")
        return connection.exec_driver_sql(f"SELECT COUNT(*) FROM {table}").scalar_one()

    assert run_transaction(engine, work) == 2
    assert calls == 2


def test_a_lock_that_is_held_too_long_is_tried_again(
    engine: sa.Engine, url: sa.URL, table: str
) -> None:
    holding = make_engine(url)
    holder = holding.connect()
    holder.exec_driver_sql(f"UPDATE {table} SET note = 'held' WHERE id = 1")
    calls = 0

    def work(connection: sa.Connection) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            holder.rollback()
        connection.exec_driver_sql("SET innodb_lock_wait_timeout = 0")
        connection.exec_driver_sql(f"UPDATE {table} SET note = 'mine' WHERE id = 1")

    run_transaction(engine, work)
    holder.close()
    holding.dispose()
    assert calls == 2
    assert scalar(engine, f"SELECT note FROM {table} WHERE id = 1") == "mine"


@pytest.fixture
def failing(engine: sa.Engine, table: str) -> Callable[[int], None]:
    """Have the next writes fail as on a Galera node that has no majority."""
    with engine.connect() as connection:
        for statement in (
            "CREATE TABLE failing (times INT) ENGINE=Aria",  # which no rollback takes back
            "INSERT INTO failing VALUES (0)",
            (
                f"CREATE TRIGGER fails BEFORE INSERT ON {table} FOR EACH ROW "
                "IF (SELECT times FROM failing) > 0 THEN UPDATE failing SET times = times - 1; "
                "SIGNAL SQLSTATE '08S01' SET MYSQL_ERRNO = 1047, MESSAGE_TEXT = "
                "'WSREP has not yet prepared node for application use'; END IF"
            ),
        ):
            connection.exec_driver_sql(statement)
        connection.commit()

    def fail(times: int) -> None:
        with engine.begin() as connection:
            connection.exec_driver_sql("UPDATE failing SET times = %s", (times,))

    return fail


def test_a_node_without_a_majority_is_tried_again_and_unavailable_in_the_end(
    engine: sa.Engine, table: str, failing: Callable[[int], None]
) -> None:
    insert = sa.text(f"INSERT INTO {table} (id) VALUES (:id)")
    failing(2)
    run_transaction(engine, lambda c: c.execute(insert, {"id": 41}))
    failing(100)
    with pytest.raises(StoreUnavailable, match="WSREP has not yet prepared node"):
        run_transaction(engine, lambda c: c.execute(insert, {"id": 42}), attempts=3)


def test_what_the_server_refuses_is_not_tried_again(engine: sa.Engine, table: str) -> None:
    calls = 0

    def work(connection: sa.Connection) -> None:
        nonlocal calls
        calls += 1
        connection.exec_driver_sql(f"INSERT INTO {table} (id) VALUES (9), (1)")

    with pytest.raises(StoreError, match="Duplicate"):
        run_transaction(engine, work)
    assert calls == 1
    assert scalar(engine, f"SELECT COUNT(*) FROM {table}") == 2


def test_a_statement_is_stopped_at_its_timeout(url: sa.URL) -> None:
    engine = make_engine(url, statement_timeout=0.2)
    start = time.monotonic()
    with pytest.raises(StoreError, match="max_statement_time"):
        scalar(engine, "SELECT COUNT(*) FROM seq_1_to_100000 a, seq_1_to_100000 b")
    assert time.monotonic() - start < 3
    engine.dispose()


def test_a_read_only_engine_writes_nothing(url: sa.URL, engine: sa.Engine, table: str) -> None:
    reader = make_engine(url, readonly=True)
    with pytest.raises(StoreError, match="READ ONLY"):
        run(reader, f"DELETE FROM {table}")
    assert scalar(reader, f"SELECT COUNT(*) FROM {table}") == 2
    reader.dispose()


def test_every_new_connection_is_announced(url: sa.URL) -> None:
    announced: list[str] = []
    engine = make_engine(url, before_connect=lambda: announced.append("now"))
    scalar(engine, "SELECT 1")
    scalar(engine, "SELECT 1")
    assert announced == ["now"]
    engine.dispose()


def test_a_wrong_password_shows_in_no_message(url: sa.URL) -> None:
    engine = make_engine(url.set(password=CANARY))
    with pytest.raises(StoreError) as caught:
        read_server_info(engine)
    assert "Access denied" in str(caught.value)
    assert CANARY not in "".join(traceback.format_exception(caught.value))
    assert CANARY not in repr(engine)


def test_a_server_that_is_not_there_is_unavailable_within_seconds(url: sa.URL) -> None:
    nowhere = unused_port(url).set(password=CANARY)
    start = time.monotonic()
    with pytest.raises(StoreUnavailable, match=f"127.0.0.1:{nowhere.port}") as caught:
        read_snapshot(make_engine(nowhere), lambda connection: connection, attempts=3)
    assert time.monotonic() - start < 2
    assert "is database.url right?" in str(caught.value)
    assert "(2003" not in str(caught.value)
    assert CANARY not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("setting", "looks_closer"), [("tables.url", True), ("the URL of the table", False)]
)
def test_the_doctor_is_advised_for_servers_of_the_configuration(url, setting, looks_closer):
    nowhere = make_engine(unused_port(url), setting=setting)
    with pytest.raises(StoreUnavailable, match=f"is {setting} right") as caught:
        read_snapshot(nowhere, lambda connection: connection, attempts=1)
    assert ("kb doctor" in str(caught.value)) is looks_closer


@pytest.mark.slow
def test_advice_names_the_setting_that_holds_the_url(url: sa.URL) -> None:
    with pytest.raises(StoreError, match=r"tables\.url is not a URL"):
        make_engine("nonsense", setting="tables.url")
    for wrong in (url.set(password=CANARY), url.set(database="nowhere")):
        engine = make_engine(wrong, setting="tables.url")
        with pytest.raises(StoreError, match=r"Correct tables\.url: its user") as caught:
            scalar(engine, "SELECT 1")
        assert "database.url" not in str(caught.value)
        assert "GRANT" not in str(caught.value)
    with pytest.raises(StoreError, match=r"is tables\.url right\?"):
        scalar(make_engine(unused_port(url), setting="tables.url"), "SELECT 1")


def test_the_server_is_asked_who_it_is(engine: sa.Engine) -> None:
    info = read_server_info(engine)
    assert "MariaDB" in info.version
    assert info.max_packet_bytes >= 2**24


@pytest.mark.parametrize(
    "version",
    [
        "10.11.6-MariaDB-0+deb12u1",
        "11.4.2-MariaDB-ubu2404",
        "5.5.5-10.6.12-MariaDB-log",
        "11.7.2-MariaDB",
        "8.0.36-0ubuntu0.22.04.1",
        "9.1.0",
        "8.4.3-TiDB-v7.5.0",
    ],
)
def test_a_server_without_vectors_is_refused_with_its_version(
    version: str, server_saying: Callable[[str], sa.Engine]
) -> None:
    with pytest.raises(UnsupportedServer, match=r"11\.8 or later") as caught:
        read_server_info(server_saying(version))
    assert version in str(caught.value)


@pytest.mark.parametrize(
    "version", ["11.8.6-MariaDB-0+deb13u1", "5.5.5-11.8.2-MariaDB-log", "12.1.2-MariaDB"]
)
def test_a_server_with_vectors_is_accepted(
    version: str, server_saying: Callable[[str], sa.Engine]
) -> None:
    assert read_server_info(server_saying(version)).version == version


@pytest.fixture
def server_saying(database: sa.URL) -> Iterator[Callable[[str], sa.Engine]]:
    """The real server, giving the version of another."""
    engine = make_engine(database)

    def saying(version: str) -> sa.Engine:
        @sa.event.listens_for(engine, "before_cursor_execute", retval=True)
        def answer(_c: object, _cursor: object, sql: str, values: object, *_: object) -> object:
            return sql.replace("VERSION()", f"'{version}'"), values

        return engine

    yield saying
    engine.dispose()


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://kb:{CANARY}@localhost/kb",
        f"mysql+mysqldb://kb:{CANARY}@localhost/kb",
        f"sqlite:///{CANARY}",
        f"{CANARY} is no URL",
        "",
    ],
)
def test_a_url_that_kb_does_not_speak_is_refused(url: str) -> None:
    with pytest.raises(StoreError, match=r"mariadb\+mariadbconnector://") as caught:
        make_engine(url)
    assert CANARY not in "".join(traceback.format_exception(caught.value))


def test_a_url_of_the_public_integration_is_understood(database: sa.URL) -> None:
    engine = make_engine(database.set(drivername="mysql+pymysql"))
    assert engine.dialect.is_mariadb  # type: ignore[attr-defined]  # of MySQL's dialects
    assert scalar(engine, "SELECT 1") == 1
    engine.dispose()
