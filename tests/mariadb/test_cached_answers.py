"""Answers whose parts were made before: asked once of a model, and never of what has changed."""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from model_server import FakeModels, Message, Request
from typer.testing import CliRunner, Result

from engines.answer import answer_of
from kb.app import KnowledgeBase
from kb.cli import app
from kb.config.sections import Config
from stores.caches.cache import pass_by_caches

KEPT = {"results": {}, "replies": {}}
QUESTION = "Within how many days do goods go back?"
ORDINALS = ["", "first", "second", "third", "fourth", "fifth"]
CUT = Message(
    {
        "id": "x",
        "object": "chat.completion",
        "created": 0,
        "model": "fake",
        "choices": [
            {
                "index": 0,
                "finish_reason": "length",
                "message": {"role": "assistant", "content": "Thirty [1]"},
            }
        ],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }
)


class Answering(FakeModels):
    """Chooses both sources, writes SQL, and numbers its answers."""

    def __init__(self) -> None:
        super().__init__()
        self.prompts: list[str] = []
        self.route = "documents"

    def next_reply(self, request: Request) -> Any:
        if "embed" in request.path:
            return None
        self.prompts.append("\n".join(str(each["content"]) for each in request.body["messages"]))
        if self.script:
            return self.script.pop(0)
        if "You write one SQL statement" in self.prompts[-1]:
            return "SELECT name, days FROM terms ORDER BY name"
        if "You decide where" in self.prompts[-1]:
            return json.dumps({"route": self.route, "reason": "So."})
        return f"The {ORDINALS[len(self.prompts)]} answer [1]."


@pytest.fixture
def models() -> Iterator[Answering]:
    with Answering() as models:
        yield models


@pytest.fixture
def open_kb(engine: sa.Engine, models: Answering) -> Iterator[Callable[..., KnowledgeBase]]:
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE terms (name VARCHAR(9), days INT)")
        connection.exec_driver_sql("INSERT INTO terms VALUES ('Goods', 30), ('Parts', 10)")
    opened: list[KnowledgeBase] = []

    def open_kb(
        caches: dict[str, Any] | None = None, access: dict[str, Any] | None = None, **llm: Any
    ) -> KnowledgeBase:
        url = engine.url.render_as_string(hide_password=False)
        model = {"provider": "openai-like", "base_url": models.openai_url, "model": "fake"}
        config = Config.model_validate(
            {
                "database": {"url": url},
                "embedding": model,
                "llm": {**model, **llm},
                "tables": {"url": url, "include": ["terms"], "allow_powerful_account": True},
                "caches": KEPT if caches is None else caches,
                "access": access or {},
            }
        )
        opened.append(KnowledgeBase.open(config))
        return opened[-1]

    yield open_kb
    for each in opened:
        each.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "returns.md").write_text("# Returns\n\nGoods go back within thirty days.")
    return tmp_path


@pytest.fixture
def kb(open_kb, folder: Path) -> KnowledgeBase:
    kb = open_kb()
    kb.index(folder)
    return kb


def test_the_same_question_asks_the_model_once(kb, models):
    first, second = (kb.ask(QUESTION, "documents") for _ in range(2))
    assert str(first) == str(second) == "The first answer [1]."
    assert len(models.prompts) == 1
    assert answer_of(first).citations == answer_of(second).citations != []
    assert answer_of(first).search["id"] != answer_of(second).search["id"]
    assert kb.components.caches.results.hits == kb.components.caches.replies.hits == 1


def test_a_reply_that_was_kept_takes_no_tokens(kb):
    logged = []
    kb.components.books.on_logged.append(logged.append)
    for _ in range(2):
        kb.ask(QUESTION, "documents")
    kb.components.books.writer.flush()
    first, second = (
        [use.kind for use in each.uses if use.prompt_tokens] for each in logged if each.answer
    )
    assert "llm" in first
    assert second == []


@pytest.mark.parametrize("how", ["await", "stream", "await a stream"])
def test_every_way_of_asking_gives_what_another_kept(kb, models, how):
    async def gather(streaming: bool) -> str:
        if not streaming:
            return str(await kb.aask(QUESTION, "documents"))
        response = await kb.query_engine("documents", streaming=True).aquery(QUESTION)
        return "".join([piece async for piece in response.response_gen])

    def ask() -> str:
        if how == "stream":
            response = kb.query_engine("documents", streaming=True).query(QUESTION)
            return "".join(response.response_gen)
        return asyncio.run(gather(how != "await"))

    first = ask()
    assert ask() == str(kb.ask(QUESTION, "documents")) == first == "The first answer [1]."
    assert len(models.prompts) == 1


