"""The SQL of a model, and known SQL in its place, scored on a real MariaDB."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml
from model_server import SERVER_ERROR, FakeModels
from typer.testing import CliRunner, Result

from kb.cli import app
from stores.evaluations import Evaluations
from stores.registry.script import run_script

DATA = Path(__file__).parents[2] / "data"

SCHEMA = """
CREATE TABLE rivers (name VARCHAR(20), length INT, country VARCHAR(20));
CREATE TABLE secrets (secret VARCHAR(20));
INSERT INTO rivers VALUES ('Loire', 1006, 'France'), ('Seine', 777, 'France'),
  ('Thames', 346, 'England'), ('Severn', 354, 'England')"""
LONGEST = "SELECT name FROM rivers ORDER BY length DESC LIMIT 1"
NAMES = "SELECT name FROM rivers WHERE country = 'France' ORDER BY name"
QUESTIONS = [
    {"_id": "longest", "question": "Which river is the longest?", "gold_sql": [LONGEST, NAMES]},
    {
        "_id": "french",
        "question": "Which rivers flow through France?",
        "gold_sql": NAMES,
        "instructions": "Sort them by name.",
    },
]


@pytest.fixture
def models() -> Iterator[FakeModels]:
    with FakeModels() as models:
        yield models


@pytest.fixture
def settings(engine: sa.Engine, models: FakeModels) -> dict:
    with engine.begin() as connection:
        for statement in SCHEMA.split(";\n"):
            connection.exec_driver_sql(statement)
    url = engine.url.render_as_string(hide_password=False)
    model: dict[str, Any] = {
        "provider": "openai-like",
        "base_url": models.openai_url,
        "model": "fake",
        "max_retries": 0,
    }
    tables = {"url": url, "include": ["rivers"], "allow_powerful_account": True}
    return {"database": {"url": url}, "embedding": model, "llm": model, "tables": tables}


@pytest.fixture
def score(settings: dict, models: FakeModels, tmp_path: Path) -> Callable[..., Result]:
    """`kb eval --sql` of these questions, with these replies of the model."""
    config, file = tmp_path / "config.yaml", tmp_path / "rivers.jsonl"

    def run(*arguments: str) -> Result:
        config.write_text(yaml.safe_dump(settings), "utf-8")
        return CliRunner().invoke(app, [*arguments, "--config", str(config)])

    def score(
        *options: str, replies: tuple = (), questions: list = QUESTIONS, path: Path = file
    ) -> Result:
        models.script = list(replies)
        file.write_text("".join(f"{json.dumps(each)}\n" for each in questions), "utf-8")
        return run("eval", "--sql", str(path), *options)

    run("sql", "--list")  # embeds once, to measure
    return score


def prompts(models: FakeModels) -> list[str]:
    return [str(each.body["messages"]) for each in models.requests if "chat" in each.path]


def verdicts(result: Result) -> dict[str, str]:
    return {each["id"]: each["verdict"] for each in json.loads(result.stdout)["answers"]}


@pytest.mark.parametrize(
    ("replies", "verdict"),
    [
        (["SELECT r.name AS river FROM rivers r WHERE length > 1000"], "right"),
        (["SELECT name, length FROM rivers ORDER BY length DESC LIMIT 1"], "subset"),
        (["SELECT name FROM rivers WHERE country = 'France' ORDER BY name DESC"], "order"),
        (["SELECT name FROM rivers"], "wrong"),
        (["SELECT nope FROM rivers", LONGEST], "right"),
        (["SELECT nope FROM rivers"] * 3, "failed"),
        (["SELECT secret FROM secrets"] * 3, "refused"),
        (["NO_ANSWER: The tables hold no lengths."], "no_answer"),
        (["QUESTION: Longest by what?"], "no_answer"),
    ],
)
def test_an_answer_is_judged_by_what_it_found(score, replies, verdict):
    result = score("--json", "--limit", "1", replies=tuple(replies))
    assert verdicts(result) == {"longest": verdict}


def test_the_figures_are_counts_shares_and_times(score):
    found = score("--json", replies=("SELECT nope FROM rivers", LONGEST, "SELECT name FROM rivers"))
    figures = json.loads(found.stdout)["figures"]
    assert figures["questions"] == 2
    assert (figures["right"], figures["wrong"], figures["share_right"]) == (1, 1, 0.5)
    assert figures["repairs"] == 1
    assert 0 < figures["p50_ms"] <= figures["p95_ms"]


def test_the_model_reads_question_and_instructions_and_never_the_gold(score, models):
    score(replies=(LONGEST, NAMES))
    _, second = prompts(models)
    assert "Which rivers flow through France? Sort them by name." in second
    assert "ORDER BY name" not in "".join(prompts(models))


def test_every_gold_statement_stands_in_for_the_model_and_is_right(score, models):
    assert verdicts(score("--json", "--gold")) == dict.fromkeys(
        ["longest/1", "longest/2", "french/1"], "right"
    )
    assert prompts(models) == []


def test_the_known_sql_of_the_sample_questions_is_right(score, settings, engine):
    run_script(engine, (DATA / "shop.sql").read_text("utf-8"))
    settings["tables"]["include"] = ["customers", "products", "orders", "order_items", "reviews"]
    result = score("--json", "--gold", path=DATA / "questions.yaml")
    assert set(verdicts(result).values()) == {"right"}
    assert len(verdicts(result)) == 14


def test_gold_that_the_guard_or_the_server_refuses_is_said(score):
    questions = [
        {"_id": "a", "question": "A?", "gold_sql": "SELECT secret FROM secrets"},
        {"_id": "b", "question": "B?", "gold_sql": ["SELECT nope FROM rivers", LONGEST]},
    ]
    result = score("--json", "--gold", questions=questions)
    assert verdicts(result) == {"a/1": "refused", "b/1": "failed", "b/2": "right"}
    failed = score(replies=(LONGEST,), questions=questions)
    assert failed.exit_code == 1
    assert "No gold SQL of a runs on these tables" in failed.stderr


def test_people_see_counts_and_what_missed(score):
    result = score(replies=(LONGEST, "SELECT secret FROM secrets", "SELECT name FROM rivers"))
    assert result.exit_code == 0
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[:2] == ["rivers: 2 questions, fake", "right 1"]
    assert "french: wrong" in lines
    assert "SELECT name FROM rivers" in lines
    assert "longest: right" not in lines


def test_a_run_is_kept_among_the_others(score, engine):
    number = json.loads(score("--json", replies=(LONGEST, NAMES)).stdout)["run"]
    kept = Evaluations(engine).find_run(number)
    assert (kept.run.set_name, kept.run.profile) == ("rivers", "sql")
    assert kept.run.settings["llm"] == "fake"
    assert kept.scores["french"]["right"] == 1
    history = score("--history").stdout.split()
    assert {"rivers", "fake", "1.000"} <= set(history)
    assert json.loads(score("--json", "--no-save", replies=(LONGEST, NAMES)).stdout)["run"] is None


def test_a_model_that_fails_once_loses_its_question_and_at_first_the_run(score):
    result = score("--json", replies=(LONGEST, SERVER_ERROR))
    assert verdicts(result) == {"longest": "right", "french": "failed"}
    assert score(replies=(SERVER_ERROR,)).exit_code == 1


def test_gold_that_finds_more_than_can_be_compared_is_a_mistake(score, settings):
    settings["tables"]["row_limit"] = 2
    everything = {"_id": "all", "question": "All?", "gold_sql": "SELECT name FROM rivers"}
    result = score(questions=[everything])
    assert result.exit_code == 1
    assert "tables.row_limit" in result.stderr


@pytest.mark.parametrize("options", [("--profile", "default"), ("--against", "1"), ("--fresh",)])
def test_options_of_searches_have_no_place(score, options):
    assert score(*options).exit_code == 2


def test_without_a_model_it_says_how_to_check_the_rest(score, settings):
    settings["llm"] = {"provider": "none"}
    result = score()
    assert result.exit_code == 1
    assert "--gold" in result.stderr
    assert score("--gold").exit_code == 0
