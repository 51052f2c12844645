"""What is kept of answers, of every way to ask, and of what their models took."""

import asyncio
import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from api_server import configured, database_of
from model_server import SERVER_ERROR, FakeModels

from engines.answer import answer_of
from kb.app import KnowledgeBase
from kb.assembly.way_in import way_in
from kb.config.sections import Config
from kb.indexing.estimate import EmbeddingEstimate
from kb.statistics import estimate_costs, read_costs
from stores.answers.answer_log import AnswerLog, LoggedAnswer, LoggedCalls, find_month
from stores.answers.model_use import ModelUse
from stores.api_keys import ApiKeys
from stores.errors import BudgetSpent, ConfigError, EngineError
from stores.private_server import PrivateServer
from stores.registry.schema import migrate

PRICES = """\
currency: EUR
models:
  fake: {input: 1000000, cached: 100000, output: 2000000}
"""


@pytest.fixture(scope="module")
def models() -> Iterator[FakeModels]:
    with FakeModels(default="They go back [1].") as models:
        yield models


@pytest.fixture(scope="module")
def embeddings() -> Iterator[FakeModels]:
    with FakeModels() as embeddings:
        yield embeddings


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("books")
    (folder / "prices.yaml").write_text(PRICES)
    return folder


@pytest.fixture(scope="module")
def url(server: PrivateServer) -> Iterator[sa.URL]:
    with database_of(server) as url:
        yield url


@pytest.fixture
def opened(url, models, embeddings, folder):
    """Open the knowledge base with sections of a configuration; closed at the end."""
    models.script.clear()
    made: list[KnowledgeBase] = []

    def open_with(**sections: Any) -> KnowledgeBase:
        kb = KnowledgeBase.open(
            configured(url, folder, embeddings, sections.pop("llm", models), **sections)
        )
        made.append(kb)
        kb.index()
        kb.components.books.writer.flush()
        execute(kb, "DELETE FROM kb_answer_log")
        execute(kb, "DELETE FROM kb_model_use")
        return kb

    yield open_with
    for kb in made:
        kb.close()


def execute(kb: KnowledgeBase, statement: str) -> None:
    with kb.components.engine.begin() as connection:
        connection.exec_driver_sql(statement)


def rows(kb: KnowledgeBase, table: str = "kb_answer_log") -> list[dict[str, Any]]:
    kb.components.books.writer.flush()
    with kb.components.engine.connect() as connection:
        found = connection.exec_driver_sql(f"SELECT * FROM {table}").mappings()
        return [dict(row) for row in found]


def test_an_answer_is_kept_with_what_it_took_and_without_its_question(opened):
    kb = opened(cost={"prices": "prices.yaml"})
    kb.ask("When do goods go back?", source="documents")
    [row] = rows(kb)
    assert (row["way"], row["route"], row["outcome"]) == ("python", "documents", "answered")
    assert (row["error"], row["question"], row["user"]) == (None, None, None)
    assert row["model"] == "fake"
    assert 0 < row["best_score"] <= 1
    steps = {step["step"]: step["ms"] for step in json.loads(row["steps"])}
    assert "retrieval" in steps
    assert row["milliseconds"] > sum(steps.values()) * 0.5
    # As the server reports: one token a prompt, an answer and a text to embed.
    assert (row["prompt_tokens"], row["completion_tokens"], row["embedding_tokens"]) == (1, 1, 1)
    assert (row["cost"], row["currency"]) == (Decimal(4), "EUR")
    uses = {use["kind"]: use for use in rows(kb, "kb_model_use")}
    assert {kind: (use["calls"], use["cost"]) for kind, use in uses.items()} == {
        "llm": (1, Decimal(3)),
        "embedding": (1, Decimal(1)),
    }
    assert {use["estimated"] for use in uses.values()} == {0}