def test_a_changed_document_is_answered_from_as_it_is_now(kb, models, folder):
    kb.ask(QUESTION, "documents")
    (folder / "returns.md").write_text("# Returns\n\nGoods go back within fourteen days.")
    kb.index(folder)
    assert str(kb.ask(QUESTION, "documents")) == "The second answer [1]."
    assert "fourteen" in models.prompts[1]
    assert "thirty" not in models.prompts[1]


def test_a_document_that_was_moved_is_found_where_it_is_now(kb, folder):
    assert [passage.metadata["path"] for passage in kb.search(QUESTION)] == ["returns.md"]
    (folder / "returns.md").rename(folder / "terms.md")
    assert kb.index(folder).moved == [("returns.md", "terms.md")]
    assert [passage.metadata["path"] for passage in kb.search(QUESTION)] == ["terms.md"]
    assert answer_of(kb.ask(QUESTION, "documents")).citations[0].document == "terms.md"


def test_a_document_beside_the_passages_leaves_the_reply_as_it_was(kb, models, folder):
    kb.ask(QUESTION, "documents", top_k=1)
    (folder / "pumps.md").write_text("# Pumps\n\nA pump is cleaned with vinegar.")
    kb.index(folder)
    kb.ask(QUESTION, "documents", top_k=1)
    assert len(models.prompts) == 1
    assert kb.components.caches.results.hits == 0


def test_whoever_sees_other_documents_has_other_answers(open_kb, folder, models):
    (folder / "secret.md").write_text("Goods of the board: ninety days.")
    kb = open_kb(access={"documents": [{"path": "/secret.md", "groups": ["board"]}]})
    kb.index(folder)
    kb.ask(QUESTION, "documents")
    others = kb.seen_by(["staff"]).ask(QUESTION, "documents")
    assert [passage.metadata["path"] for passage in others.source_nodes] == ["returns.md"]
    assert "ninety" in models.prompts[0]
    assert "ninety" not in models.prompts[1]
    kb.seen_by(["board"]).ask(QUESTION, "documents")
    assert len(models.prompts) == 2  # who sees the same has shown the model the same


def test_without_caches_everything_is_made_anew_and_kept_for_the_next(kb, models):
    kb.ask(QUESTION, "documents")
    assert str(kb.ask(QUESTION, "documents", cached=False)) == "The second answer [1]."
    assert str(asyncio.run(kb.aask(QUESTION, "documents", cached=False))) == "The third answer [1]."
    assert str(kb.ask(QUESTION, "documents")) == "The third answer [1]."


def search_within(kb: KnowledgeBase) -> list[Any]:
    with pass_by_caches():
        return kb.search(QUESTION)


def test_a_search_without_caches_is_made_anew(kb):
    results = kb.components.caches.results
    found = [
        kb.search(QUESTION),
        kb.search(QUESTION, cached=False),
        asyncio.run(kb.asearch(QUESTION, cached=False)),
        search_within(kb),
        kb.search(QUESTION),
    ]
    assert [[each.node_id for each in passages] for passages in found] == [
        [found[0][0].node_id]
    ] * 5
    assert (results.hits, results.misses) == (1, 1)


def test_another_version_of_an_answer_is_another_one(kb, models):
    session = kb.chat("s", source="documents")
    first = session.chat(QUESTION, turn_id="one")
    again = session.chat(QUESTION, turn_id="two", replaces="one")
    assert str(first) == "The first answer [1]."
    assert str(again) == "The second answer [1]."


@pytest.mark.parametrize(
    "llm",
    [{"instructions": "Be short."}, {"max_tokens": 50}, {"model": "other"}],
    ids=str,
)
def test_a_model_asked_otherwise_has_other_replies(open_kb, kb, models, llm):
    shared = {"replies": {"place": "database"}}
    one, other = open_kb(shared), open_kb(shared, **llm)
    one.ask(QUESTION, "documents")
    assert str(open_kb(shared).ask(QUESTION, "documents")) == "The first answer [1]."
    assert str(other.ask(QUESTION, "documents")) == "The second answer [1]."


def test_a_reply_that_reached_its_limit_is_not_kept(kb, models):
    models.script = [CUT]
    assert "Thirty" in str(kb.ask(QUESTION, "documents"))
    assert str(kb.ask(QUESTION, "documents")) == "The second answer [1]."


def test_the_choice_of_a_route_and_the_sql_are_asked_for_once(kb, models):
    models.route = "database"
    first, second = (kb.ask("Which terms are there, and how long?") for _ in range(2))
    assert str(first) == str(second)
    assert answer_of(first).route == "database"
    assert len(models.prompts) == 3  # the route, the SQL, the answer


def test_rows_are_read_anew_unless_they_are_asked_to_be_kept(kb, models, engine):
    question = "Which terms are there, and how long?"
    kb.ask(question, "database")
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE terms SET days = 31 WHERE name = 'Goods'")
    answer = answer_of(kb.ask(question, "database"))
    assert ("Goods", 31) in [tuple(row) for row in answer.tables.rows]
    assert answer.tables.rows_as_of is None
    assert len(models.prompts) == 3  # the same SQL, another answer
    assert "31" in models.prompts[2]


