"""From the configuration to the tables: whose account reads them, and what it is refused for."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
import yaml

from kb.assembly import business_tables as tables
from kb.config.databases import DatabaseConfig, TablesConfig
from kb.config.sections import Config
from kb.doctor.tables import check_tables
from kb.verified_query_file import open_verified_queries
from stores.errors import ConfigError, StoreError, UnsafeQuery
from stores.private_server import PrivateServer
from stores.registry.schema import migrate
from stores.verified_queries import Editor, VerifiedQueries


@pytest.fixture
def shop(engine: sa.Engine) -> sa.Engine:
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE orders (id INT)")
        connection.exec_driver_sql("CREATE TABLE secrets (id INT)")
        connection.exec_driver_sql("INSERT INTO orders VALUES (7)")
    return engine


@pytest.fixture
def private(server: PrivateServer, shop: sa.Engine) -> Iterator[Config]:
    """A configuration whose private server is the one of the tests."""
    yield Config(
        home=server._home.path,
        tables=TablesConfig(database=shop.url.database, include=("orders",)),
    )
    with shop.begin() as connection:
        accounts = "SELECT user FROM mysql.user WHERE user LIKE 'kb_reader%%'"
        for name in connection.exec_driver_sql(accounts).scalars().all():
            connection.exec_driver_sql(f"DROP USER {name}@localhost")


def changed(config: Config, **values: Any) -> Config:
    return config.model_copy(update={"tables": config.tables.model_copy(update=values)})


def test_on_the_private_server_an_account_of_its_own_reads_the_tables(private):
    for _ in range(2):
        opened = tables.open_tables(private)
        assert opened.run("SELECT id FROM orders").rows == [(7,)]
        assert opened.engine.url.username.startswith("kb_reader_")
        powers = tables.find_account_powers(private, opened.engine)
        assert (powers.writing, powers.reading) == ([], [])
        opened.engine.dispose()


def test_an_account_that_may_write_is_refused_with_what_to_revoke(private, shop):
    config = changed(private, url=shop.url)
    with pytest.raises(ConfigError) as caught:
        tables.open_tables(config)
    message = str(caught.value)
    assert "The account kb@localhost of tables.url may CREATE USER on *.*;" in message
    assert "REVOKE CREATE USER ON *.* FROM `kb`@`localhost`;" in message
    assert "`kb db account`" in message
    assert "tables.allow_powerful_account" in message
    assert shop.url.password not in message


def test_a_powerful_account_serves_where_the_configuration_says_so(private, shop):
    config = changed(private, url=shop.url, allow_powerful_account=True)
    opened = tables.open_tables(config)
    assert opened.run("SELECT id FROM orders").rows == [(7,)]
    opened.engine.dispose()


def test_an_account_that_reads_more_serves_and_is_told_of(private, shop, caplog):
    reader = tables.connect_to_tables(changed(private, include=("orders", "secrets")))
    config = changed(private, url=reader.url)
    opened = tables.open_tables(config)
    seen = f"may SELECT on `{shop.url.database}`.`secrets`; sees {shop.url.database}.secrets"
    assert seen in caplog.text
    with pytest.raises(UnsafeQuery, match="the table secrets is not allowed"):
        opened.run("SELECT id FROM secrets")
    [check] = check_tables(config)
    assert (check.state, seen in check.seen) == ("warn", True)
    assert "`kb db account`" in check.advice
    for engine in (reader, opened.engine):
        engine.dispose()


def test_an_account_elsewhere_that_only_reads_serves(private, shop):
    reader = tables.connect_to_tables(private)
    config = changed(private, url=reader.url, database=None)
    opened = tables.open_tables(config)
    assert opened.run("SELECT id FROM orders").rows == [(7,)]
    for engine in (reader, opened.engine):
        engine.dispose()


def test_limits_of_the_configuration_hold(private):
    opened = tables.open_tables(changed(private, row_limit=1, timeout=7))
    assert opened.run("SELECT 1 UNION ALL SELECT 2").truncated
    with opened.engine.connect() as connection:
        limit = connection.exec_driver_sql("SELECT @@max_statement_time").scalar()
    assert float(limit) == 7
    opened.engine.dispose()


def test_missing_tables_and_databases_are_named(private):
    with pytest.raises(StoreError, match="no table nothing; it shows orders, secrets"):
        tables.open_tables(changed(private, include=("nothing",)))
    with pytest.raises(StoreError, match="The database nowhere shows no table orders"):
        tables.open_tables(changed(private, database="nowhere"))
    with pytest.raises(ConfigError, match=r"tables\.database is not set"):
        tables.open_tables(changed(private, database=None))
    with pytest.raises(ConfigError, match=r"tables\.include"):
        tables.open_tables(changed(private, include=()))


def test_a_wrong_password_is_corrected_in_tables_url(private, shop):
    config = changed(private, url=shop.url.set(password="canary"))
    with pytest.raises(ConfigError, match=r"tables\.url was refused") as caught:
        tables.open_tables(config)
    assert "canary" not in str(caught.value)
    assert "(1045" not in str(caught.value)
    assert "GRANT ALL" not in str(caught.value)


def test_a_server_of_the_tables_that_is_not_there_is_one_of_tables_url(private, shop):
    nowhere = shop.url.set(host="127.0.0.1", port=1).difference_update_query(["unix_socket"])
    with pytest.raises(StoreError, match=r"is tables\.url right\?"):
        tables.open_tables(changed(private, url=nowhere))


def test_the_doctor_proves_that_the_account_only_reads(private, shop):
    [check] = check_tables(private)
    assert check.state == "ok"
    assert re.fullmatch(r"kb_reader_\w+ only reads orders", check.seen)
    powerful = changed(private, url=shop.url)
    [check] = check_tables(powerful)
    assert check.state == "fail"
    assert "REVOKE ALL PRIVILEGES ON `%`.* FROM" in check.advice
    assert [c.state for c in check_tables(changed(powerful, allow_powerful_account=True))] == [
        "warn"
    ]
    assert [c.state for c in check_tables(changed(private, include=("nothing",)))] == ["fail"]


def test_the_doctor_runs_the_verified_queries_of_the_file(private, tmp_path):
    file = tmp_path / "queries.yaml"
    entry = {"question": "How many?", "verified_by": "Ana", "verified_at": "2026-06-12"}
    good = {**entry, "name": "good", "sql": "SELECT COUNT(*) AS n FROM orders"}
    config = changed(private, verified_queries=file)
    file.write_text(yaml.safe_dump([good]), "utf-8")
    _, check = check_tables(config)
    assert (check.name, check.state) == ("Verified queries", "ok")
    bad = {**entry, "name": "bad", "sql": "SELECT day FROM orders"}
    file.write_text(yaml.safe_dump([good, bad]), "utf-8")
    _, check = check_tables(config)
    assert check.state == "warn"
    assert re.match(r"bad: .*Unknown column 'day'", check.seen)
    file.unlink()
    _, check = check_tables(config)
    assert check.state == "fail"


def test_verified_queries_follow_their_file_and_leave_saved_ones_alone(
    private, shop, tmp_path, caplog
):
    migrate(shop)
    file = tmp_path / "queries.yaml"
    entry = {"question": "How many?", "verified_by": "Ana", "verified_at": "2026-06-12"}
    named = [{**entry, "name": name, "sql": "SELECT 1"} for name in ("first", "second")]
    file.write_text(yaml.safe_dump(named), "utf-8")
    config = changed(private, verified_queries=file)
    assert [q.name for q in open_verified_queries(config, shop)] == ["first", "second"]
    loaded = VerifiedQueries(shop).one("first")
    assert open_verified_queries(private, shop).list_queries() == []
    saved = VerifiedQueries(shop).save(replace(loaded, sql="SELECT 2"), Editor("ana"))
    assert open_verified_queries(config, shop).one("first") == loaded
    assert "holds 'first', which hides one of that name that was saved" in caplog.text
    assert open_verified_queries(private, shop).list_queries() == [saved]
    file.unlink()
    with pytest.raises(ConfigError, match=r"tables\.verified_queries names .*queries\.yaml, which"):
        open_verified_queries(config, shop)


def test_the_tables_may_live_on_another_server_than_the_documents(private):
    elsewhere = private.model_copy(update={"database": DatabaseConfig(url=make_url())})
    opened = tables.open_tables(elsewhere)
    assert opened.run("SELECT id FROM orders").rows == [(7,)]
    opened.engine.dispose()


def make_url() -> sa.URL:
    return sa.make_url("mariadb+mariadbconnector://kb@192.0.2.1/kb")