def test_a_search_is_no_answer_and_what_it_took_is_kept(opened):
    kb = opened()
    kb.search("goods", user="ana")
    asyncio.run(kb.asearch("goods", user="ana"))
    assert rows(kb) == []
    [use] = rows(kb, "kb_model_use")
    assert (use["purpose"], use["user"], use["calls"]) == ("search", "ana", 2)
    assert (use["cost"], use["unpriced"], use["currency"]) == (0, 2, "")


def test_a_model_that_kb_runs_costs_nothing_and_the_other_is_unknown(database, models, folder):
    config = configured(database, folder, models, models, embedding={"provider": "local"})
    kb = KnowledgeBase.open(config)
    kb.index()
    kb.ask("When do goods go back?", source="documents")
    kb.components.books.writer.flush()
    told = read_costs(kb.components.engine, config, 1)
    costs = {(use["purpose"], use["kind"]): (use["cost"], use["unpriced"]) for use in told["uses"]}
    assert costs == {
        ("index", "embedding"): (0, 0),
        ("answer", "embedding"): (0, 0),
        ("answer", "llm"): (None, 1),
    }
    assert (told["month"]["cost"], told["month"]["unpriced"]) == (None, 1)
    estimate = estimate_costs(kb.components.engine, config, 100, 31)
    assert {use["kind"]: use["cost"] for use in estimate["models"]} == {"embedding": 0, "llm": None}
    assert estimate["cost"] is None
    kb.close()


@pytest.mark.parametrize(
    ("extent", "kept"), [("full", ["Back?"]), ("no-text", [None]), ("off", [])]
)
def test_the_question_is_kept_as_that_of_a_search_is(opened, extent, kept):
    kb = opened(retrieval={"log": extent})
    kb.ask("Back?", source="documents")
    assert [row["question"] for row in rows(kb)] == kept
    assert rows(kb, "kb_model_use"), "what it took counts in any case"


def test_a_stream_is_kept_at_its_end(opened):
    kb = opened()
    response: Any = kb.query_engine("documents", streaming=True, user="ana").query("Back?")
    assert rows(kb) == []
    assert "".join(response.response_gen) == "They go back [1]."
    [row] = rows(kb)
    assert (row["user"], row["outcome"]) == ("ana", "answered")
    assert row["completion_tokens"] > 0


async def test_an_async_stream_is_kept_at_its_end(opened):
    kb = await asyncio.to_thread(opened)
    response: Any = await kb.query_engine("documents", streaming=True).aquery("Back?")
    assert "".join([piece async for piece in response.response_gen]) == "They go back [1]."
    [row] = await asyncio.to_thread(rows, kb)
    assert row["outcome"] == "answered"
    assert (row["prompt_tokens"] > 0, row["embedding_tokens"]) == (True, 1)


def test_a_reader_that_leaves_ends_the_answer(opened):
    kb = opened(llm=None)
    response: Any = kb.query_engine("documents", streaming=True).query("Back?")
    next(response.response_gen)
    response.response_gen.close()
    [row] = rows(kb)
    assert (row["outcome"], row["error"]) == ("failed", "stopped")


def test_a_turn_is_kept_once_with_its_rewriting_and_its_id(opened, models):
    kb = opened()
    chat = kb.chat("s1", source="documents", user="ana")
    chat.chat("When do goods go back?", turn_id="t1")
    kb.components.memory_updates.wait(10)
    models.script = ["When do lamps go back?", "Never [1]."]
    chat.chat("And lamps?", turn_id="t2")
    kb.components.memory_updates.wait(10)
    first, second = rows(kb)
    assert (first["session_id"], first["turn_id"], first["user"]) == ("s1", "t1", "ana")
    assert second["prompt_tokens"] == 2, "the rewriting counts"
    assert {use["purpose"] for use in rows(kb, "kb_model_use")} >= {"answer"}
    kb.feedback(session_id="s1", turn_id="t2", rating=-1)
    [day] = kb.components.books.log.read_statistics(1)["days"]
    assert (day["answers"], day["up"], day["down"]) == (2, 0, 1)
    kb.delete_session("s1")
    assert rows(kb) == [], "what is said in a session goes with it"


