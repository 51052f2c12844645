"""Questions whose source kb chooses, by a scripted model, on the command line and from Python."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml
from llama_index.core.base.response.schema import AsyncStreamingResponse, StreamingResponse
from model_server import HANG, SERVER_ERROR, FakeModels, Fault
from typer.testing import CliRunner, Result

from kb import ConfigError, KnowledgeBase, ModelUnavailable
from kb.cli import app
from kb.config.loading import load_config
from kb.sentence_model import fetch
from stores.connection import make_engine
from stores.private_server import PrivateServer

SCHEMA = """
CREATE TABLE customers (id INT PRIMARY KEY, name VARCHAR(80)) COMMENT 'who buys';
CREATE TABLE orders (id INT PRIMARY KEY, customer_id INT, total DECIMAL(8,2));
INSERT INTO customers VALUES (1, 'Atelier Nord'), (2, 'Kiln & Crumb');
INSERT INTO orders VALUES (1, 1, 90), (2, 2, 50)"""
DOCUMENTS = {
    "returns.md": "# Returns\n\nA customer can send a kettle back within 30 days of delivery.\n",
    "ticket-1.md": "# Ticket 1\n\nAtelier Nord complains that its parcels arrive dented.\n",
    "ticket-2.md": "# Ticket 2\n\nBakery South complains about the long wait on the phone.\n",
}
SUM = "SELECT SUM(total) AS revenue FROM orders"
BEST = (
    "SELECT name FROM customers JOIN orders ON customer_id = customers.id "
    "ORDER BY total DESC LIMIT 1"
)
DATABASE = json.dumps({"route": "database", "reason": "It asks for a sum."})
BOTH = json.dumps({"route": "both", "reason": "It asks for two things."})
IN_TURN = json.dumps(
    {
        "route": "both",
        "reason": "The tables know who.",
        "first": "database",
        "documents_question": "What does the customer complain about?",
        "database_question": "Who is our best customer?",
    }
)


@pytest.fixture
def models() -> Iterator[FakeModels]:
    with FakeModels() as models:
        yield models


@pytest.fixture
def settings(engine: sa.Engine, models: FakeModels, tmp_path: Path) -> dict[str, dict[str, Any]]:
    with engine.begin() as connection:
        for statement in SCHEMA.split(";\n"):
            connection.exec_driver_sql(statement)
    (tmp_path / "papers").mkdir()
    for name, text in DOCUMENTS.items():
        (tmp_path / "papers" / name).write_text(text, "utf-8")
    return {
        "database": {"url": engine.url.render_as_string(hide_password=False)},
        "documents": {"path": "papers"},
        "llm": {"provider": "openai-like", "base_url": models.openai_url, "model": "fake"},
        "tables": {"database": engine.url.database, "include": ["customers", "orders"]},
    }


@pytest.fixture
def configured(
    settings: dict[str, Any], server: PrivateServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Path]]:
    """A configuration with these changes; the tables are on the private server of the tests."""
    monkeypatch.setenv("KB_HOME", str(server.status().data_directory.parent))

    def configured(**changes: Any) -> Path:
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump({**settings, **changes}), "utf-8")
        fetch(load_config(path).cache, print)
        return path

    yield configured
    drop_readers(server)


def drop_readers(server: PrivateServer) -> None:
    admin = make_engine(server.url("mysql"))
    with admin.begin() as connection:
        names = "SELECT user FROM user WHERE user LIKE 'kb\\_reader\\_%%'"
        for name in connection.exec_driver_sql(names).scalars().all():
            connection.exec_driver_sql(f"DROP USER {name}@localhost")
    admin.dispose()


@pytest.fixture
def knowledge(configured: Callable[..., Path], models: FakeModels) -> Iterator[KnowledgeBase]:
    with KnowledgeBase.open(configured()) as knowledge:
        assert knowledge.index().failed == []
        yield knowledge


def run(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["--config", str(config), *arguments])


def test_a_model_sends_a_question_to_the_tables(knowledge, models):
    models.script = [DATABASE, SUM, "We earned 140."]
    answer = knowledge.ask("What did we earn?")
    assert str(answer) == "We earned 140."
    assert answer.metadata["route"] == "database"
    assert answer.metadata["route_reason"] == "It asks for a sum."
    assert answer.metadata["rows"] == [[Decimal(140)]]
    assert next(iter(answer.metadata["timings"])) == "route"
    told = json.dumps(models.requests[-3].body)
    assert "customers (id, name): who buys" in told
    assert "Atelier" not in told


async def test_it_streams_whatever_the_route(knowledge, models):
    for source, replies in (
        ("auto", ["30 days [1]."]),
        ("both", [BOTH, SUM, "140 [tables], 30 days [1]."]),
    ):
        engine = knowledge.query_engine(source, streaming=True)
        models.script = list(replies)
        response = engine.query("How long can a kettle be returned?")
        assert isinstance(response, StreamingResponse)
        assert "".join(response.response_gen) == replies[-1]
        assert response.metadata["citations"][0]["number"] == 1
        models.script = list(replies)
        response = await engine.aquery("How long can a kettle be returned?")
        assert isinstance(response, AsyncStreamingResponse)
        assert "".join([piece async for piece in response.async_response_gen()]) == replies[-1]
        assert response.metadata["route"] == ("documents" if source == "auto" else "both")


def test_rows_steer_the_search_of_the_documents(knowledge, models):
    models.script = [IN_TURN, BEST, "Dented parcels [1]."]
    answer = knowledge.ask("What does our best customer complain about?")
    assert [each["document"] for each in answer.metadata["citations"]] == ["ticket-1.md"]
    assert answer.metadata["names"] == ["Atelier Nord"]
    written = [json.dumps(request.body) for request in models.requests]
    assert "Who is our best customer?" in written[-2]
    assert "Bakery South" not in written[-1]


def test_a_source_that_is_asked_for_is_asked(knowledge, models):
    models.script = ["30 days [1]."]
    answer = knowledge.ask("How long can a kettle be returned?", source="documents")
    assert (answer.metadata["route"], len(models.requests)) == ("documents", 1)
    models.script = [SUM, "140"]
    assert knowledge.ask("What did we earn?", source="database").metadata["sql"] == SUM
    models.script = [BOTH, SUM, "140 [tables], 30 days [1]."]
    answer = knowledge.ask("How much, and how long?", source="both")
    assert answer.metadata["route_reason"] == "documents and database were asked for"
    with pytest.raises(ConfigError, match="no source 'web'"):
        knowledge.ask("How long?", source="web")


def test_without_the_model_quotes_and_verified_queries_answer_and_say_so(configured, models):
    config = configured()
    run(config, "index")
    assert run(config, "sql", "What was our revenue?", "--save", "--sql", SUM).exit_code == 0
    models.script = [SERVER_ERROR] * 40
    verified = run(config, "ask", "What was our revenue?")  # no model is asked for it
    assert (verified.exit_code, "revenue: 140.00" in verified.stdout) == (0, True)
    quoted = run(config, "ask", "How long can a customer send a kettle back?")
    assert quoted.exit_code == 3
    assert quoted.stdout.startswith("model could not answer: ")
    assert "The language model does not answer, so this is without it" in quoted.stdout
    assert "within 30 days of delivery" in quoted.stdout
    answer = json.loads(run(config, "ask", "Which customers have orders?", "--json").stdout)
    assert answer["route"] != "documents"
    assert "HTTP 500" in answer["errors"]["model"]


def test_an_embedding_model_that_is_away_has_no_substitute(configured, models):
    embedding = {"provider": "openai-like", "base_url": models.openai_url, "model": "fake"}
    with KnowledgeBase.open(configured(embedding=embedding)) as knowledge:
        knowledge.index()
        models.script = [SERVER_ERROR] * 40
        with pytest.raises(ModelUnavailable, match="Embedding the question failed"):
            knowledge.ask("How long can a customer send a kettle back?", source="documents")


def test_the_command_line_says_where_the_answer_is_from(configured, models):
    config = configured()
    assert run(config, "index").exit_code == 0
    models.script = [IN_TURN, BEST, "Dented parcels [1]."]
    shown = run(config, "ask", "What does our best customer complain about?")
    assert shown.exit_code == 0, shown.output
    flat = " ".join(shown.stdout.split())
    assert "Route: both (The tables know who.)" in flat
    assert "The tables were asked first, and the documents searched for Atelier Nord." in flat
    assert BEST in flat
    assert "ticket-1.md" in flat


def test_half_an_answer_has_an_exit_code_of_its_own(configured, models):
    config = configured(tables={"database": "nowhere", "include": ["orders"]})
    run(config, "index")
    models.script = [BOTH, "30 days [1]."]
    shown = run(config, "ask", "How much, and how long?", "--source", "both")
    assert shown.exit_code == 3
    assert "30 days [1]." in shown.stdout
    assert "The tables could not be asked: The database nowhere shows no table orders" in " ".join(
        shown.stdout.split()
    )
    models.script = ["30 days [1]."]
    answer = json.loads(run(config, "ask", "How long?", "--json").stdout)
    assert answer["route"] == "documents"
    assert "no tables can be asked: The database nowhere" in answer["route_reason"]


def test_nobody_waits_for_a_source_that_is_late(configured, models, settings):
    config = configured(tables={**settings["tables"], "deadline": 0.5})
    run(config, "index")
    models.script = [BOTH, HANG, "30 days [1]."]
    begin = time.monotonic()
    command = [sys.executable, "-m", "kb", "--config", str(config), "ask", "How much, how long?"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=55, check=False)
    assert time.monotonic() - begin < 40
    assert ended.returncode == 3, ended.stderr
    assert "(The tables could not be asked: No answer within 0.5 s.)" in ended.stdout


def test_without_a_model_both_answers_stand_below_each_other(configured):
    config = configured(llm={"provider": "none"})
    run(config, "index")
    saved = run(config, "sql", "What was our revenue?", "--save", "--sql", SUM)
    assert saved.exit_code == 0, saved.output
    shown = run(config, "ask", "What was our revenue?").stdout
    assert "revenue: 140.00" in shown
    assert "Route: database (a verified query answers it)" in shown
    answer = json.loads(
        run(config, "ask", "What was our revenue?", "--source", "both", "--json").stdout
    )
    assert answer["answer"].startswith("From the tables:\nrevenue: 140.00")
    assert (answer["route"], answer["rows"]) == ("both", [["140.00"]])


def test_tables_that_go_away_leave_the_documents(configured, server, models):
    models.script = ["30 days [1]."]
    with KnowledgeBase.open(configured()) as knowledge:
        knowledge.index()
        asked = knowledge.query_engine()
        drop_readers(server)
        knowledge.components.tables.engine.dispose()
        answer = asked.query("How long can a customer send a kettle back?")
    assert "30 days [1]." in str(answer)
    assert answer.metadata["route"] == "documents"


def test_a_missing_file_of_verified_queries_leaves_the_documents(configured, settings, models):
    config = configured(tables={**settings["tables"], "verified_queries": "gone.yaml"})
    models.script = ["30 days [1]."]
    with KnowledgeBase.open(config) as knowledge:
        knowledge.index()
        answer = knowledge.ask("How long can a kettle be returned?")
    told = "The tables could not be asked; this is what the documents say."
    assert str(answer) == f"{told}\n\n30 days [1]."
    assert answer.metadata["route"] == "documents"
    assert "gone.yaml, which is not there" in answer.metadata["errors"]["database"]


def test_where_no_tables_are_configured_nothing_is_said_of_them(configured, models):
    config = configured(tables={})
    models.script = ["30 days [1].", "30 jours [1]."]
    with KnowledgeBase.open(config) as knowledge:
        knowledge.index()
        told = knowledge.ask("How long can a kettle be returned?").metadata["route_reason"]
        raconte = knowledge.ask("Quand peut-on rendre une bouilloire ?").metadata["route_reason"]
    assert (told, raconte) == ("there are only documents", "il n'y a que des documents")


def test_without_a_model_the_documents_answer_what_no_query_does(configured):
    config = configured(llm={"provider": "none"})
    run(config, "index")
    run(config, "sql", "What was our revenue?", "--save", "--sql", SUM)
    told = json.loads(run(config, "ask", "How long can a kettle be sent back?", "--json").stdout)
    assert (told["route"], told["rows"]) == ("documents", [])
    assert told["route_reason"].startswith("no verified query answers it")
    assert "send a kettle back within 30 days" in told["answer"]
    near = json.loads(run(config, "ask", "Our revenue in April?", "--json").stdout)
    assert near["answer"].startswith(
        "The documents do not say.\n\nThese questions have checked answers:\n"
        "- What was our revenue?\n\nThe nearest passages, which may not answer it:\n- "
    )


def test_a_model_without_structured_output_still_answers(knowledge, models):
    refusal = Fault(400, body='{"error": {"message": "response_format is not supported"}}')
    models.script = [refusal, SUM, "140 [tables], 30 days [1]."]
    answer = knowledge.ask("How long can a kettle be returned, and why?")
    assert str(answer) == "140 [tables], 30 days [1]."
    assert "could not be read" in answer.metadata["route_reason"]


def test_a_greeting_stands_in_no_search(configured):
    config = configured(llm={"provider": "none"})
    run(config, "index")
    run(config, "sql", "What was our revenue?", "--save", "--sql", SUM)
    answer = json.loads(run(config, "ask", "Thanks, and what was our revenue?", "--json").stdout)
    assert (answer["route"], answer["rows"]) == ("database", [["140.00"]])
