"""Tables of several databases: named with their database, and nothing beside them is read."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
import sqlalchemy as sa

from engines.tables.entities import EntityIndex
from engines.tables.guarded_database import GuardedDatabase
from engines.tables.table_joins import find_joins
from kb.assembly import business_tables
from kb.config.databases import TablesConfig
from kb.config.sections import Config
from stores.errors import ConfigError, StoreError, UnsafeQuery
from stores.private_server import PrivateServer


@pytest.fixture
def crm(engine: sa.Engine) -> Iterator[str]:
    """A second database with tables of the same names as the first one's."""
    name = f"crm_{uuid4().hex[:12]}"
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE orders (id INT PRIMARY KEY, contact_id INT)")
        connection.exec_driver_sql("CREATE TABLE notes (id INT, note VARCHAR(40))")
        connection.exec_driver_sql("INSERT INTO orders VALUES (1, 7)")
        connection.exec_driver_sql("INSERT INTO notes VALUES (1, 'ours')")
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
        connection.exec_driver_sql(
            f"CREATE TABLE {name}.contacts (contact_id INT PRIMARY KEY, name VARCHAR(40)) "
            "COMMENT 'people'"
        )
        connection.exec_driver_sql(
            f"CREATE TABLE {name}.notes (id INT PRIMARY KEY, contact_id INT, "
            f"FOREIGN KEY (contact_id) REFERENCES {name}.contacts (contact_id))"
        )
        connection.exec_driver_sql(f"CREATE TABLE {name}.secrets (id INT)")
        connection.exec_driver_sql(f"CREATE TABLE `{name}.contacts` (id INT)")
        connection.exec_driver_sql(f"INSERT INTO {name}.contacts VALUES (7, 'Inès Duarte')")
    yield name
    with engine.begin() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name}")


@pytest.fixture
def tables(server: PrivateServer, engine: sa.Engine, crm: str) -> Iterator[GuardedDatabase]:
    """Read by the account that kb makes, of which the grants are part of the test."""
    included = ("orders", f"{crm}.contacts", f"{crm}.notes")
    configured = TablesConfig(
        database=engine.url.database,
        include=included,
        descriptions={f"{crm}.contacts.name": "as they write it"},
    )
    opened = business_tables.open_tables(Config(home=server._home.path, tables=configured))
    yield opened
    opened.engine.dispose()
    with engine.begin() as connection:
        connection.exec_driver_sql(f"DROP USER {opened.engine.url.username}@localhost")


def test_a_statement_joins_tables_of_both(tables, crm):
    sql = f"SELECT o.id, c.name FROM orders o JOIN {crm}.contacts c USING (contact_id)"
    assert tables.run(sql).rows == [(1, "Inès Duarte")]
    assert tables.run(f"SELECT `{crm}`.`contacts`.`name` FROM `{crm}`.`contacts`").rows


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM {}.secrets",
        "SELECT * FROM {}.orders",
        "SELECT * FROM contacts",
        "SELECT * FROM notes",
        "SELECT * FROM `{}.contacts`",
        "SELECT * FROM {}.CONTACTS",
        "SELECT * FROM def.{}.contacts",
        "SELECT * FROM information_schema.tables",
        "SELECT * FROM mysql.global_priv",
        "SELECT * FROM performance_schema.threads",
        "WITH contacts AS (SELECT 1) SELECT * FROM {}.secrets",
        "WITH secrets AS (SELECT 1) SELECT * FROM {}.secrets",
        "SELECT (SELECT COUNT(*) FROM {}.secrets) FROM {}.contacts",
        "SELECT 1 FROM {}.contacts UNION SELECT id FROM {}.secrets",
        "SELECT 1 FROM {}.contacts JOIN {}.secrets",
        "SELECT {}.steal() FROM {}.contacts",
    ],
)
def test_nothing_beside_them_is_read(tables, crm, sql):
    with pytest.raises(UnsafeQuery):
        tables.run(sql.replace("{}", crm))


def test_the_account_reads_nothing_beside_them_either(tables, crm):
    with tables.engine.connect() as connection:
        for table in (f"{crm}.secrets", "notes", f"`{crm}.contacts`", "mysql.global_priv"):
            with pytest.raises(sa.exc.DBAPIError, match="denied"):
                connection.exec_driver_sql(f"SELECT * FROM {table}")


def test_a_model_is_told_of_each_by_the_name_that_a_statement_has(tables, crm, engine):
    text = tables.get_single_table_info(f"{crm}.contacts")
    assert text.splitlines()[:3] == [
        f"Table {crm}.contacts: people",
        "- contact_id INTEGER primary key",
        "- name VARCHAR(40); as they write it; values: 'Inès Duarte'",
    ]
    assert f"refers to {crm}.contacts.contact_id" in tables.get_single_table_info(f"{crm}.notes")
    assert f"- {crm}.notes (id, contact_id)" in tables.outline()
    assert list(tables.get_usable_table_names()) == [f"{crm}.contacts", f"{crm}.notes", "orders"]
    joins = find_joins(list(tables.metadata_obj.tables.values()))
    assert joins["orders"] == {f"{crm}.contacts", f"{crm}.notes"}


def test_names_in_rows_say_of_which_database_they_are(tables, crm):
    [entity] = EntityIndex(tables).in_text("What does Inès Duarte order?")
    assert (entity.column, entity.value) == (f"{crm}.contacts.name", "Inès Duarte")


def test_tables_that_all_name_their_database_need_no_other(server, engine, crm):
    configured = TablesConfig(include=(f"{crm}.contacts", f"{crm}.nothing"))
    config = Config(home=server._home.path, tables=configured)
    with pytest.raises(StoreError, match=f"The database {crm} shows no table nothing; it shows"):
        business_tables.open_tables(config)
    script = business_tables.write_account_script(config)
    assert f"GRANT SELECT ON `{crm}`.`contacts` TO" in script
    unclear = config.model_copy(update={"tables": TablesConfig(include=("a.b", "c"))})
    with pytest.raises(ConfigError, match=r"tables\.database is not set"):
        business_tables.write_account_script(unclear)
