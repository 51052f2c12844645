"""The gold statements of the foreign domains run on their tables, and each finds something."""

from pathlib import Path

import pytest
import sqlalchemy as sa
import yaml

DOMAINS = Path(__file__).parents[2] / "benchmarks" / "domains"
NAMES = sorted(path.parent.name for path in DOMAINS.glob("*/questions.yaml"))


@pytest.mark.parametrize("name", NAMES)
def test_every_gold_statement_finds_rows(engine: sa.Engine, name: str):
    folder = DOMAINS / name
    with engine.begin() as connection:
        for statement in (folder / "tables.sql").read_text("utf-8").split(";\n"):
            if statement.strip():
                connection.exec_driver_sql(statement)
    items = [
        item
        for file in ("questions", "dialogues")
        for item in yaml.safe_load((folder / f"{file}.yaml").read_text("utf-8"))
        if "sql" in item
    ]
    with engine.connect() as connection:
        found = {item["id"]: connection.exec_driver_sql(item["sql"]).all() for item in items}
    assert len(found) >= 20
    empty = [name for name, rows in found.items() if not any(map(any, rows))]
    assert empty == [], "a wrong answer could not be told from a right one"
