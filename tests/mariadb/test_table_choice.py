"""The tables that a model is told of, out of more than it can read."""

import time
from collections.abc import Iterator
from uuid import uuid4

import pytest
from fake_models import ScriptedLLM

from engines.tables.guarded_database import GuardedDatabase
from engines.tables.table_choice import TableChoice, make_table_choice
from stores.connection import make_engine
from stores.private_server import PrivateServer

SHOP = """
CREATE TABLE customers (customer_id INT PRIMARY KEY, name VARCHAR(80), country VARCHAR(2));
CREATE TABLE orders (order_id INT PRIMARY KEY, customer_id INT REFERENCES customers (customer_id),
  ordered_at DATETIME, total DECIMAL(8,2));
CREATE TABLE order_items (order_id INT REFERENCES orders (order_id),
  product_id INT, quantity INT);
CREATE TABLE products (product_id INT PRIMARY KEY, name VARCHAR(80), price DECIMAL(8,2));
CREATE TABLE employees (id INT PRIMARY KEY, name VARCHAR(80), salary DECIMAL(8,2));
INSERT INTO customers VALUES (1, 'Épicerie Ballon', 'BE'), (2, 'Kiln & Crumb', 'DE');
INSERT INTO products VALUES (1, 'Lynx R2', 9), (2, 'Rivage kettle', 5)"""
GAUGES = [f"gauge_{number}" for number in range(95)]


@pytest.fixture(scope="module")
def wide(server: PrivateServer) -> Iterator[GuardedDatabase]:
    """A shop among tables that have nothing to do with it."""
    name = f"test_{uuid4().hex[:12]}"
    admin, engine = make_engine(server.url("mysql")), make_engine(server.url(name))
    with admin.begin() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    with engine.begin() as connection:
        for statement in SHOP.split(";\n"):
            connection.exec_driver_sql(statement)
        for gauge in GAUGES:
            columns = ", ".join(f"{gauge}_pressure_{at} DOUBLE" for at in range(3))
            connection.exec_driver_sql(f"CREATE TABLE {gauge} (id INT, {columns}) ENGINE=MEMORY")
    shop = ["customers", "orders", "order_items", "products", "employees"]
    yield GuardedDatabase(engine, [*shop, *GAUGES])
    engine.dispose()
    with admin.begin() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name}")
    admin.dispose()


@pytest.fixture
def choice(wide: GuardedDatabase) -> TableChoice:
    return make_table_choice(wide, ScriptedLLM(context_window=1200))


@pytest.mark.parametrize(
    ("question", "tables"),
    [
        ("What do our employees earn?", {"employees"}),
        ("Quel est le salaire moyen des employés ?", {"employees"}),
        ("Which customers bought which products?", {"customers", "products", "order_items"}),
        ("How many customers are there for each product?", {"orders", "order_items"}),
        ("How often was the Lynx R2 ordered?", {"products", "order_items"}),
        ("Combien de fois Kiln & Crumb a-t-il commandé ?", {"customers", "orders"}),
        ("What is the pressure of gauge 77?", {"gauge_77"}),
    ],
)
def test_tables_come_with_those_that_join_them_in_either_language(choice, question, tables):
    chosen = [each.table_name for each in choice.retrieve(question)]
    assert tables <= set(chosen)
    assert sum(choice.sizes[name] for name in chosen) <= choice.room


def test_tables_that_a_question_says_nothing_of_are_left_out(choice):
    chosen = {each.table_name for each in choice.retrieve("Which customers placed orders?")}
    assert not any(name.startswith("gauge") for name in chosen)


def test_a_question_of_unknown_words_still_gets_tables(choice):
    assert choice.retrieve("Xyzzy?")


def test_a_table_larger_than_the_room_is_told_alone(wide):
    tiny = make_table_choice(wide, ScriptedLLM(context_window=20))
    (only,) = tiny.retrieve("What do our employees earn?")
    assert only.table_name == "employees"


def test_all_tables_are_told_where_they_fit(wide):
    assert make_table_choice(wide, ScriptedLLM(context_window=128_000)) is None


def test_a_hundred_tables_are_read_at_once(wide):
    since = time.monotonic()
    make_table_choice(wide, ScriptedLLM(context_window=1200))
    again = time.monotonic()
    make_table_choice(wide, ScriptedLLM(context_window=1200)).retrieve("Which customers?")
    assert again - since < 5
    assert time.monotonic() - again < 1.5
