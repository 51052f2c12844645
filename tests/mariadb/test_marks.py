"""What somebody marks as right for a question, and searches that are measured by it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
import yaml
from api_server import configured, database_of
from model_server import FakeModels
from typer.testing import CliRunner, Result

from kb import KnowledgeBase
from kb.cli import app
from kb.evaluation.labelled import BadQuestions
from kb.evaluation.marked_questions import read_marked_questions
from kb.evaluation.search_evaluation import read_questions
from stores.answers.marks import MOST_QUOTED, Marks
from stores.errors import StoreError
from stores.private_server import PrivateServer
from stores.registry.schema import migrate

GOODS = "When do goods go back?"


@pytest.fixture
def marks(engine: sa.Engine) -> Marks:
    migrate(engine)
    return Marks(engine)


def test_a_document_is_marked_once_for_a_question_however_that_is_written(marks):
    first = marks.add(GOODS, "documents", "returns.md", quote="within 30 days", by="Ana")
    assert marks.add("when do GOODS go back", "documents", "returns.md", quote="x" * 9000) == first
    other = marks.add(GOODS, "documents", "kettle.md")
    apart = marks.add("Another question", "documents", "kettle.md")
    assert len({first, other, apart}) == 3
    found = marks.list_all()
    assert [mark.id for mark in found] == [first, other, apart]
    assert found[0].item == found[1].item != found[2].item
    assert (found[0].question, len(found[0].quote)) == ("when do GOODS go back", MOST_QUOTED)
    marks.remove(other)
    with pytest.raises(StoreError, match="no mark"):
        marks.remove(other)
    with pytest.raises(StoreError, match="without words"):
        marks.add("  ", "documents", "kettle.md")


@pytest.fixture
def opened(server: PrivateServer, tmp_path: Path) -> Iterator[KnowledgeBase]:
    with database_of(server) as url, FakeModels() as embeddings:
        config = configured(url, tmp_path, embeddings, None)
        settings = {
            "database": {"url": url.render_as_string(hide_password=False)},
            "embedding": {
                "provider": "openai-like",
                "model": "fake",
                "base_url": embeddings.openai_url,
            },
        }
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(settings), "utf-8")
        with KnowledgeBase.open(config) as kb:
            kb.index()
            yield kb


@pytest.fixture
def run(opened: KnowledgeBase, tmp_path: Path) -> Callable[..., Result]:
    return lambda *arguments: CliRunner().invoke(
        app, ["--config", str(tmp_path / "config.yaml"), *arguments]
    )


def test_marks_are_made_listed_and_taken_away_by_commands(run, tmp_path):
    made = run("review", "mark", GOODS, "documents/returns.md", "--quote", "within 30 days")
    assert made.exit_code == 0, made.output
    [mark] = json.loads(run("review", "marks", "--json").stdout)
    assert (mark["root"], mark["path"], mark["quote"]) == (
        *("documents", "returns.md"),
        "within 30 days",
    )
    assert mark["id"] in made.stdout
    assert GOODS in run("review", "marks").stdout
    assert run("review", "mark", GOODS, "documents/none.md").exit_code == 1
    file = tmp_path / "marked.yaml"
    file.write_text(run("review", "marks", "--yaml").stdout, "utf-8")
    [question] = read_questions(file).questions
    assert (question.text, question.relevant) == (GOODS, {"returns.md": 1})
    assert run("review", "unmark", mark["id"]).exit_code == 0
    assert run("review", "unmark", mark["id"]).exit_code == 1
    assert "No document was marked" in run("review", "marks").stdout


def test_searches_are_measured_by_marks_and_a_fall_is_told(run, opened):
    assert run("eval", "--marks").exit_code == 1  # nothing is marked
    run("review", "mark", GOODS, "documents/returns.md")
    first = run("eval", "--marks", "--no-worse", "--json")
    assert first.exit_code == 0, first.output
    [outcome] = json.loads(first.stdout)["profiles"]
    assert outcome["figures"]["questions"] == 1
    assert outcome["figures"]["hit@5"] == 1
    run("review", "mark", "How is the kettle cleaned?", "documents/kettle.md")
    assert run("eval", "--marks", "--no-worse").exit_code == 0  # one question is new
    directory = opened.config.documents.path
    for number in range(12):  # which push the right one down
        (directory / f"copy{number}.md").write_text(f"# Goods\n{GOODS} Never, by rule {number}.\n")
    opened.index()
    fallen = run("eval", "--marks", "--no-worse")
    assert fallen.exit_code == 1, fallen.output
    assert "finds less than in run 2: nDCG -" in fallen.output
    assert run("eval", "--marks", "--no-worse").exit_code == 0  # as in the run before


def test_marks_of_documents_that_are_gone_are_left_out(opened):
    engine, registry = opened.components.engine, opened.components.registry
    marks = Marks(engine)
    marks.add(GOODS, "documents", "returns.md")
    marks.add(GOODS, "documents", "none.md")
    marks.add("Other?", "elsewhere", "returns.md")
    [question] = read_marked_questions(engine, registry).questions
    assert question.relevant == {"returns.md": 1}
    opened.forget_root("documents")
    with pytest.raises(BadQuestions, match="No document that is indexed"):
        read_marked_questions(engine, registry)


@pytest.mark.parametrize(
    "arguments",
    [("--marks", "set.yaml"), ("--marks", "--sql"), ("--marks", "--no-worse", "--against", "1")],
    ids=str,
)
def test_what_does_not_go_together_is_told(run, arguments):
    assert run("eval", *arguments).exit_code == 2