def test_what_the_memory_of_a_chat_takes_is_its_users(opened):
    kb = opened(chat={"user_memory": True})
    kb.chat("s2", source="documents", user="ana").chat("When do goods go back?")
    kb.components.memory_updates.wait(10)
    uses = rows(kb, "kb_model_use")
    assert {use["user"] for use in uses if use["purpose"] == "memory"} == {"ana"}


def test_what_fails_is_kept_with_its_kind(opened, models):
    kb = opened()
    models.script = [SERVER_ERROR]
    kb.ask("When do goods go back?", source="documents")
    table = kb.vector_store.table.name
    execute(kb, f"RENAME TABLE {table} TO away")
    try:
        with pytest.raises(Exception, match="refused"):
            kb.ask("When do goods go back?", source="documents")
    finally:
        execute(kb, f"RENAME TABLE away TO {table}")
    assert [(row["outcome"], row["error"]) for row in rows(kb)] == [
        ("answered", "model_failed"),
        ("failed", "store_error"),
    ]


def test_the_way_in_is_that_in_which_it_was_asked(opened):
    kb = opened()
    before = way_in.set("mcp")
    engine = kb.query_engine("documents")
    way_in.reset(before)
    engine.query("Back?")
    kb.ask("Back?", source="documents")
    assert [row["way"] for row in rows(kb)] == ["mcp", "python"]


def test_old_answers_go_and_what_models_took_stays(opened):
    kb = opened(cost={"retention_days": 30})
    kb.ask("Back?", source="documents")
    kb.ask("Back?", source="documents")
    [first, _] = rows(kb)
    old = "answered_at - INTERVAL 31 DAY"
    execute(kb, f"UPDATE kb_answer_log SET answered_at = {old} WHERE id = {first['id']}")
    used = rows(kb, "kb_model_use")
    kb.remove_old_answers()
    assert [row["id"] for row in rows(kb)] == [first["id"] + 1]
    assert rows(kb, "kb_model_use") == used


# Statistics ---------------------------------------------------------------------------------------


@pytest.fixture
def log(engine: sa.Engine) -> AnswerLog:
    migrate(engine)
    return AnswerLog(engine)


def entry(milliseconds: float, **fields: Any) -> LoggedCalls:
    answer = LoggedAnswer("cli", **{"outcome": "answered", "route": "documents", **fields},
                          milliseconds=milliseconds)  # fmt: skip
    return LoggedCalls("answer", [], answer=answer)


def test_statistics_say_how_long_answers_and_their_steps_took(log):
    log.add([entry(float(n), steps={"retrieval": n / 2, "writing": n / 4}) for n in range(1, 101)])
    log.add([entry(5.0, route="database", outcome="unanswered", error="database_failed")])
    told = log.read_statistics(7)
    database, documents = told["days"]
    assert (documents["answers"], documents["unanswered"], documents["failed"]) == (100, 0, 0)
    assert (documents["p50"], documents["p95"]) == (50.5, 95.05)
    assert (database["answers"], database["unanswered"]) == (1, 1)
    assert [(step["step"], step["p50"], step["p95"]) for step in told["steps"]] == [
        ("retrieval", 25.25, pytest.approx(47.525)),
        ("writing", 12.625, pytest.approx(23.7625)),
    ]
    assert [(each["error"], each["answers"]) for each in told["errors"]] == [("database_failed", 1)]
    assert told["ways"] == [{"way": "cli", "answers": 101}]


def test_without_answers_there_are_no_statistics(log):
    assert log.read_statistics(7) == {"days": [], "steps": [], "errors": [], "ways": []}


