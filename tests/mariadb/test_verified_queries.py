"""Verified queries on a real MariaDB: kept whole, by whom, with what they were before."""

from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from programs import in_another_process

from stores.errors import StoreError, VerifiedQueryConflict
from stores.registry.schema import migrate
from stores.registry.script import run_script
from stores.verified_queries import Editor, VerifiedQueries, VerifiedQuery

INES = Editor("ines")
ANA, BEN = (Editor(name, is_key=True, changes_all=False) for name in ("ana", "ben"))
ADMIN = Editor("admin", is_key=True)

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


def asking(question: str, name: str = "late_orders", **values: Any) -> VerifiedQuery:
    return replace(QUERY, name=name, question=question, wordings=(), **values)


def test_a_query_comes_back_as_it_was_saved_with_the_types_of_its_parameters(queries):
    assert queries.save(QUERY, INES) == QUERY
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


def test_saving_a_name_again_replaces_it_when_it_is_to(queries):
    queries.save(QUERY, INES)
    with pytest.raises(VerifiedQueryConflict, match="There is a verified query 'late_orders'"):
        queries.save(replace(QUERY, sql="SELECT 2"), INES)
    queries.save(replace(QUERY, sql="SELECT 2"), INES, replace=True)
    assert [query.sql for query in queries.list_queries()] == ["SELECT 2"]


def test_a_query_is_confirmed_and_removed_by_its_name(queries):
    queries.save(QUERY, INES)
    queries.confirm("late_orders", "Tom Prescott", date(2026, 7, 1), INES)
    confirmed = queries.one("late_orders")
    assert (confirmed.verified_by, confirmed.verified_at) == ("Tom Prescott", date(2026, 7, 1))
    assert confirmed.parameters == QUERY.parameters
    queries.remove("late_orders", INES)
    assert queries.list_queries() == []


def test_an_unknown_name_is_refused_with_the_nearest_known_one(queries):
    queries.save(QUERY, INES)
    for call in (
        lambda: queries.one("late_order"),
        lambda: queries.remove("late_order", INES),
        lambda: queries.confirm("late_order", "Tom Prescott", date(2026, 7, 1), INES),
        lambda: queries.list_versions("late_order"),
    ):
        with pytest.raises(StoreError, match=r"'late_order'\. Did you mean late_orders\?"):
            call()


def test_a_key_changes_what_it_has_saved_and_nothing_else(queries):
    kept = queries.save(replace(QUERY, origin="file", key="ben"), ANA)
    assert (kept.key, kept.origin) == ("ana", "saved")
    queries.save(asking("What did Inès save?", "of_ines"), INES)
    for name in ("late_orders", "of_ines"):
        for call in (
            lambda name=name: queries.save(asking("?", name), BEN, replace=True),
            lambda name=name: queries.confirm(name, "ben", date(2026, 7, 1), BEN),
            lambda name=name: queries.remove(name, BEN),
        ):
            with pytest.raises(VerifiedQueryConflict, match=f"'{name}' was saved by somebody else"):
                call()
    assert queries.one("late_orders") == kept
    queries.save(replace(QUERY, sql="SELECT 2"), ANA, replace=True)
    queries.remove("late_orders", ANA)
    queries.save(QUERY, ANA)
    queries.save(QUERY, ADMIN, replace=True)
    assert queries.one("late_orders").key == "admin"
    with pytest.raises(VerifiedQueryConflict):
        queries.remove("late_orders", ANA)
    queries.remove("late_orders", INES)


@pytest.mark.parametrize("editor", [ANA, ADMIN, INES], ids=lambda editor: editor.name)
def test_nobody_saves_changes_or_removes_what_the_file_holds(queries, editor):
    loaded = replace(QUERY, origin="file")
    queries.load([loaded])
    for call in (
        lambda: queries.save(QUERY, editor, replace=True),
        lambda: queries.confirm("late_orders", "x", date(2026, 7, 1), editor),
        lambda: queries.remove("late_orders", editor),
    ):
        with pytest.raises(VerifiedQueryConflict, match="'late_orders' is of the file"):
            call()
    assert queries.list_queries() == [loaded]


