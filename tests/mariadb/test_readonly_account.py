"""The second guard: an account that reads the named tables, and cannot do anything else."""

from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa

from stores.connection import make_engine
from stores.errors import StoreError
from stores.readonly_account import create_account, find_excess_powers, write_grants

KEY = "a secret"
FORBIDDEN = {
    "INSERT INTO orders VALUES (2)": 1142,
    "UPDATE orders SET id = 2": 1142,
    "DELETE FROM orders": 1142,
    "DROP TABLE orders": 1142,
    "CREATE TABLE x (id INT)": 1142,
    "SELECT * FROM secrets": 1142,
    "SELECT * FROM mysql.global_priv": 1142,
    "SELECT 1 INTO OUTFILE '/tmp/kb-outfile'": 1045,
    "SET GLOBAL general_log = 1": 1227,
}


@pytest.fixture
def tables(engine: sa.Engine) -> sa.Engine:
    with engine.begin() as connection:
        for table in ("orders", "customers", "secrets"):
            connection.exec_driver_sql(f"CREATE TABLE {table} (id INT)")
            connection.exec_driver_sql(f"INSERT INTO {table} VALUES (1)")
    return engine


@pytest.fixture
def opened(database: sa.URL, tables: sa.Engine) -> Iterator[Callable[..., sa.Engine]]:
    """An engine of the account that may read these tables; the account goes after the test."""
    engines, names = [], set()

    def opened(*included: str) -> sa.Engine:
        account = create_account(tables, database.database, included, KEY)
        names.add(account.name)
        url = database.set(username=account.name, password=account.password)
        engines.append(make_engine(url))
        return engines[-1]

    yield opened
    for engine in engines:
        engine.dispose()
    with tables.begin() as connection:
        for name in names:
            connection.exec_driver_sql(f"DROP USER {name}@localhost")


def number_of(engine: sa.Engine, sql: str) -> int | None:
    with engine.connect() as connection, pytest.raises(sa.exc.DBAPIError) as caught:
        connection.exec_driver_sql(sql)
    return getattr(caught.value.orig, "errno", None)


def test_it_reads_the_tables_it_was_made_for(opened):
    with opened("orders", "customers").connect() as connection:
        assert connection.exec_driver_sql("SELECT * FROM orders, customers").all() == [(1, 1)]


@pytest.mark.parametrize("sql", FORBIDDEN)
def test_it_can_do_nothing_else(opened, sql):
    assert number_of(opened("orders"), sql) == FORBIDDEN[sql]


def test_it_has_no_powers_beyond_and_is_opened_twice(database, opened):
    for _ in range(2):
        assert find_excess_powers(opened("orders"), database.database, ["orders"]) == []


def test_other_tables_have_another_account(database, opened):
    opened("orders", "secrets")
    assert find_excess_powers(opened("orders"), database.database, ["orders"]) == []


def test_a_table_it_should_not_see_is_named(database, opened):
    name = database.database
    found = find_excess_powers(opened("orders", "secrets"), name, ["orders"])
    assert found == [f"may SELECT on `{name}`.`secrets`", f"sees {name}.secrets"]


@pytest.mark.parametrize(
    ("grant", "phrase"),
    [
        ("INSERT ON {database}.orders", "may SELECT, INSERT on `{database}`.`orders`"),
        ("SELECT ON {database}.*", "may SELECT on `{database}`.*"),
        ("ALL ON {database}.*", "may ALL PRIVILEGES on `{database}`.*"),
        ("INSERT (id) ON {database}.orders", "may SELECT, INSERT (`id`) on `{database}`.`orders`"),
    ],
)
def test_what_else_it_was_granted_is_named(database, tables, opened, grant, phrase):
    name = database.database
    engine = opened("orders")
    with tables.begin() as connection:
        connection.exec_driver_sql(
            f"GRANT {grant.format(database=name)} TO {engine.url.username}@localhost"
        )
    assert phrase.format(database=name) in find_excess_powers(engine, name, ["orders"])


def test_the_right_to_grant_is_named(database, tables, opened):
    engine = opened("orders")
    with tables.begin() as connection:
        connection.exec_driver_sql(
            f"GRANT SELECT ON {database.database}.orders TO {engine.url.username}@localhost "
            "WITH GRANT OPTION"
        )
    assert find_excess_powers(engine, database.database, ["orders"]) == [
        "may give its rights to others"
    ]


def test_some_columns_of_a_table_are_enough(database, tables, opened):
    engine = opened("orders")
    with tables.begin() as connection:
        user, table = f"{engine.url.username}@localhost", f"{database.database}.orders"
        connection.exec_driver_sql(f"REVOKE SELECT ON {table} FROM {user}")
        connection.exec_driver_sql(f"GRANT SELECT (id) ON {table} TO {user}")
    assert find_excess_powers(engine, database.database, ["orders"]) == []


def test_a_table_that_is_not_there_is_named_with_those_that_are(database, tables):
    with pytest.raises(StoreError, match="no table nothing; it shows customers, orders, secrets"):
        create_account(tables, database.database, ["orders", "nothing"], KEY)


def test_the_account_that_kb_itself_uses_has_powers_beyond(database, tables):
    assert find_excess_powers(tables, database.database, ["orders"])


def test_its_password_is_nowhere_to_be_seen(database, tables, opened):
    account = create_account(tables, database.database, ["orders"], KEY)
    opened("orders")
    assert account.password not in repr(account)
    assert KEY not in repr(account)


def test_the_grants_an_administrator_needs_are_written_out():
    assert write_grants("shop", ["b", "a"]) == (
        "GRANT SELECT ON `shop`.`a` TO …; GRANT SELECT ON `shop`.`b` TO …;"
    )
