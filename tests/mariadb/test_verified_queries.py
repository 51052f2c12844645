"""Verified queries on a real MariaDB: kept whole, replaced by name, and following their file."""

from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal

import pytest
import sqlalchemy as sa

from stores.errors import StoreError
from stores.schema import migrate
from stores.verified_queries import VerifiedQueries, VerifiedQuery

QUERY = VerifiedQuery(
    name="late_orders",
    question="Quelles commandes d'Œuvre & Fils sont en retard ?",
    sql="SELECT order_id FROM orders WHERE total > :total AND ordered_at < :since -- 'émoji 🙂'",
    language="fr",
    verified_by="Inès Duarte",
    verified_at=date(2026, 6, 12),
    parameters={
        "total": Decimal("10.50"),
        "since": datetime(2026, 1, 1, 12, 30),  # noqa: DTZ001 - the database's times are UTC
        "day": date(2026, 1, 2),
        "year": 2025,
        "share": 0.5,
        "name": 'O\'Brien \\ "x" :y',
        "nothing": None,
    },
    wordings=("Which orders are late?",),
    descriptions={"total": "more than so many euros"},
    units={"total": "€", "days": "days"},
)


@pytest.fixture
def queries(engine: sa.Engine) -> VerifiedQueries:
    migrate(engine)
    return VerifiedQueries(engine)


def test_a_query_comes_back_as_it_was_saved_with_the_types_of_its_parameters(queries):
    queries.save(QUERY)
    assert queries.one("late_orders") == QUERY
    assert {type(value) for value in queries.one("late_orders").parameters.values()} == {
        Decimal,
        datetime,
        date,
        int,
        float,
        str,
        type(None),
    }


def test_saving_a_name_again_replaces_it(queries):
    queries.save(QUERY)
    queries.save(replace(QUERY, sql="SELECT 2"))
    assert [query.sql for query in queries.all()] == ["SELECT 2"]


def test_a_query_is_confirmed_and_removed_by_its_name(queries):
    queries.save(QUERY)
    queries.confirm("late_orders", "Tom Prescott", date(2026, 7, 1))
    confirmed = queries.one("late_orders")
    assert (confirmed.verified_by, confirmed.verified_at) == ("Tom Prescott", date(2026, 7, 1))
    assert confirmed.parameters == QUERY.parameters
    queries.remove("late_orders")
    assert queries.all() == []


def test_an_unknown_name_is_refused_with_the_nearest_known_one(queries):
    queries.save(QUERY)
    for call in (
        lambda: queries.one("late_order"),
        lambda: queries.remove("late_order"),
        lambda: queries.confirm("late_order", "Tom Prescott", date(2026, 7, 1)),
    ):
        with pytest.raises(StoreError, match=r"'late_order'\. Did you mean late_orders\?"):
            call()


def test_loading_follows_the_file_and_keeps_what_was_saved(queries):
    first, second = (replace(QUERY, name=name, origin="file") for name in ("first", "second"))
    queries.save(QUERY)
    assert queries.load([second, first]) == []
    assert [query.name for query in queries.all()] == ["first", "late_orders", "second"]
    queries.load([replace(second, sql="SELECT 2")])
    assert {query.name: query.sql for query in queries.all()} == {
        "late_orders": QUERY.sql,
        "second": "SELECT 2",
    }


def test_a_saved_query_keeps_its_name_before_that_of_a_file(queries):
    queries.save(QUERY)
    assert queries.load([replace(QUERY, sql="SELECT 1", origin="file")]) == ["late_orders"]
    assert queries.all() == [QUERY]


def test_loading_the_same_again_writes_nothing(queries, engine):
    loaded = replace(QUERY, origin="file")
    queries.load([loaded])
    written: list[str] = []
    sa.event.listen(engine, "before_cursor_execute", lambda *a: written.append(a[2]))
    queries.load([loaded])
    assert [statement.split()[0] for statement in written] == ["SELECT"]