def test_what_models_took_adds_up_by_day_key_and_model(log):
    use = ModelUse("llm", "m", 1, 10, 5, 1, 2.5, 1, Decimal("0.1"))
    other = ModelUse("llm", "m", 1, 10, 5, 1, 2.5, 0)
    log.add([LoggedCalls("answer", [use, other], "ana", "EUR")])
    log.add([LoggedCalls("answer", [use], "ana", "EUR"), LoggedCalls("search", [use], None, "EUR")])
    by_purpose = {each.purpose: each for each in log.list_uses(date(2020, 1, 1))}
    answers = by_purpose["answer"]
    assert (answers.calls, answers.unpriced, answers.estimated) == (3, 1, 2)
    assert (answers.prompt_tokens, answers.completion_tokens, answers.cached_tokens) == (30, 15, 3)
    assert (answers.milliseconds, answers.cost, answers.user) == (7.5, Decimal("0.2"), "ana")
    assert log.add_up_spent(find_month(), "EUR") == Decimal("0.3")
    assert log.add_up_spent(find_month(), "EUR", "ana") == Decimal("0.2")
    assert log.add_up_spent(find_month(), "USD") == 0


# Budgets ------------------------------------------------------------------------------------------


def spend(kb: KnowledgeBase, money: str, user: str | None = None) -> None:
    use = ModelUse("llm", "fake", cost=Decimal(money))
    kb.components.books.log.add([LoggedCalls("answer", [use], user, "EUR")])
    kb.components.books._spent._known.clear()


def test_a_budget_without_prices_is_refused(opened):
    with pytest.raises(ConfigError, match=r"cost\.prices"):
        opened(cost={"budget": {"month": 5}})


def test_a_budget_warns_once_and_then_refuses(opened, models, caplog):
    kb = opened(cost={"prices": "prices.yaml", "budget": {"month": 100}})
    spend(kb, "79")
    kb.ask("Back?", source="documents")
    assert "nearly spent" not in caplog.text
    spend(kb, "5")
    kb.ask("Back?", source="documents")
    kb.ask("Back?", source="documents")
    assert caplog.text.count("of this knowledge base is nearly spent: 8") == 1
    spend(kb, "50")
    asked = len(models.requests)
    with pytest.raises(BudgetSpent, match=r"is spent: 1\d\d\.00 of 100 EUR"):
        kb.ask("Back?", source="documents")
    with pytest.raises(EngineError, match="is spent"):
        kb.chat("s", source="documents").chat("Back?")
    assert [r.path for r in models.requests[asked:] if "chat" in r.path] == [], "no model is asked"
    assert kb.search("goods"), "searching goes on"
    assert rows(kb)[-1]["error"] == "budget_spent"


def test_a_spent_budget_may_leave_the_answers_without_a_model(opened, models):
    cost = {"prices": "prices.yaml", "budget": {"month": 100, "when_spent": "quote"}}
    kb = opened(cost=cost)
    spend(kb, "100")
    asked = len(models.requests)
    answer = answer_of(kb.ask("When do goods go back?", source="documents"))
    assert "is spent: 100.00 of 100 EUR" in answer.errors["model"]
    assert answer.citations
    turn = kb.chat("q", source="documents").chat("When do goods go back?")
    assert "30 days" in str(turn)
    assert [r.path for r in models.requests[asked:] if "chat" in r.path] == []


def test_a_key_has_its_own_budget(opened):
    budget = {"per_key": 10, "keys": {"big": 100}}
    kb = opened(cost={"prices": "prices.yaml", "budget": budget})
    for user in ("ana", "big"):
        spend(kb, "20", user)
    with pytest.raises(BudgetSpent, match="of the key ana"):
        kb.query_engine("documents", user="ana").query("Back?")
    kb.query_engine("documents", user="big").query("Back?")
    kb.query_engine("documents", user="bob").query("Back?")


def test_a_key_may_have_a_budget_of_its_own(opened):
    kb = opened(cost={"prices": "prices.yaml", "budget": {"per_key": 100}})
    keys = ApiKeys(kb.components.engine)
    keys.create("cleo", "read", month_budget=Decimal("15.5"))
    keys.create("dora", "read")
    for user in ("cleo", "dora"):
        spend(kb, "20", user)
    with pytest.raises(BudgetSpent, match=r"of the key cleo .* is spent: 20.00 of 15.5 EUR"):
        kb.query_engine("documents", user="cleo").query("Back?")
    kb.query_engine("documents", user="dora").query("Back?")
    assert [key.month_budget for key in keys.list_keys()] == [Decimal("15.5"), None]


