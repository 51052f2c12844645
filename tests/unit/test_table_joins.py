"""Which tables can be joined, and which lie between two."""

import sqlalchemy as sa

from engines.tables.table_joins import find_joining_tables, find_joins


def joins(*tables: str):
    """Of tables as "name: column column>referred", the first column being the primary key."""
    metadata = sa.MetaData()
    for each in tables:
        name, _, columns = each.partition(": ")
        sa.Table(
            name,
            metadata,
            *[_column(column, primary=at == 0) for at, column in enumerate(columns.split())],
        )
    return find_joins(metadata.tables.values())


def _column(written: str, *, primary: bool) -> sa.Column:
    name, _, referred = written.partition(">")
    foreign = [sa.ForeignKey(f"{referred}.id")] if referred else []
    return sa.Column(name, sa.Integer, *foreign, primary_key=primary)


SHOP = joins(
    "customers: customer_id name country",
    "orders: order_id customer_id total",
    "order_items: order_item_id order_id product_id",
    "products: product_id sku name",
    "reviews: review_id customer_id product_id",
    "weather: id temperature",
)


def test_foreign_keys_and_keys_of_the_same_name_join():
    found = joins("suppliers: id name", "deliveries: id sent_by>suppliers", "sites: id name paid")
    assert found == {"suppliers": {"deliveries"}, "deliveries": {"suppliers"}, "sites": set()}
    assert SHOP["orders"] == {"customers", "order_items", "reviews"}
    assert joins("author: aid name", "writes: aid pid")["author"] == {"writes"}
    assert joins("countries: code name", "cities: name code")["cities"] == {"countries"}


def test_names_and_words_that_end_like_keys_do_not_join():
    assert joins("a: x name paid grid", "b: y paid name grid") == {"a": set(), "b": set()}
    assert joins("a: id x", "b: id y") == {"a": set(), "b": set()}


def test_tables_in_between_are_the_likeliest_of_at_most_two():
    asked = {"orders": 3.0, "order_items": 3.0, "reviews": 0.0}
    scores = dict.fromkeys(SHOP, 0.0) | asked
    assert find_joining_tables("products", {"orders"}, SHOP, scores) == ("order_items",)
    assert find_joining_tables("products", {"customers"}, SHOP, dict.fromkeys(SHOP, 0.0)) == (
        "reviews",
    )
    assert find_joining_tables("products", {"orders", "customers"}, SHOP, scores) == (
        "order_items",
    )


def test_nothing_is_between_tables_that_are_joined_or_far_apart():
    scores = dict.fromkeys(SHOP, 1.0)
    assert find_joining_tables("orders", {"customers"}, SHOP, scores) == ()
    assert find_joining_tables("weather", {"customers"}, SHOP, scores) == ()