@pytest.mark.parametrize(
    "question", ["Which orders are late?", " which  orders ARE\tlate ??", QUERY.question]
)
@pytest.mark.parametrize("origin", ["file", "saved"])
def test_a_question_that_another_query_asks_is_not_saved(queries, question, origin):
    if origin == "file":
        queries.load([replace(QUERY, origin="file")])
    else:
        queries.save(QUERY, ANA)
    for editor in (BEN, ADMIN, INES):
        with pytest.raises(VerifiedQueryConflict, match="'late_orders' answers this question"):
            queries.save(asking(question, "other"), editor, replace=True)
    queries.save(asking("Which orders are not late?", "other"), BEN)
    with pytest.raises(VerifiedQueryConflict):
        queries.save(asking(question, "other"), BEN, replace=True)


def test_two_that_save_one_question_at_once_do_not_both_succeed(queries, engine):
    work = """
from datetime import date
from stores.errors import VerifiedQueryConflict
from stores.verified_queries import Editor, VerifiedQueries, VerifiedQuery
queries = VerifiedQueries(engine)
for number in range(20):
    query = VerifiedQuery(
        f"{NAME}_{number}", f"Question {number}?", "SELECT 1", "en", NAME, date(2026, 1, 1)
    )
    try:
        queries.save(query, Editor(NAME, is_key=True, changes_all=False))
    except VerifiedQueryConflict:
        pass
"""
    processes = [
        in_another_process(engine, f"NAME = {name!r}\n{work}") for name in ("ana", "ben", "eve")
    ]
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert sorted(query.question for query in queries.list_queries()) == sorted(
        f"Question {number}?" for number in range(20)
    )


def test_what_was_saved_confirmed_and_removed_is_kept_with_who_did_it(queries):
    queries.save(QUERY, ANA)
    queries.save(replace(QUERY, sql="SELECT 2"), ADMIN, replace=True)
    queries.confirm("late_orders", "Inès Duarte", date(2026, 7, 1), INES)
    queries.remove("late_orders", INES)
    first, second, third, last = queries.list_versions("late_orders")
    assert first.query == replace(QUERY, key="ana")
    assert [(v.number, v.action, v.changed_by, v.by_key) for v in (first, second, third, last)] == [
        (1, "saved", "ana", True),
        (2, "saved", "admin", True),
        (3, "confirmed", "ines", False),
        (4, "removed", "ines", False),
    ]
    assert third.query == last.query
    assert (third.query.sql, third.query.verified_by) == ("SELECT 2", "Inès Duarte")
    queries.save(first.query, ANA)
    assert queries.one("late_orders") == first.query
    assert len(queries.list_versions("late_orders")) == 5


def test_versions_are_bounded_for_each_name_and_each_editor(queries, monkeypatch):
    monkeypatch.setattr("stores.verified_queries._VERSIONS_OF_NAME", 3)
    monkeypatch.setattr("stores.verified_queries._VERSIONS_OF_EDITOR", 8)
    queries.save(asking("Inès?", "of_ines"), INES)
    for number in range(5):
        queries.save(asking(f"{number}?", "often"), ANA, replace=True)
    assert [version.number for version in queries.list_versions("often")] == [3, 4, 5]
    for number in range(8):
        queries.save(asking(f"Question {number}", f"name_{number}"), ANA)
    with pytest.raises(StoreError, match="no verified query 'often'"):
        queries.list_versions("often")
    assert queries.one("often").question == "4?"
    assert len(queries.list_versions("of_ines")) == 1


def test_nobody_saves_more_than_so_many(queries, monkeypatch):
    monkeypatch.setattr("stores.verified_queries.MOST_SAVED", 2)
    for number in range(2):
        queries.save(asking(f"Question {number}", f"name_{number}"), ANA)
    with pytest.raises(VerifiedQueryConflict, match="ana has saved 2 verified queries"):
        queries.save(asking("One more?", "more"), ANA)
    queries.save(asking("Another instead?", "name_1"), ANA, replace=True)
    queries.save(asking("One more?", "more"), BEN)


def test_nobody_saves_more_than_so_many_characters(queries):
    long = f"SELECT '{'x' * 300_000}'"
    queries.save(asking("Is it long?", "long", sql=long), ANA)
    with pytest.raises(VerifiedQueryConflict, match="of ana would have more than 500,000 char"):
        queries.save(asking("Is it long too?", "long_too", sql=long), ANA)
    queries.save(asking("Is it long?", "long", sql=long), ANA, replace=True)
    queries.save(asking("Is it long too?", "long_too", sql=long), BEN)


