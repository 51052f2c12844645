"""Asking begins no knowledge base: a mistyped name of a database is said, and nothing is made."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
import yaml
from typer.testing import CliRunner, Result

from kb.cli import app
from stores.private_server import PrivateServer
from stores.registry.schema import migrate


@pytest.fixture
def config(
    server: PrivateServer, engine: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """One that names a database beside the one that a knowledge base is in."""
    migrate(engine)
    monkeypatch.setenv("KB_HOME", str(server.status().data_directory.parent))
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({"database": {"name": "kb_mistyped"}}), "utf-8")
    yield path
    with engine.connect() as connection:
        made = "SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name='kb_mistyped'"
        assert connection.exec_driver_sql(made).scalar() == 0


def run(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["--config", str(config), *arguments])


@pytest.mark.parametrize(
    "command", [("status",), ("ask", "How long?"), ("search", "long"), ("chat",)]
)
def test_a_mistyped_name_is_said_with_those_that_are_there(config, engine, command):
    result = run(config, *command)
    assert result.exit_code == 1
    assert "There is no knowledge base in the database kb_mistyped" in result.stderr
    assert str(engine.url.database) in result.stderr
    assert "Correct database.name" in result.stderr
    assert "filter" not in result.output


def test_an_empty_database_of_another_server_stays_empty(config, database, engine):
    url = database.set(database="information_schema").render_as_string(hide_password=False)
    config.write_text(yaml.safe_dump({"database": {"url": url}}), "utf-8")
    result = run(config, "search", "x")
    assert (result.exit_code, "Correct database.url" in result.stderr) == (1, True)


def test_a_knowledge_base_of_nothing_says_so(config, engine):
    url = engine.url.render_as_string(hide_password=False)
    config.write_text(yaml.safe_dump({"database": {"url": url}}), "utf-8")
    assert "Nothing is indexed yet: `kb index PATH`" in run(config, "search", "long").stderr
    assert "nothing is indexed yet, or no document passes" in run(config, "ask", "long?").stdout
