"""Columns that are not there for somebody: in no statement, schema, name or verified query."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from fake_models import HashEmbedding

from engines.tables.entities import EntityIndex
from engines.tables.guarded_database import GuardedDatabase
from kb import KnowledgeBase, load_config
from kb.config.sections import Config
from stores.caches.cache import Cache
from stores.caches.process_place import ProcessPlace
from stores.errors import ConfigError, QueryFailed, UnsafeQuery

HIDDEN = {"staff": ["pay", "boss of"]}
ROWS = [(1, "Ana", 7), (2, "Bo", 7)]


@pytest.fixture
def tables(engine: sa.Engine) -> sa.Engine:
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE staff (id INT PRIMARY KEY, pay VARCHAR(9) COMMENT 'secret', "
            "name VARCHAR(9), `boss of` INT, team INT, KEY of_pay (pay), KEY of_team (team, pay))"
        )
        connection.exec_driver_sql(
            "CREATE TABLE teams (id INT PRIMARY KEY, pay INT, head VARCHAR(9), "
            "FOREIGN KEY (head) REFERENCES staff (pay))"
        )
        connection.exec_driver_sql(
            "INSERT INTO staff VALUES (1, 'canary', 'Ana', 2, 7), (2, 'canary2', 'Bo', NULL, 7)"
        )
        connection.exec_driver_sql("INSERT INTO teams VALUES (7, 40, 'canary')")
    return engine


@pytest.fixture
def guarded(tables: sa.Engine) -> GuardedDatabase:
    return GuardedDatabase(tables, ["staff", "teams"], hidden_columns=HIDDEN)


def test_all_columns_are_all_that_are_shown(guarded):
    found = guarded.run("SELECT * FROM staff ORDER BY id")
    assert found.columns == ("id", "name", "team")
    assert found.rows == ROWS


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT s.* FROM staff AS s WHERE id = 2", [ROWS[1]]),
        ("SELECT * FROM `staff` LIMIT 1;", [ROWS[0]]),
        ("/* all */ SELECT * FROM staff WHERE name = 'Ana' -- first", [ROWS[0]]),
        ("(SELECT * FROM staff) UNION (SELECT * FROM staff) ORDER BY id", ROWS),
        ("SELECT * FROM staff NATURAL JOIN staff AS s ORDER BY id", ROWS),
        ("SELECT COUNT(*) FROM staff", [(2,)]),
        ("SELECT teams.pay FROM staff JOIN teams ON team = teams.id WHERE name = 'Bo'", [(40,)]),
        ("SELECT * FROM (SELECT * FROM staff) AS s ORDER BY id", ROWS),
        ("WITH s AS (SELECT * FROM staff) SELECT * FROM s ORDER BY id", ROWS),
        (
            " with  s as (SELECT * FROM staff), t as (SELECT * FROM s) SELECT COUNT(*) FROM t",
            [(2,)],
        ),
        (
            (
                "WITH RECURSIVE n AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM n WHERE x < 2) "
                "SELECT staff.* FROM staff JOIN n ON x = staff.id ORDER BY x"
            ),
            ROWS,
        ),
        ("SELECT EXISTS (SELECT * FROM staff WHERE name = 'Ana')", [(1,)]),
        ("SELECT staff.name FROM staff GROUP BY staff.name WITH ROLLUP LIMIT 1", [("Ana",)]),
        ("SELECT name FROM staff WHERE name = :name", [("Bo",)]),
        ("SELECT 'staff'", [("staff",)]),
    ],
)
def test_statements_run_as_if_the_rest_were_not_there(guarded, sql, rows):
    values = {"name": "Bo"} if ":name" in sql else None
    assert guarded.run(sql, values).rows == rows


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT pay FROM staff",
        "SELECT staff.pay FROM staff",
        "SELECT PAY FROM staff",
        "SELECT `pay` FROM `staff`",
        "SELECT `boss of` FROM staff",
        "SELECT name FROM staff WHERE pay = 'canary'",
        "SELECT name FROM staff ORDER BY pay",
        "SELECT COUNT(*) FROM staff GROUP BY pay",
        "SELECT COUNT(*) FROM staff HAVING MAX(pay) > 1",
        "SELECT (SELECT MAX(pay) FROM staff)",
        "SELECT 1 FROM teams JOIN staff ON staff.pay = teams.head",
        "SELECT 1 FROM staff JOIN staff AS s USING (pay)",
        "SELECT 1 UNION SELECT pay FROM staff",
        "WITH s AS (SELECT pay FROM staff) SELECT * FROM s",
        "SELECT name FROM staff WHERE EXISTS (SELECT 1 FROM teams WHERE teams.head = staff.pay)",
        "SELECT ROW_NUMBER() OVER (ORDER BY pay) FROM staff",
        "SELECT p\u0430y FROM staff",
        "SELECT p\u00e1y FROM staff",
    ],
)
def test_a_hidden_column_is_unknown(guarded, sql):
    with pytest.raises((QueryFailed, UnsafeQuery)) as raised:
        guarded.run(sql)
    assert "canary" not in str(raised.value)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM {database}.staff",
        "SELECT * FROM `{database}`.`staff`",
        "SELECT * FROM STAFF",
        "SELECT * FROM (WITH s AS (SELECT * FROM staff) SELECT * FROM s) AS q",
        "SELECT (WITH s AS (SELECT pay FROM staff) SELECT MAX(pay) FROM s)",
        (
            "WITH a AS (SELECT * FROM (WITH b AS (SELECT * FROM staff) SELECT * FROM b) AS q) "
            "SELECT * FROM a"
        ),
        "WITH a AS (WITH b AS (SELECT * FROM staff) SELECT * FROM b) SELECT * FROM a",
        "SELECT 1 IN (WITH s AS (SELECT pay FROM staff) SELECT pay FROM s)",
        "WITH staff AS (SELECT * FROM staff) SELECT * FROM staff",
        "WITH RECURSIVE staff AS (SELECT * FROM staff) SELECT * FROM staff",
        "EXPLAIN SELECT * FROM staff",
        "EXPLAIN FORMAT=JSON SELECT * FROM staff",
        "SELECT * FROM staff USE INDEX (of_pay)",
        "SELECT * FROM teams; SELECT * FROM staff",
        "SELECT * FROM information_schema.columns",
        (
            "SELECT * FROM (SELECT * FROM staff UNION (WITH s AS (SELECT * FROM staff) "
            "SELECT * FROM s)) AS q"
        ),
    ],
)
def test_nothing_reaches_behind_the_columns_that_are_shown(guarded, tables, sql):
    with pytest.raises((QueryFailed, UnsafeQuery)) as raised:
        guarded.run(sql.format(database=tables.url.database))
    assert "canary" not in str(raised.value)


def test_a_column_that_is_added_later_is_not_shown(guarded, tables):
    with tables.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE staff ADD COLUMN bonus INT DEFAULT 99 FIRST")
    assert guarded.run("SELECT * FROM staff ORDER BY id").rows == ROWS


def test_no_description_or_name_is_of_a_hidden_column(guarded):
    text = guarded.get_single_table_info("staff")
    assert "Ana" in text
    [outlined] = [line for line in guarded.outline().splitlines() if "- staff" in line]
    for told in (text, outlined, guarded.describe_columns("SELECT * FROM staff")):
        assert "name" in told
        assert not any(word in told for word in ("pay", "boss", "canary", "secret"))
    teams = guarded.get_single_table_info("teams")
    assert "refers to" not in teams
    assert "pay" in teams
    assert EntityIndex(guarded).in_text("Who earns canary?") == []
    assert guarded.text_columns("staff", 50) == ["name"]


def test_rows_that_were_kept_for_others_stay_theirs(tables):
    kept = Cache("rows", ProcessPlace(10**6, 60))
    whole = GuardedDatabase(tables, ["staff"], known_rows=kept)
    part = GuardedDatabase(tables, ["staff"], known_rows=kept, hidden_columns=HIDDEN)
    sql = "SELECT * FROM staff ORDER BY id"
    assert len(whole.run(sql).columns) == 5
    assert part.run(sql).rows == ROWS
    assert len(whole.run(sql).columns) == 5
    assert kept.hits == 1


@pytest.fixture
def configured(tables: sa.Engine, tmp_path: Path) -> Callable[..., Config]:
    def configured(*rules: dict[str, Any]) -> Config:
        url = tables.url.render_as_string(hide_password=False)
        told = {"staff.pay": "What they earn", "staff.name": "Who"}
        verified = tmp_path / "verified.yaml"
        queries = {
            "pays": ("What does Ana earn?", "SELECT pay FROM staff WHERE name = 'Ana'"),
            "names": ("Who works here?", "SELECT name FROM staff"),
        }
        by = {"verified_by": "me", "verified_at": "2026-01-01"}
        verified.write_text(
            json.dumps(
                [
                    {"name": name, "question": question, "sql": sql, **by}
                    for name, (question, sql) in queries.items()
                ]
            )
        )
        return Config.model_validate(
            {
                "database": {"url": url},
                "tables": {
                    "url": url,
                    "include": ["staff", "teams"],
                    "descriptions": told,
                    "verified_queries": verified,
                    "allow_powerful_account": True,
                },
                "access": {"tables": rules},
            }
        )

    return configured


def test_each_group_sees_the_columns_that_its_rules_give(configured, monkeypatch):
    rules = [
        {"table": "staff", "columns": ["pay", "boss of"], "groups": ["hr"]},
        {"table": "staff", "columns": ["boss of"], "groups": ["leads"]},
        {"table": "teams", "groups": ["hr"]},
    ]
    monkeypatch.setattr("kb.assembly.components.make_embedder", lambda _: HashEmbedding())
    with KnowledgeBase.open(configured(*rules)) as kb:
        shown = {}
        for groups in ([], ["leads"], ["hr"]):
            seen = kb.seen_by(groups).components
            shown[tuple(groups)] = seen.tables.run("SELECT * FROM staff").columns
            names = [query.name for query in seen.verified_queries]
            assert names == (["names", "pays"] if groups == ["hr"] else ["names"])
            assert ("staff.pay" in seen.config.tables.descriptions) is (groups == ["hr"])
            assert ("teams" in seen.config.tables.include) is (groups == ["hr"])
        assert shown == {
            (): ("id", "name", "team"),
            ("leads",): ("id", "name", "boss of", "team"),
            ("hr",): ("id", "pay", "name", "boss of", "team"),
        }
        assert len(kb.components.tables.run("SELECT * FROM staff").columns) == 5


def test_a_rule_about_a_column_that_there_is_not_is_refused(configured, monkeypatch):
    monkeypatch.setattr("kb.assembly.components.make_embedder", lambda _: HashEmbedding())
    rule = {"table": "staff", "columns": ["Pay"], "groups": ["hr"]}
    with KnowledgeBase.open(configured(rule)) as kb:
        for groups in (["hr"], []):
            with pytest.raises(ConfigError, match="the column 'Pay' of staff, which has id, pay"):
                kb.seen_by(groups).components.tables.run("SELECT 1")


def test_a_rule_about_columns_of_another_database_is_refused(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(
        "tables: {include: [crm.contacts]}\n"
        "access: {tables: [{table: crm.contacts, columns: [phone], groups: [hr]}]}\n"
    )
    with pytest.raises(ConfigError, match="Make a view without its columns phone"):
        load_config(file)
