"""The second guard: an account that reads the named tables, and cannot do anything else."""

from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
import sqlalchemy as sa

from stores.connection import make_engine
from stores.errors import StoreError
from stores.readonly_account import (
    Powers,
    _judge_grant,
    create_account,
    find_powers,
    write_account_sql,
)

KEY = "a secret"
FORBIDDEN = {
    "INSERT INTO orders VALUES (2)": {1142},
    "UPDATE orders SET id = 2": {1142},
    "DELETE FROM orders": {1142},
    "DROP TABLE orders": {1142},
    "CREATE TABLE x (id INT)": {1142},
    "SELECT * FROM secrets": {1142},
    "SELECT * FROM mysql.global_priv": {1142},
    "SELECT 1 INTO OUTFILE '/tmp/kb-outfile'": {1045, 1227},  # 11.8.6 alone gives 1045
    "SET GLOBAL general_log = 1": {1227},
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
    assert number_of(opened("orders"), sql) in FORBIDDEN[sql]


def test_it_has_no_powers_beyond_and_is_opened_twice(database, opened):
    for _ in range(2):
        assert_only_reads(opened("orders"), database, "orders")


def test_other_tables_have_another_account(database, opened):
    opened("orders", "secrets")
    assert_only_reads(opened("orders"), database, "orders")


def test_a_table_it_should_not_see_is_named_and_no_more(database, opened):
    name = database.database
    powers = find_powers(opened("orders", "secrets"), name, ["orders"])
    assert not powers.writing
    assert [power.what for power in powers.reading] == [
        f"may SELECT on `{name}`.`secrets`",
        f"sees {name}.secrets",
    ]


@pytest.mark.parametrize(
    ("grant", "privilege", "where"),
    [
        ("INSERT ON {}.orders", "INSERT", "`{}`.`orders`"),
        ("ALL ON {}.*", "ALL PRIVILEGES", "`{}`.*"),
        ("INSERT (id) ON {}.orders", "INSERT (`id`)", "`{}`.`orders`"),
        ("TRIGGER, EVENT ON {}.*", "EVENT, TRIGGER", "`{}`.*"),
        ("CREATE, ALTER, DROP ON {}.*", "CREATE, DROP, ALTER", "`{}`.*"),
        ("SHOW VIEW, CREATE VIEW, INDEX ON {}.*", "INDEX, CREATE VIEW", "`{}`.*"),
        ("EXECUTE ON FUNCTION {}.writes", "EXECUTE", "FUNCTION `{}`.`writes`"),
    ],
)
def test_what_writes_is_named_with_what_ends_it(database, tables, opened, grant, privilege, where):
    engine, name = opened("orders"), database.database
    with tables.begin() as connection:
        connection.exec_driver_sql("CREATE FUNCTION writes() RETURNS INT RETURN 1")
        connection.exec_driver_sql(f"GRANT {grant.format(name)} TO {account_of(engine)}")
    [power] = find_powers(engine, name, ["orders"]).writing
    place = where.format(name)
    assert power.what == f"may {privilege} on {place}"
    assert power.remedy == f"REVOKE {privilege} ON {place} FROM {quoted(engine)};"
    with tables.begin() as connection:
        connection.exec_driver_sql(power.remedy)
    assert find_powers(engine, name, ["orders"]).writing == []


@pytest.mark.parametrize(
    "grant", ["SELECT ON {}.*", "SELECT, SHOW VIEW, LOCK TABLES, CREATE TEMPORARY TABLES ON {}.*"]
)
def test_what_only_reads_more_is_no_power_to_write(database, tables, opened, grant):
    engine, name = opened("orders"), database.database
    with tables.begin() as connection:
        connection.exec_driver_sql(f"GRANT {grant.format(name)} TO {account_of(engine)}")
    powers = find_powers(engine, name, ["orders"])
    assert powers.account == f"{engine.url.username}@localhost"
    assert powers.writing == []
    assert powers.reading[0].what.startswith("may ")
    assert "SHOW VIEW" not in powers.reading[0].what


def test_the_right_to_grant_is_named(database, tables, opened):
    engine, name = opened("orders"), database.database
    with tables.begin() as connection:
        connection.exec_driver_sql(
            f"GRANT SELECT ON {name}.orders TO {account_of(engine)} WITH GRANT OPTION"
        )
    [power] = find_powers(engine, name, ["orders"]).writing
    assert power.what == f"may give its rights on `{name}`.`orders` to others"
    with tables.begin() as connection:
        connection.exec_driver_sql(power.remedy)
    assert_only_reads(engine, database, "orders")


@pytest.fixture
def role(administration: sa.Engine, tables: sa.Engine) -> Iterator[str]:
    """A role that inserts, and one in it that deletes."""
    outer, inner = f"kb_{uuid4().hex[:8]}", f"kb_{uuid4().hex[:8]}"
    with tables.begin() as connection:
        for name, right in ((outer, "INSERT"), (inner, "DELETE")):
            connection.exec_driver_sql(f"CREATE ROLE {name}")
            connection.exec_driver_sql(f"GRANT {right} ON orders TO {name}")
        connection.exec_driver_sql(f"GRANT {inner} TO {outer}")
    yield outer
    with tables.begin() as connection:
        for name in (outer, inner):
            connection.exec_driver_sql(f"DROP ROLE {name}")


@pytest.mark.parametrize("is_default", [False, True])
def test_what_roles_may_do_counts_whether_they_are_set_or_not(
    database, tables, opened, role, is_default
):
    engine, name = opened("orders"), database.database
    with tables.begin() as connection:
        connection.exec_driver_sql(f"GRANT {role} TO {account_of(engine)}")
    if is_default:
        with engine.begin() as connection:
            connection.exec_driver_sql(f"SET DEFAULT ROLE {role}")
        engine.dispose()
    writing = find_powers(engine, name, ["orders"]).writing
    assert sorted(power.what.partition(",")[0] for power in writing) == [
        f"may DELETE on `{name}`.`orders`",
        f"may INSERT on `{name}`.`orders`",
    ]
    assert f"by `{role}`" in next(power.what for power in writing if "INSERT" in power.what)
    with engine.connect() as connection:  # whatever was tried, no session goes on with it
        assert connection.exec_driver_sql("SELECT CURRENT_ROLE()").scalar() == (
            role if is_default else None
        )
    with tables.begin() as connection:
        for power in writing:
            connection.exec_driver_sql(power.remedy)
    assert_only_reads(engine, database, "orders")


def test_what_everybody_may_counts(database, administration, tables, opened):
    engine, name = opened("orders"), database.database
    with administration.connect() as connection:
        connection.exec_driver_sql(f"GRANT INSERT ON {name}.orders TO PUBLIC")
    try:
        [power] = find_powers(engine, name, ["orders"]).writing
        assert power.what == f"may INSERT on `{name}`.`orders`, by PUBLIC"
    finally:
        with administration.connect() as connection:
            connection.exec_driver_sql(power.remedy)
    assert_only_reads(engine, database, "orders")


def test_the_right_to_give_a_role_is_named(database, tables, opened, role):
    engine, name = opened("orders"), database.database
    with tables.begin() as connection:
        connection.exec_driver_sql(f"GRANT {role} TO {account_of(engine)} WITH ADMIN OPTION")
    whats = [power.what for power in find_powers(engine, name, ["orders"]).writing]
    assert f"may give its role `{role}` to others" in whats


def test_some_columns_of_a_table_are_enough(database, tables, opened):
    engine = opened("orders")
    with tables.begin() as connection:
        user, table = account_of(engine), f"{database.database}.orders"
        connection.exec_driver_sql(f"REVOKE SELECT ON {table} FROM {user}")
        connection.exec_driver_sql(f"GRANT SELECT (id) ON {table} TO {user}")
    assert_only_reads(engine, database, "orders")


def test_what_kb_does_not_know_counts_as_writing():
    strange = "GRANT PROXY ON `root`@`%` TO `ana`@`%`", "GRANT NEW `THING` ON *.* TO `ana`@`%`"
    for grant in strange:
        [(power, only_reads)] = list(_judge_grant(grant, "ana@%", set()))
        assert not only_reads
        assert "PROXY" in power.what or "NEW `THING`" in power.what


def account_of(engine: sa.Engine) -> str:
    return f"{engine.url.username}@localhost"


def quoted(engine: sa.Engine) -> str:
    return f"`{engine.url.username}`@`localhost`"


def assert_only_reads(engine: sa.Engine, database: sa.URL, *included: str) -> None:
    assert find_powers(engine, str(database.database), included) == Powers(
        account_of(engine), [], []
    )


def test_a_table_that_is_not_there_is_named_with_those_that_are(database, tables):
    with pytest.raises(StoreError, match="no table nothing; it shows customers, orders, secrets"):
        create_account(tables, database.database, ["orders", "nothing"], KEY)


def test_the_account_that_kb_itself_uses_has_powers_beyond(database, tables):
    assert find_powers(tables, database.database, ["orders"]).writing


def test_its_password_is_nowhere_to_be_seen(database, tables, opened):
    account = create_account(tables, database.database, ["orders"], KEY)
    opened("orders")
    assert account.password not in repr(account)
    assert KEY not in repr(account)


def test_the_sql_of_an_administrator_makes_an_account_that_only_reads(database, tables):
    """Of two databases, one of them named with its tables."""
    name, other = str(database.database), f"test_{uuid4().hex[:12]}"
    included = ["orders", f"{other}.contacts"]
    script = write_account_sql(name, included, "a long password")
    assert script.count("GRANT SELECT ON") == 2
    try:
        with tables.begin() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {other}")
            connection.exec_driver_sql(f"CREATE TABLE {other}.contacts (id INT)")
            for statement in script.rstrip().rstrip(";").split(";\n"):
                connection.exec_driver_sql(statement.replace("%", "localhost"))
        engine = make_engine(database.set(username="kb_reader", password="a long password"))
        assert find_powers(engine, name, included) == Powers("kb_reader@localhost", [], [])
        engine.dispose()
    finally:
        with tables.begin() as connection:
            connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {other}")
            connection.exec_driver_sql("DROP USER IF EXISTS kb_reader@localhost")
