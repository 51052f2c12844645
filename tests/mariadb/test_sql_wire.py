"""What reaches the server is the statement that was checked and nothing else, by both drivers."""

import itertools
import time
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engines.tables.guarded_database import GuardedDatabase
from stores.connection import make_engine
from stores.errors import QueryFailed, StoreError, TookTooLong, UnsafeQuery
from stores.readonly_account import create_account

SCHEMA = """
CREATE TABLE orders (id INT PRIMARY KEY, status VARCHAR(40), note LONGTEXT);
CREATE TABLE secrets (id INT PRIMARY KEY, secret VARCHAR(40));
INSERT INTO orders VALUES (1, 'new', 'a'), (2, 'sent', REPEAT('a', 200000)), (3, 'new', NULL);
INSERT INTO secrets VALUES (1, 'canary')"""
LATER = "SELECT 1 AS later"


@pytest.fixture
def tables(engine: sa.Engine) -> sa.Engine:
    with engine.begin() as connection:
        for statement in SCHEMA.split(";\n"):
            connection.exec_driver_sql(statement)
    return engine


@pytest.fixture(
    params=itertools.product(["mariadbconnector", "pymysql"], ["reader", "powerful"]),
    ids="-".join,
)
def url(request, database: sa.URL, tables: sa.Engine) -> Iterator[sa.URL]:
    """Of an account that only reads, and of one that may do everything."""
    driver, account = request.param
    plain = database.set(drivername=f"mariadb+{driver}")
    if account == "powerful":
        yield plain
        return
    reader = create_account(tables, database.database, ["orders"], "key")
    yield plain.set(username=reader.name, password=reader.password)
    with tables.begin() as connection:
        connection.exec_driver_sql(f"DROP USER {reader.name}@localhost")


@pytest.fixture
def guarded(url: sa.URL) -> Iterator[GuardedDatabase]:
    engine = make_engine(url)
    yield GuardedDatabase(engine, ["orders"], timeout=3)
    engine.dispose()


@pytest.mark.slow
@pytest.mark.parametrize("sql", ["SELECT /*M'*/ '?' --\r:x\n", "SELECT 1 //**/ 2, '\n?' --\r:x\n"])
@pytest.mark.parametrize(
    "value",
    [
        ", VERSION(), SLEEP(1) #",
        "; SET SESSION sql_select_limit=2 #",
        "; EXECUTE IMMEDIATE 0x5345542050415353574F5244203D202727 #",
    ],
)
def test_a_name_in_a_comment_takes_no_value(guarded, sql, value):
    columns = 1 + sql.count(",")
    found = guarded.run(sql, {"x": value})
    assert [len(row) for row in found.rows] == [columns]
    assert len(guarded.run("SELECT id FROM orders").rows) == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("SELECT '\\?', :x, '?' -- \\'", "', (SELECT secret FROM secrets) #"),
        ("SELECT `?`, :x FROM (SELECT 1 AS `?`) a #`", "` #"),
        ("SELECT 1 /* ' */, :x, ' */ ?'", "x' #"),
        ("SELECT :x -- \n", "' #"),
    ],
)
def test_no_comment_stands_where_values_are_bound(guarded, sql, value):
    with pytest.raises(UnsafeQuery, match="a comment, and none may stand where values are bound"):
        guarded.run(sql, {"x": value})


PIECES = st.sampled_from(
    [
        *("'?'", "'it''s ?'", "'\\\\'", "'\\'?'", '"?"', '"\\"%s"', "'--'", "'/*'", "'%'", "'%s'"),
        *("'%(x)s'", "':x'", "N'a'", "x'3f'", "1", "1.5", "status", "`id`", "'\n'", "'é€😀'"),
        *(":x", ":y", ":x", ":y", "CONCAT(:x, '?')", "7 % 4", "1 / 2", "1 - -2", "1 -\t-2"),
        *("1 //**/ 2", "1 --\r:x\n", "/*?*/ 1", "# ?\n 1", "-- '\n 1", "1 /*M'*/", "'a' 'b'"),
    ]
)
TEXT = st.text(alphabet="ab'\"\\`?%#-/*;:\n\r\t \x00\x1aé😀", max_size=12)


