"""Questions to the business tables, from the command line and from Python, over both protocols."""

import json
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
import yaml
from model_server import SERVER_ERROR, FakeModels
from typer.testing import CliRunner, Result

from kb import KnowledgeBase
from kb.cli import app
from stores.connection import make_engine
from stores.private_server import PrivateServer

SQL = "SELECT id, total, ordered_on FROM orders ORDER BY id"
QUESTION = "Which orders are there?"


@pytest.fixture
def models() -> Iterator[FakeModels]:
    with FakeModels() as models:
        yield models


@pytest.fixture
def settings(engine: sa.Engine, models: FakeModels) -> dict[str, dict[str, Any]]:
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE orders (id INT, total DECIMAL(8,2), ordered_on DATE)"
        )
        connection.exec_driver_sql(
            "INSERT INTO orders VALUES (1, 9.90, '2026-01-31'), (2, 5, NULL)"
        )
    model = {"provider": "openai-like", "base_url": models.openai_url, "model": "fake"}
    return {
        "database": {"url": engine.url.render_as_string(hide_password=False)},
        "embedding": model,
        "llm": model,
        "tables": {"url": "embedded", "database": engine.url.database, "include": ["orders"]},
    }


@pytest.fixture
def config(
    settings: dict[str, Any], server: PrivateServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """Its private server is the one of the tests; the account it makes there goes afterwards."""
    monkeypatch.setenv("KB_HOME", str(server.status().data_directory.parent))
    yield write(tmp_path, settings)
    admin = make_engine(server.url("mysql"))
    with admin.begin() as connection:
        names = "SELECT user FROM user WHERE user LIKE 'kb\\_reader\\_%%'"
        for name in connection.exec_driver_sql(names).scalars().all():
            connection.exec_driver_sql(f"DROP USER {name}@localhost")
    admin.dispose()


def write(folder: Path, settings: dict[str, Any]) -> Path:
    path = folder / f"{uuid4().hex[:8]}.yaml"
    path.write_text(yaml.safe_dump(settings), "utf-8")
    return path


@pytest.fixture
def kb(config: Path, models: FakeModels) -> Callable[..., Result]:
    """A command in this process whose model gives these replies."""
    CliRunner().invoke(app, ["--config", str(config), "status"])  # embeds once, to measure

    def kb(*arguments: str, replies: tuple[Any, ...] = ()) -> Result:
        models.script = list(replies)
        return CliRunner().invoke(app, ["--config", str(config), *arguments])

    return kb


def test_kb_sql_shows_answer_statement_and_rows(kb):
    result = kb("sql", QUESTION, replies=(f"```sql\n{SQL};\n```", "There are two."))
    assert result.exit_code == 0
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[:3] == [["There", "are", "two."], [], SQL.split()]
    assert ["1", "9.90", "2026-01-31"] in lines
    assert "Written by fake" in result.stdout


def test_kb_sql_prints_json_without_loss(kb):
    answer = json.loads(kb("sql", QUESTION, "--json", replies=(SQL, "Two.")).stdout)
    assert (answer["answer"], answer["sql"], answer["route"]) == ("Two.", SQL, "database")
    assert answer["columns"] == ["id", "total", "ordered_on"]
    assert answer["rows"] == [[1, "9.90", "2026-01-31"], [2, "5.00", None]]
    assert (answer["truncated"], answer["errors"], answer["citations"]) == (False, {}, [])


def test_a_dry_run_prints_the_statement_alone(kb, models):
    result = kb("sql", QUESTION, "--dry-run", replies=(SQL,))
    assert (result.exit_code, result.stdout) == (0, f"{SQL}\n")
    answer = json.loads(kb("sql", QUESTION, "--dry-run", "--json", replies=(SQL,)).stdout)
    assert (answer["sql"], answer["rows"]) == (SQL, [])


@pytest.mark.parametrize("command", [("sql",), ("ask", "--source", "database")])
def test_a_failure_is_said_and_ends_with_1(kb, command):
    result = kb(*command, QUESTION, replies=("DROP TABLE orders",) * 3)
    assert result.exit_code == 1
    assert "begins with DROP" in result.stdout
    assert "database could not answer" in result.stdout


def test_kb_ask_asks_the_database_when_told(kb):
    result = kb("ask", QUESTION, "--source", "database", replies=(SQL, "There are two."))
    assert result.exit_code == 0
    assert "There are two." in result.stdout
    assert SQL in result.stdout


def test_a_model_that_fails_is_named(kb):
    result = kb("sql", QUESTION, replies=(SERVER_ERROR,) * 5)
    assert result.exit_code == 1
    assert "Writing SQL failed: the LLM fake" in result.stderr


def test_without_a_model_or_tables_it_says_what_to_set(tmp_path, settings, config):
    for section, words in (("llm", "llm.provider is none"), ("tables", "tables.include")):
        path = write(tmp_path, {**settings, section: {}})
        result = CliRunner().invoke(app, ["--config", str(path), "sql", QUESTION])
        assert result.exit_code == 1
        assert words in result.stderr


@pytest.mark.parametrize("protocol", ["openai-like", "ollama"])
async def test_python_asks_sync_async_and_streaming_over_both_protocols(
    tmp_path, settings, config, models, protocol
):
    url = models.openai_url if protocol == "openai-like" else models.url
    llm = {"provider": protocol, "base_url": url, "model": "fake"}
    with KnowledgeBase.open(write(tmp_path, {**settings, "llm": llm})) as knowledge_base:
        models.script = [SQL, "Two."] * 3
        response = knowledge_base.ask(QUESTION, source="database")
        assert str(response) == "Two."
        assert response.metadata["rows"] == [
            [1, Decimal("9.90"), date(2026, 1, 31)],
            [2, Decimal("5.00"), None],
        ]
        assert str(await knowledge_base.query_engine("database").aquery(QUESTION)) == "Two."
        streaming = knowledge_base.query_engine("database", streaming=True)
        assert "".join(streaming.query(QUESTION).response_gen) == "Two."
