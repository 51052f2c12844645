"""Tables that are configured and cannot be asked: it is said first, and nothing stands in for them.

The phone list has every word of the questions for the tables, and must not answer them.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml
from llama_index.core.base.response.schema import StreamingResponse
from model_server import FakeModels
from typer.testing import CliRunner, Result

from kb import KnowledgeBase
from kb.cli import app
from stores.private_server import PrivateServer

DOCUMENTS = {
    "returns.md": "# Returns\n\nA customer can send a kettle back within 30 days of delivery.\n",
    "phones.md": "# Phones\n\nCountry codes: France 33, Germany 49, 12 of them in all.\n",
}
FOR_TABLES = "How many orders did customers in France place?"
FOR_DOCUMENTS = "Within how many days of delivery can a kettle be sent back?"
SAVED = "How many orders were placed in 2025?"
FIRST = "The tables could not be asked"


@pytest.fixture
def models() -> Iterator[FakeModels]:
    with FakeModels() as models:
        yield models


@pytest.fixture
def away(
    engine: sa.Engine, server: PrivateServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Path]:
    """A configuration of a shop whose tables cannot be asked, for the reason that is given."""
    monkeypatch.setenv("KB_HOME", str(server.status().data_directory.parent))
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE orders (id INT, placed_on DATE)")
        connection.exec_driver_sql("CREATE TABLE customers (id INT, country CHAR(2))")
    (tmp_path / "papers").mkdir()
    for name, text in DOCUMENTS.items():
        (tmp_path / "papers" / name).write_text(text, "utf-8")

    def configure(tables: dict[str, Any], **more: Any) -> Path:
        path = tmp_path / "config.yaml"
        sections = {
            "database": {"url": engine.url.render_as_string(hide_password=False)},
            "documents": {"path": "papers"},
            "tables": {
                "database": engine.url.database,
                "include": ["orders", "customers"],
                **tables,
            },
            **more,
        }
        path.write_text(yaml.safe_dump(sections), "utf-8")
        assert run(path, "index").exit_code == 0
        return path

    return configure


def run(config: Path, *arguments: str, **options: Any) -> Result:
    return CliRunner().invoke(app, ["--config", str(config), *arguments], **options)


def ask(config: Path, question: str) -> dict[str, Any]:
    asked = run(config, "ask", question, "--json")
    assert asked.exit_code == 3, asked.output
    answer: dict[str, Any] = json.loads(asked.stdout)
    assert answer["answer"].startswith(FIRST)
    return answer


NOWHERE = "mariadb+mariadbconnector://kb:wrong@127.0.0.1:1/shop"


@pytest.mark.parametrize(
    ("tables", "reason"),
    [
        (
            {"include": ["order", "customers"]},
            "shows no table order; it shows customers, kb_access_rules, kb_answer_log, orders and",
        ),
        ({"database": "nowhere"}, "The database nowhere shows no table"),
        ({"verified_queries": "gone.yaml"}, "gone.yaml, which is not there"),
        ({"url": NOWHERE}, "is tables.url right?"),
    ],
)
def test_whatever_is_wrong_is_said_first_and_documents_answer_what_is_theirs(away, tables, reason):
    config = away(tables)
    told = ask(config, FOR_TABLES)
    assert reason in told["errors"]["database"]
    assert (told["route"], told["citations"]) == ("database", [])
    answered = ask(config, FOR_DOCUMENTS)
    assert answered["route"] == "documents"
    assert "30 days" in answered["answer"]
    assert reason in answered["errors"]["database"]


def test_tables_that_are_asked_for_and_not_configured_have_failed(away):
    config = away({"include": []})
    for command in (("ask", FOR_TABLES, "--source", "database"), ("sql", FOR_TABLES)):
        asked = run(config, *command)
        assert (asked.exit_code, asked.stdout) == (1, "")
        assert "No table may be asked. Name some in tables.include" in asked.stderr
    joined = run(config, "ask", FOR_DOCUMENTS, "--source", "both", "--json")
    assert joined.exit_code == 3
    assert "No table may be asked" in json.loads(joined.stdout)["errors"]["database"]


def test_a_wrong_password_is_said_first(away, engine):
    config = away({"url": engine.url.set(password="wrong").render_as_string(hide_password=False)})
    told = ask(config, FOR_TABLES)
    assert "tables.url was refused" in told["errors"]["database"]
    assert "wrong" not in json.dumps(told)


def test_the_command_line_says_the_reason_before_the_answer(away):
    config = away({"include": ["order"]})
    for question in (FOR_TABLES, FOR_DOCUMENTS):
        shown = run(config, "ask", question)
        assert shown.exit_code == 3
        assert shown.stdout.startswith("database could not answer: The database ")
        assert shown.stdout.index("shows no table order") < shown.stdout.index(FIRST)
    shown = run(config, "chat", input=f"{FOR_TABLES}\n{FOR_DOCUMENTS}\n")
    assert shown.exit_code == 3
    assert shown.stdout.startswith(FIRST)
    assert "France 33" not in shown.stdout.partition(FIRST)[2].partition(FIRST)[0]
    assert run(config, "ask", FOR_DOCUMENTS, "--source", "documents").exit_code == 0


def test_a_question_that_is_verified_is_one_for_the_tables(away, engine):
    config = away({})
    sql = "SELECT COUNT(*) AS orders FROM orders WHERE YEAR(placed_on) = :year"
    options = ("--save", "--parameter", "year=2025", "--sql", sql)
    assert run(config, "sql", SAVED, *options).exit_code == 0
    with engine.begin() as connection:
        connection.exec_driver_sql("RENAME TABLE orders TO moved")
    told = ask(config, "How many orders were placed in 2024?")
    assert told["route"] == "database"
    assert "a verified query answers it" in told["route_reason"]


def test_a_model_is_asked_what_is_in_doubt(away, models):
    llm = {"provider": "openai-like", "base_url": models.openai_url, "model": "fake"}
    config = away({"include": ["order"], "descriptions": {"order": "what is sold"}}, llm=llm)
    models.script = [json.dumps({"route": "database", "reason": "It asks for a count."})]
    told = ask(config, "How much of it is there?")
    assert (told["route"], told["citations"]) == ("database", [])
    assert "Table order: what is sold" in json.dumps(models.requests[-1].body)
    models.script = [json.dumps({"route": "both", "reason": "Who knows."}), "30 days [1]."]
    answered = ask(config, "How much of it is there?")
    assert answered["route"] == "documents"
    assert "\n\n30 days [1]." in answered["answer"]


def test_from_python_it_is_in_the_metadata_also_while_the_answer_streams(away):
    with KnowledgeBase.open(away({"include": ["order"]})) as knowledge:
        response = knowledge.query_engine(streaming=True).query(FOR_DOCUMENTS)
        assert isinstance(response, StreamingResponse)
        assert "shows no table order" in response.metadata["errors"]["database"]
        assert "".join(response.response_gen).startswith(FIRST)


def test_a_french_question_is_told_in_french(away):
    config = away({"include": ["order"]})
    shown = run(config, "ask", "Sous combien de jours peut-on renvoyer une bouilloire ?", "--json")
    assert json.loads(shown.stdout)["answer"].startswith("Les tables n'ont pas pu être interrogées")
