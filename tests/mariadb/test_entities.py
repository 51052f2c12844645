"""Names that the tables hold, found in texts and in rows."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from engines.question import Entity
from engines.tables.entities import EntityIndex
from engines.tables.guarded_database import GuardedDatabase
from stores.connection import make_engine

SCHEMA = """
CREATE TABLE customers (id INT PRIMARY KEY, name VARCHAR(80), city VARCHAR(40), email VARCHAR(80),
  segment VARCHAR(10), note VARCHAR(400));
CREATE TABLE `2024 list` (`§` VARCHAR(40));
INSERT INTO `2024 list` VALUES ('Zinc bar');
CREATE TABLE Rooms (Name VARCHAR(40));
INSERT INTO Rooms VALUES ('Room 12');
CREATE TABLE products (id INT PRIMARY KEY, `full name` VARCHAR(60));
INSERT INTO products VALUES (1, 'Brume 2 espresso machine'), (2, 'Brume water filter'),
  (3, 'Cleaning tablets'), (4, NULL), (5, 'Hand mixer red'), (6, 'Hand mixer blue')"""
BRUME = ("Brume 2 espresso machine", "Brume water filter")
NAMES = {1: ("Épicerie Ballon Liège", "Bath"), 2: ("Kiln & Crumb", "York"), 3: ("O'Brien", "Bath")}


@pytest.fixture
def tables(engine: sa.Engine) -> sa.Engine:
    insert = "INSERT INTO customers VALUES (%s, %s, %s, %s, %s, 'a note')"
    with engine.begin() as connection:
        for statement in SCHEMA.split(";\n"):
            connection.exec_driver_sql(statement)
        for number in range(1, 31):
            name, city = NAMES.get(number, (f"Person {number}", f"City{number}"))
            segment = "business" if number % 2 else "consumer"
            row = (number, name, city, f"p{number}@example.test", segment)
            connection.exec_driver_sql(insert.replace("%s", "?"), row)
    return engine


@pytest.fixture
def index(tables: sa.Engine) -> Iterator[EntityIndex]:
    reader = make_engine(tables.url)
    yield EntityIndex(GuardedDatabase(reader, ["customers", "products", "2024 list", "Rooms"]))
    reader.dispose()


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (
            "What did Épicerie Ballon Liège and KILN & CRUMB buy?",
            ["Épicerie Ballon Liège", "Kiln & Crumb"],
        ),
        ("Qu'a commandé l'epicerie ballon liege ?", ["Épicerie Ballon Liège"]),
        ("The Brume 2 shows CB-121.", ["Brume 2 espresso machine"]),
        ("Is Brume a brand?", []),
        ("Customers in Bath, and a bath tub", ["Bath"]),
        ("Cleaning is easy. Cleaning it daily helps.", []),
        ("Take our Cleaning tablets", ["Cleaning tablets"]),
        ("Which consumer wrote to p1@example.test?", []),
        ("Person 7 or Person 77?", ["Person 7"]),
        ("", []),
    ],
)
def test_names_are_found_where_they_stand(index, text, values):
    assert [entity.value for entity in index.in_text(text)] == values


def test_an_entity_has_a_plain_name_for_a_model(index):
    assert index.in_text("Has Person 4 bought the Brume 2?") == [
        Entity("customers_name_1", "customers.name", "Person 4"),
        Entity("products_full_name_2", "products.full name", "Brume 2 espresso machine"),
    ]
    assert index.in_text("a Zinc bar")[0].name == "n2024_list___1"
    assert index.in_text("Room 12")[0].name == "rooms_name_1"


def test_a_cell_tells_its_column(index):
    assert index.find_cell("O'Brien") == Entity("customers_name_1", "customers.name", "O'Brien")
    assert index.find_cell("business") is None
    assert index.find_cell("") is None


def test_new_names_are_seen_after_a_while(index, tables):
    assert index.in_text("Nova Ltd") == []
    with tables.begin() as connection:
        connection.exec_driver_sql("INSERT INTO customers (id, name) VALUES (99, 'Nova Ltd')")
    assert index.in_text("Nova Ltd") == []
    index._fresh_until = 0
    assert [each.value for each in index.in_text("Nova Ltd")] == ["Nova Ltd"]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("How much does the Brume cost?", ["Brume"]),
        ("Is the BRUME 2 better than a Brume Water filter?", [*BRUME]),
        ("Brume is a brand.", []),
        ("Is a hand mixer loud?", []),
        ("Is a Hand mixer loud?", ["Hand mixer"]),
        ("Does a person write as Person or as Person 7?", ["Person", "Person 7"]),
        ("Customers in Bath, and a bath tub", ["Bath"]),
        ("", []),
    ],
)
def test_a_beginning_that_several_names_share_names_something_too(index, text, named):
    assert index.find_names(text) == named
