"""`kb bench models`: the configured models side by side on labelled questions."""

import csv
import io
import json
from collections.abc import Iterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa
from api_server import configured, database_of
from model_server import SERVER_ERROR, FakeModels
from typer.testing import CliRunner

from kb.app import KnowledgeBase
from kb.cli import app
from kb.config.models import LLMConfig
from kb.evaluation.model_benchmark import ModelFigures, compare_models
from kb.evaluation.own_questions import read_own_questions
from stores.errors import ConfigError
from stores.private_server import PrivateServer

QUESTIONS = """\
- {id: a, question: "When do goods go back?", answer: 30 days, documents: [returns.md]}
- {id: b, question: "When do goods go back to you?", answer: 30 days, documents: [returns.md]}
- {id: c, question: "Who was the first emperor of Rome?", answer: null}
"""


@pytest.fixture(scope="module")
def url(server: PrivateServer) -> Iterator[sa.URL]:
    with database_of(server) as url:
        yield url


@pytest.fixture
def servers() -> Iterator[list[FakeModels]]:
    replies = ("They go back within 30 days [1].", "I cannot say.", "")
    with ExitStack() as stack:
        yield [stack.enter_context(FakeModels(default=reply)) for reply in replies]


@pytest.fixture
def kb(url: sa.URL, servers: list[FakeModels], tmp_path: Path) -> Iterator[KnowledgeBase]:
    first, second = (
        {"provider": "openai-like", "model": name, "base_url": server.openai_url, "max_retries": 0}
        for name, server in zip(("good", "poor"), servers, strict=False)
    )
    (tmp_path / "prices.yaml").write_text("currency: EUR\nmodels: {good: {input: 1, output: 1}}")
    llm = LLMConfig(**first, fallback=[second])
    kept: dict[str, object] = {"results": {}, "replies": {}}  # which no benchmark is answered from
    cost = {"prices": "prices.yaml"}
    config = configured(url, tmp_path, servers[2], None, cost=cost, caches=kept)
    with KnowledgeBase.open(config.model_copy(update={"llm": llm})) as kb:
        kb.index(prune=True)
        yield kb
        kb.forget_root("documents")


def compare(kb: KnowledgeBase, tmp_path: Path) -> list[ModelFigures]:
    file = tmp_path / "questions.yaml"
    file.write_text(QUESTIONS)
    return compare_models(kb, read_own_questions(file))


def test_each_model_is_asked_the_same_and_measured(kb, servers, tmp_path):
    good, poor = compare(kb, tmp_path)
    assert (good.model, good.questions, good.failed) == ("good", 3, 0)
    assert (good.right, good.cited) == (1.0, 1.0)
    assert (poor.model, poor.right, poor.failed) == ("poor", 0.0, 0)
    assert good.first_word <= good.whole_answer
    assert good.tokens_per_second
    assert good.memory is None, "of a server elsewhere"
    assert good.cost is not None
    assert good.cost > 0
    assert poor.cost is None, "its price is not in the file"
    asked = [sum("chat" in request.path for request in server.requests) for server in servers[:2]]
    assert asked == [4, 4], "the first question twice, as the first time is slower"


def test_what_it_takes_counts_and_no_answer_is_logged(kb, tmp_path):
    compare(kb, tmp_path)
    kb.components.books.writer.flush()
    with kb.components.engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT purpose, cost FROM kb_model_use")).all()
        logged = connection.execute(sa.text("SELECT COUNT(*) FROM kb_answer_log")).scalar_one()
        searched = connection.execute(sa.text("SELECT COUNT(*) FROM kb_search")).scalar_one()
    assert sum(cost for purpose, cost in rows if purpose == "benchmark") > Decimal()
    assert (logged, searched) == (0, 0)


def test_a_model_that_fails_is_not_answered_for_by_another(kb, servers, tmp_path):
    servers[0].script[:] = [SERVER_ERROR] * 20
    good, poor = compare(kb, tmp_path)
    assert (good.failed, good.right, good.cited) == (3, 0.0, 0.0)
    assert poor.failed == 0


def test_without_a_model_there_is_nothing_to_measure(kb, tmp_path):
    kb.components.llm = None
    with pytest.raises(ConfigError, match=r"llm\.provider is none"):
        compare(kb, tmp_path)


def test_the_command_prints_a_table_csv_and_json(kb, servers, url, tmp_path):
    (tmp_path / "questions.yaml").write_text(QUESTIONS)
    file = tmp_path / "config.yaml"
    file.write_text(write_config(url, servers, tmp_path))

    def run(*options: str) -> str:
        asked = ["--config", str(file), "bench", "models", str(tmp_path / "questions.yaml")]
        result = CliRunner().invoke(app, [*asked, "--limit", "2", *options])
        assert result.exit_code == 0, result.output
        return result.stdout

    lines = run().splitlines()
    assert lines[0].strip() == "questions: 3 questions"
    assert lines[1].split() == ["good", "poor"]
    assert lines[2].split() == ["right", "1.000", "0.000"]
    rows = list(csv.DictReader(io.StringIO(run("--csv"))))
    assert [(row["model"], row["right"]) for row in rows] == [("good", "1.0"), ("poor", "0.0")]
    assert [one["cited"] for one in json.loads(run("--json"))] == [1.0, 0.0]


def write_config(url: sa.URL, servers: list[FakeModels], folder: Path) -> str:
    model = {"provider": "openai-like", "max_retries": 0}
    first, second, embedding = (
        {**model, "model": name, "base_url": server.openai_url}
        for name, server in zip(("good", "poor", "fake"), servers, strict=True)
    )
    return json.dumps(  # which is YAML
        {
            "database": {"url": url.render_as_string(hide_password=False)},
            "documents": {"path": str(folder / "documents"), "filter_keys": ["category"]},
            "embedding": embedding,
            "llm": {**first, "fallback": [second]},
        }
    )