def test_rows_that_were_kept_say_of_when_they_are(open_kb, models, engine):
    kb, question = open_kb({"rows": {}, "replies": {}}), "Which terms are there, and how long?"
    kb.ask(question, "database")
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE terms SET days = 31 WHERE name = 'Goods'")
    response = kb.ask(question, "database")
    answer = answer_of(response)
    assert ("Goods", 30) in [tuple(row) for row in answer.tables.rows]
    assert answer.tables.rows_as_of.endswith("+00:00")
    assert "The rows are as of " in str(response)
    fresh = kb.ask(question, "database", cached=False)
    assert ("Goods", 31) in [tuple(row) for row in answer_of(fresh).tables.rows]
    assert "The rows are as of" not in str(fresh)


def test_rows_keep_their_types(open_kb, engine):
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "ALTER TABLE terms ADD COLUMN price DECIMAL(9, 3), ADD COLUMN day DATE,"
            " ADD COLUMN at DATETIME(3), ADD COLUMN span TIME, ADD COLUMN raw VARBINARY(4)"
        )
        connection.exec_driver_sql(
            "UPDATE terms SET price = 1.500, day = '2026-01-02', at = '2026-01-02 03:04:05.678',"
            " span = '10:20:30', raw = X'00ff'"
        )
    kb = open_kb({"rows": {}})
    first, second = (kb.components.tables.run("SELECT * FROM terms") for _ in range(2))
    assert kb.components.caches.rows.hits == 1
    assert second.rows == list(map(tuple, first.rows))
    assert [type(cell) for cell in second.rows[0]] == [type(cell) for cell in first.rows[0]]


def test_a_statement_is_refused_whatever_is_kept(open_kb):
    kb = open_kb({"rows": {}})
    tables = kb.components.tables
    for _ in range(2):
        with pytest.raises(Exception, match="refused"):
            tables.run("SELECT * FROM kb_document")
    assert (kb.components.caches.rows.hits, kb.components.caches.rows.misses) == (0, 0)


def test_redis_without_an_address_is_refused():
    with pytest.raises(ValueError, match="redis_url"):
        Config.model_validate({"caches": {"results": {"place": "redis"}}})


def test_another_knowledge_base_has_what_one_keeps_in_the_database(open_kb, kb, models):
    shared = {name: {"place": "database"} for name in ("embeddings", "results", "replies", "rows")}
    first, second = open_kb(shared), open_kb(shared)
    first.ask(QUESTION, "documents")
    assert str(second.ask(QUESTION, "documents")) == "The first answer [1]."
    assert [cache.hits for cache in second.components.caches][:3] == [1, 1, 1]


@pytest.fixture
def run(engine: sa.Engine, tmp_path: Path) -> Callable[..., Result]:
    """Run a command on a configuration that keeps what these sections say."""

    def run(*arguments: str, **caches: Any) -> Result:
        url = engine.url.render_as_string(hide_password=False)
        file = tmp_path / "config.yaml"
        file.write_text(json.dumps({"database": {"url": url}, "caches": caches}))
        return CliRunner().invoke(app, ["--config", str(file), "cache", *arguments])

    return run


def test_the_commands_show_what_is_kept_and_forget_it(kb, run, open_kb):
    shared = {"results": {"place": "database"}, "replies": {"place": "database", "mb": 7}}
    used = open_kb(shared)
    used.ask(QUESTION, "documents")
    described = json.loads(run("show", "--json", **shared).stdout)
    assert [(each["kind"], each["place"], each["values"]) for each in described] == [
        ("embeddings", "process", None),
        ("results", "database", 1),
        ("replies", "database", 1),
    ]
    assert described[2]["bytes"] == len("The first answer [1].")
    table = run("show", **shared).stdout
    assert "0.0 / 7" in table
    assert "- / 16" in table
    told = run("clear", "replies", "embeddings", **shared).stderr
    assert "replies: nothing is kept any more." in told
    assert "embeddings: each process keeps its own, until it ends." in told
    described = json.loads(run("show", "--json", **shared).stdout)
    assert [each["values"] for each in described] == [None, 1, 0]
    assert run("clear", **shared).exit_code == 0
    described = json.loads(run("show", "--json", **shared).stdout)
    assert [each["values"] for each in described] == [None, 0, 0]


def test_a_kind_that_is_not_kept_is_refused(kb, run):
    refused = run("clear", "replies")
    assert refused.exit_code == 2
    assert "replies is not kept here; embeddings are." in refused.stderr
    assert "Nothing is kept" in run("show", embeddings=None).stdout