def test_loading_follows_the_file_and_keeps_what_was_saved(queries):
    first, second = (replace(QUERY, name=name, origin="file") for name in ("first", "second"))
    queries.save(asking("Another?"), INES)
    assert queries.load([second, first]) == []
    assert [query.name for query in queries.list_queries()] == ["first", "second", "late_orders"]
    queries.load([replace(second, sql="SELECT 2")])
    assert {query.name: query.sql for query in queries.list_queries()} == {
        "late_orders": QUERY.sql,
        "second": "SELECT 2",
    }


def test_a_query_of_the_file_hides_a_saved_one_of_its_name_while_it_is_there(queries):
    saved = queries.save(QUERY, ANA)
    loaded = replace(QUERY, sql="SELECT 1", origin="file")
    assert queries.load([loaded]) == ["late_orders"]
    assert queries.load([loaded]) == ["late_orders"]
    assert queries.list_queries() == [loaded]
    queries.load([])
    assert queries.list_queries() == [saved]


def test_what_others_change_is_read_and_what_nobody_has_is_not_read_again(queries, engine):
    elsewhere = VerifiedQueries(engine)
    assert elsewhere.list_queries() == []
    kept = queries.save(QUERY, INES)
    assert elsewhere.list_queries() == [kept]
    read: list[str] = []
    sa.event.listen(engine, "before_cursor_execute", lambda *a: read.append(a[2]))
    assert elsewhere.list_queries() == [kept]
    assert [statement for statement in read if "parameters" in statement] == []
    queries.confirm("late_orders", "Tom Prescott", date(2026, 7, 1), INES)
    assert elsewhere.one("late_orders").verified_by == "Tom Prescott"
    queries.load([asking("Of the file?", "file", origin="file")])
    assert [query.name for query in elsewhere.list_queries()] == ["file", "late_orders"]
    queries.load([asking("Of the file anew?", "file", origin="file")])
    assert elsewhere.one("file").question == "Of the file anew?"
    queries.remove("late_orders", INES)
    assert [query.name for query in elsewhere.list_queries()] == ["file"]


def test_what_a_key_saved_before_queries_had_owners_is_its_own(engine):
    migrate(engine)
    with engine.begin() as connection:
        for statement in (
            "DROP TABLE kb_verified_query, kb_verified_query_version",
            "UPDATE kb_schema SET version = 8",
            "INSERT INTO kb_api_key (id, name, digest, scope) VALUES ('1', 'ana', '', 'write')",
        ):
            connection.exec_driver_sql(statement)
    folder = Path(__file__).parents[2] / "stores" / "sql" / "migrations"
    run_script(engine, (folder / "0004_verified_queries.sql").read_text("utf-8"))
    with engine.begin() as connection:
        for name in ("ana", "Inès"):
            connection.execute(
                sa.text(
                    "INSERT INTO kb_verified_query VALUES (CONCAT('of_', :name), 'saved', '?', "
                    "'en', '[]', 'SELECT 1', '{}', '{}', '{}', :name, '2026-06-12')"
                ),
                {"name": name},
            )
    for _ in range(2):  # as after a migration that was broken off
        with engine.begin() as connection:
            connection.exec_driver_sql("UPDATE kb_schema SET version = 8")
        migrate(engine)
    queries = VerifiedQueries(engine)
    assert {query.name: query.key for query in queries.list_queries()} == {
        "of_Inès": None,
        "of_ana": "ana",
    }
    [version] = queries.list_versions("of_ana")
    assert (version.changed_by, version.by_key, version.query) == (
        "ana",
        True,
        queries.one("of_ana"),
    )


def test_loading_the_same_again_writes_nothing(queries, engine):
    loaded = replace(QUERY, origin="file")
    queries.load([loaded])
    written: list[str] = []
    sa.event.listen(engine, "before_cursor_execute", lambda *a: written.append(a[2]))
    queries.load([loaded])
    assert [statement.split()[0] for statement in written] == ["SELECT"]