def test_the_budget_of_a_key_holds_without_one_of_the_configuration(opened):
    kb = opened(cost={"prices": "prices.yaml"})
    ApiKeys(kb.components.engine).create("eva", "read", month_budget=Decimal(5))
    spend(kb, "20", "eva")
    with pytest.raises(BudgetSpent, match="of the key eva"):
        kb.query_engine("documents", user="eva").query("Back?")
    kb.query_engine("documents", user="finn").query("Back?")


def test_nothing_is_embedded_for_money_that_is_spent(opened, folder: Path):
    kb = opened(cost={"prices": "prices.yaml", "budget": {"month": 100}})
    spend(kb, "100")
    (folder / "documents" / "new.md").write_text("# New\n\nSomething of today.\n")
    with pytest.raises(BudgetSpent):
        kb.index()


# Before it costs anything -------------------------------------------------------------------------


def test_what_questions_would_cost_is_reckoned_by_those_that_were_asked(engine, tmp_path):
    migrate(engine)
    (tmp_path / "prices.yaml").write_text(PRICES)
    config = Config.model_validate(
        {"cost": {"prices": "prices.yaml"}}, context={"directory": tmp_path}
    )
    with pytest.raises(ConfigError, match="nothing to go by"):
        estimate_costs(engine, config, 100, 31)
    answer = LoggedAnswer(way="api", outcome="answered", milliseconds=1.0)
    llm = ModelUse("llm", "fake", prompt_tokens=30, cached_tokens=10, completion_tokens=4)
    embedding = ModelUse("embedding", "fake", prompt_tokens=2)
    AnswerLog(engine).add(
        [
            LoggedCalls("answer", [llm, embedding], answer=answer),
            LoggedCalls("answer", [], answer=answer),  # without a model
            LoggedCalls("index", [ModelUse("embedding", "fake", prompt_tokens=10_000)]),
        ]
    )
    told = estimate_costs(engine, config, 100, 31)
    assert (told["answered"], told["currency"]) == (2, "EUR")
    used = {use["kind"]: use for use in told["models"]}
    assert (used["llm"]["calls"], used["llm"]["prompt_tokens"]) == (50, 1500)
    assert used["llm"]["cost"] == 1000 * 1 + 500 * 0.1 + 200 * 2
    assert used["embedding"]["cost"] == 100
    assert told["cost"] == 1550
    unknown = estimate_costs(engine, config, 100, 31, "without a price")
    assert unknown["cost"] is None
    assert {use["model"] for use in unknown["models"]} == {"fake", "without a price"}
    assert estimate_costs(engine, Config(), 100, 31)["cost"] is None


def test_an_estimate_embeds_and_writes_nothing(opened, embeddings, folder: Path):
    kb = opened()
    documents = folder / "documents"
    (documents / "later.md").write_text("# Later\n\nThese words nobody has embedded.\n")
    (documents / "broken.pdf").write_bytes(b"%PDF-1.4 nothing")
    (documents / "kettle.md").rename(documents / "moved.md")
    before, asked = [rows(kb, "kb_document"), rows(kb, "kb_root")], len(embeddings.requests)
    found = kb.estimate()
    assert (found.documents, found.texts) == (2, 1), "the moved file is read, and known"
    assert 8 <= found.tokens <= 20
    assert [path for path, _ in found.failed] == ["broken.pdf"]
    assert [rows(kb, "kb_document"), rows(kb, "kb_root")] == before
    assert len(embeddings.requests) == asked
    (documents / "moved.md").rename(documents / "kettle.md")
    (documents / "broken.pdf").unlink()
    kb.index()
    assert kb.estimate() == EmbeddingEstimate()


def test_nothing_is_noted_for_an_audit_unless_it_is_switched_on(opened):
    kb = opened()
    kb.ask("When do goods go back?", source="documents")
    kb.search("goods")
    assert kb.audit_entries() == []