@pytest.mark.slow
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(pieces=st.lists(PIECES, min_size=1, max_size=6), x=TEXT, y=st.one_of(TEXT, st.integers()))
def test_a_bound_value_is_the_value_of_its_place_and_never_a_part_of_the_text(
    guarded, pieces, x, y
):
    values = {"x": x, "y": y}
    sql = f"SELECT {', '.join(pieces)} FROM orders WHERE id = 1"
    try:
        found = guarded.run(sql, {name: values[name] for name in values if f":{name}" in sql})
    except UnsafeQuery:
        return
    assert len(found.rows) == 1
    assert len(found.rows[0]) == len(pieces)
    for piece, cell in zip(pieces, found.rows[0], strict=True):
        if piece in (":x", ":y"):
            assert cell == values[piece[1:]]


def test_a_statement_beyond_the_first_is_refused_by_the_server_itself(url):
    engine = make_engine(url)
    with engine.connect() as connection, pytest.raises(sa.exc.DBAPIError, match="syntax"):
        connection.exec_driver_sql("SELECT 1; SELECT 2", execution_options={"no_parameters": True})
    engine.dispose()


def test_no_setting_of_a_session_meets_the_next_caller(url):
    engine = make_engine(url, pool_size=1)
    guarded = GuardedDatabase(engine, ["orders"], timeout=3)
    with guarded._begin_reading(3) as connection:
        connection.exec_driver_sql("SET SESSION sql_select_limit = 1")
    found = guarded.run("SELECT id FROM orders")
    assert len(found.rows) == 3
    assert not found.truncated
    engine.dispose()


def test_a_changed_password_of_the_account_is_healed(database, tables):
    account = create_account(tables, database.database, ["orders"], "key")
    url = database.set(username=account.name, password=account.password)
    try:
        engine = make_engine(url)
        with engine.connect() as connection:
            connection.exec_driver_sql("SET PASSWORD = PASSWORD('stolen')")
        engine.dispose()
        with pytest.raises(StoreError, match="Access denied"):
            GuardedDatabase(make_engine(url), ["orders"])
        create_account(tables, database.database, ["orders"], "key")
        engine = make_engine(url)
        assert GuardedDatabase(engine, ["orders"]).run(LATER).rows == [(1,)]
        engine.dispose()
    finally:
        with tables.begin() as connection:
            connection.exec_driver_sql(f"DROP USER {account.name}@localhost")


@pytest.mark.slow
def test_a_statement_that_the_server_cannot_stop_is_left_alone_in_time(url):
    engine = make_engine(url, socket_timeout=2)
    guarded = GuardedDatabase(engine, ["orders"], timeout=1)
    begin = time.monotonic()
    with pytest.raises(TookTooLong):
        guarded.run("SELECT LENGTH(REPLACE(note, 'a', 'bbbb')) FROM orders WHERE id = 2")
    assert 1.9 < time.monotonic() - begin < 6
    assert guarded.run(LATER).rows == [(1,)]
    assert running_statements(engine) == 1  # it was no statement that the server could stop
    while running_statements(engine):
        time.sleep(0.1)
    engine.dispose()


def running_statements(engine: sa.Engine) -> int:
    with engine.connect() as connection:
        sql = "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE '%LENGTH(REPL%'"
        return (
            connection.exec_driver_sql(sql, execution_options={"no_parameters": True}).scalar() - 1
        )


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_is_not_bound(guarded, number):
    with pytest.raises(QueryFailed, match="no number"):
        guarded.run("SELECT :x", {"x": number})


def test_functions_may_be_written_with_a_space(guarded):
    assert guarded.run("SELECT COUNT (*), SUM (id), UPPER ('a') FROM orders").rows == [(3, 6, "A")]


def test_harmless_functions_run(guarded):
    sql = (
        "SELECT TO_CHAR(DATE '2026-01-31', 'YYYY-MM'), SHA1('a'), SHA2('a', 256), UUID(), "
        "INET_NTOA(2130706433), REPEAT('ab', 3), LENGTH(SPACE(4))"
    )
    [row] = guarded.run(sql).rows
    assert row[0] == "2026-01"
    assert row[4:] == ("127.0.0.1", "ababab", 4)
    assert len(row[3]) == 36


def test_what_is_aggregated_beyond_its_bound_is_said_to_be_cut(guarded):
    sql = "SELECT GROUP_CONCAT(a.status) FROM orders a" + "".join(
        f", orders b{n}" for n in range(9)
    )
    found = guarded.run(sql)
    assert len(found.rows[0][0]) == 65_536
    assert found.truncated
