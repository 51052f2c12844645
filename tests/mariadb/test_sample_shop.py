"""The sample shop on a real MariaDB: it loads twice, holds together and gives the known answers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml
from sample_shop import FLOOD, TODAY

from stores.connection import make_engine
from stores.private_server import PrivateServer

DATA = Path(__file__).parents[2] / "data"
STATEMENTS = (DATA / "shop.sql").read_text(encoding="utf-8").split(";\n")[:-1]
QUESTIONS = yaml.safe_load((DATA / "questions.yaml").read_text(encoding="utf-8"))
VERIFIED = yaml.safe_load((DATA / "verified_queries.yaml").read_text(encoding="utf-8"))
TABLES = {"customers", "products", "orders", "order_items", "reviews"}
VIOLATIONS = {
    "the total is the items and the fee": """
        SELECT order_id FROM orders JOIN order_items USING (order_id) GROUP BY order_id
        HAVING SUM(quantity * unit_price) + MAX(shipping_fee) <> MAX(total)""",
    "a product is sold while it is on sale": """
        SELECT order_id FROM orders JOIN order_items USING (order_id)
        JOIN products USING (product_id) WHERE DATE(ordered_at)
        NOT BETWEEN launched_on AND COALESCE(discontinued_on, '9999-12-31')""",
    "a customer signs up before the first order": """
        SELECT order_id FROM orders JOIN customers USING (customer_id)
        WHERE DATE(ordered_at) < signed_up_on""",
    "an order is placed, then shipped, then delivered": """
        SELECT order_id FROM orders
        WHERE shipped_on < DATE(ordered_at) OR delivered_on <= shipped_on""",
    "what was delivered has a day of delivery": """
        SELECT order_id FROM orders
        WHERE (status IN ('delivered', 'returned')) <> (delivered_on IS NOT NULL)""",
    "a review follows a delivery": """
        SELECT review_id FROM reviews r WHERE NOT EXISTS (
          SELECT 1 FROM orders o JOIN order_items i USING (order_id)
          WHERE o.customer_id = r.customer_id AND i.product_id = r.product_id
          AND o.delivered_on < r.created_on)""",
    "nothing is shipped while the warehouse is flooded": f"""
        SELECT order_id FROM orders JOIN customers USING (customer_id)
        WHERE country = 'FR' AND shipped_on BETWEEN '{FLOOD[0]}' AND '{FLOOD[1]}'""",
}


@pytest.fixture(scope="module")
def shop(server: PrivateServer) -> Iterator[sa.Connection]:
    """Loaded twice, so that every test sees what a repeated load leaves."""
    engine = make_engine(server.url("mysql"))
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE DATABASE test_sample_shop")
        connection.exec_driver_sql("USE test_sample_shop")
        for statement in STATEMENTS * 2:
            connection.exec_driver_sql(statement)
        connection.commit()
        yield connection
        connection.exec_driver_sql("DROP DATABASE test_sample_shop")
        connection.invalidate()
    engine.dispose()


@pytest.fixture(autouse=True)
def nothing_is_kept(shop: sa.Connection) -> Iterator[None]:
    yield
    shop.rollback()


def rows_of(shop: sa.Connection, sql: str, **values: Any) -> list[list[Any]]:
    """Rows as data/questions.yaml writes them: whole numbers, and everything else as text."""
    rows = shop.execute(sa.text(sql), values)
    return [[cell if isinstance(cell, int) else str(cell) for cell in row] for row in rows]


def test_the_tables_have_the_announced_sizes(shop):
    sizes = {table: rows_of(shop, f"SELECT COUNT(*) FROM {table}")[0][0] for table in TABLES}
    assert 5500 < sizes.pop("order_items") < 6500
    assert sizes == {"customers": 400, "products": 60, "orders": 2500, "reviews": 900}


def test_orders_reach_up_to_today(shop):
    assert rows_of(shop, "SELECT DATE(MIN(ordered_at)), DATE(MAX(ordered_at)) FROM orders") == [
        ["2023-01-02", TODAY.isoformat()]
    ]
    for column in ("orders.delivered_on", "reviews.created_on", "customers.signed_up_on"):
        table = column.split(".")[0]
        assert rows_of(shop, f"SELECT MAX({column}) <= '{TODAY}' FROM {table}") == [[1]]


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("orders", "customer_id"),
        ("order_items", "order_id"),
        ("order_items", "product_id"),
        ("reviews", "product_id"),
        ("reviews", "customer_id"),
    ],
)
def test_a_foreign_key_refuses_a_row_that_points_nowhere(shop, table, column):
    with pytest.raises(sa.exc.IntegrityError, match="foreign key constraint fails"):
        shop.exec_driver_sql(f"UPDATE {table} SET {column} = 999999 LIMIT 1")


def test_every_table_is_described(shop):
    described = rows_of(
        shop,
        "SELECT table_name FROM information_schema.tables "
        "WHERE table_schema = DATABASE() AND table_comment <> ''",
    )
    assert {name for [name] in described} == TABLES


@pytest.mark.parametrize("violations", VIOLATIONS.values(), ids=VIOLATIONS)
def test_the_rows_make_sense(shop, violations):
    assert rows_of(shop, violations) == []


@pytest.mark.parametrize("query", VERIFIED, ids=lambda query: query["name"])
def test_a_verified_query_answers_with_its_defaults(shop, query):
    rows = rows_of(shop, query["sql"], **query.get("parameters", {}))
    assert rows
    assert all("None" not in row for row in rows)


@pytest.mark.parametrize("year", [2024, 2026])
def test_a_verified_query_follows_its_parameter(shop, year):
    [query] = [query for query in VERIFIED if query["name"] == "revenue_of_year"]
    expected = rows_of(shop, query["sql"].replace(":year", str(year)))
    assert rows_of(shop, query["sql"], year=year) == expected
    assert expected != rows_of(shop, query["sql"], year=2025)


@pytest.mark.parametrize(
    "question",
    [question for question in QUESTIONS if "sql" in question],
    ids=lambda question: question["id"],
)
def test_a_question_has_the_known_rows(shop, question):
    assert rows_of(shop, question["sql"]) == question["rows"]


def test_the_answer_of_a_database_question_is_in_its_rows(shop):
    for question in QUESTIONS:
        if question["route"] == "database":
            answers = question["answer"]
            cells = [str(cell) for row in question["rows"] for cell in row]
            assert {answers} & set(cells) if isinstance(answers, str) else set(answers) & set(cells)
