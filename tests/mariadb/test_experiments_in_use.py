"""Searches through the knowledge base: split between profiles, logged, rated, reported."""

import asyncio
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest
from fake_models import ScriptedLLM
from model_server import FakeModels

from engines.search.search_run import collect_searches
from kb import ConfigError, KnowledgeBase, StoreError
from kb.assembly.experiments import assign_profile, live_report
from kb.config.asking import RetrievalConfig
from kb.config.sections import Config
from stores.connection import make_engine
from stores.private_server import PrivateServer
from stores.registry.schema import create_database
from stores.searches.search_log import Hit, SearchLog

QUESTION = "How long may members keep it?"
SPLIT = {"default": 50, "precision": 50}

Open = Callable[..., KnowledgeBase]


@pytest.fixture(scope="module")
def models() -> Iterator[FakeModels]:
    with FakeModels(default="Thirty days [2], or a year [1] for members.") as models:
        yield models


@pytest.fixture(scope="module")
def indexed(
    server: PrivateServer, models: FakeModels, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[KnowledgeBase]:
    """Three documents, indexed once."""
    folder = tmp_path_factory.mktemp("experiments")
    for name, text in {
        "returns": "You may keep it for thirty days.",
        "members": "Members may keep it for a year, as long as they like.",
        "delivery": "Parcels arrive within two days.",
    }.items():
        (folder / f"{name}.md").write_text(f"# {name}\n\n{text}\n", "utf-8")
    admin = make_engine(server.url("mysql"))
    name = f"test_{uuid4().hex[:12]}"
    create_database(admin, name)
    model = {"provider": "openai-like", "base_url": models.openai_url, "model": "fake"}
    config = Config.model_validate(
        {
            "database": {"url": server.url(name).render_as_string(hide_password=False)},
            "embedding": model,
            "llm": model,
        }
    )
    with KnowledgeBase.open(config) as kb:
        kb.index(folder)
        yield kb
    with admin.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name}")
    admin.dispose()


@pytest.fixture
def opened(indexed: KnowledgeBase) -> Open:
    """That knowledge base with an empty log; with `llm=True` answers are written, not quoted."""
    with indexed.components.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM kb_feedback")
        connection.exec_driver_sql("DELETE FROM kb_search")

    def opened(*, llm: bool = False, **retrieval: Any) -> KnowledgeBase:
        sections = {"retrieval": RetrievalConfig(**retrieval)}
        config = indexed.config.model_copy(update=sections)
        components = indexed.components.copy_with(config=config)
        if not llm:
            components.llm = None
        return KnowledgeBase(components)

    return opened


def logged(kb: KnowledgeBase, columns: str = "*", table: str = "kb_search") -> list[Any]:
    kb.components.search_log.flush()
    with kb.components.engine.connect() as connection:
        return list(connection.exec_driver_sql(f"SELECT {columns} FROM {table}"))


def logged_hits(kb: KnowledgeBase, search_id: str) -> list[Hit]:
    kb.components.search_log.flush()
    return SearchLog(kb.components.engine).list_hits(search_id)


def everything(kb: KnowledgeBase) -> str:
    """Every value of every table of the database, and every index of words."""
    with kb.components.engine.connect() as connection:
        tables = connection.exec_driver_sql("SHOW TABLES").scalars().all()
        return "\n".join(
            str(tuple(row))
            for table in tables
            for row in connection.exec_driver_sql(f"SELECT * FROM `{table}`")
        )


def test_a_session_searches_with_its_profile(opened):
    kb = opened(experiment=SPLIT)
    sessions = [f"s{number}" for number in range(6)]
    assert len({assign_profile(session, SPLIT) for session in sessions}) == 2
    for session in sessions:
        kb.search(QUESTION, session=session)
        kb.ask(QUESTION, session=session)
    kb.search(QUESTION)
    kb.search(QUESTION, session="s0", profile="semantic")
    profiles = {(session, profile) for session, profile in logged(kb, "session_id, profile")}
    expected = {(session, assign_profile(session, SPLIT)) for session in sessions}
    assert profiles == expected | {(None, "default"), ("s0", "semantic")}


def test_without_an_experiment_a_session_searches_as_configured(opened):
    kb = opened(profile="precision")
    kb.search(QUESTION, session="s1")
    assert logged(kb, "session_id, profile") == [("s1", "precision")]


def test_a_search_logs_what_it_returned(opened):
    kb = opened()
    with collect_searches() as made:
        passages = kb.search(QUESTION, 2)
    [(search_id, results, milliseconds)] = logged(kb, "id, results, milliseconds")
    assert (search_id, results) == (made[0].id, 2)
    assert milliseconds == pytest.approx(made[0].milliseconds, rel=1e-3)
    hits = logged_hits(kb, search_id)
    assert [hit.chunk_id for hit in hits] == [passage.node_id for passage in passages]
    assert [hit.document_id for hit in hits] == [passage.node.ref_doc_id for passage in passages]
    assert [hit.score for hit in hits] == pytest.approx(
        [passage.score for passage in passages], rel=1e-5
    )
    assert not any(hit.citation for hit in hits)


@pytest.mark.parametrize("llm", [False, True])
def test_an_answer_logs_what_it_cites(opened, llm):
    kb = opened(llm=llm)
    answer = kb.ask(QUESTION)
    cited = {each["chunk"]: each["number"] for each in answer.metadata["citations"]}
    assert cited
    hits = logged_hits(kb, answer.metadata["search"]["id"])
    assert {hit.chunk_id: hit.citation for hit in hits if hit.citation} == cited


def test_a_stream_logs_what_it_cites_when_it_ends(opened):
    kb = opened(llm=True)
    answer = kb.query_engine(streaming=True).query(QUESTION)
    assert logged(kb) == []
    "".join(answer.response_gen)
    hits = logged_hits(kb, answer.metadata["search"]["id"])
    assert sorted(hit.citation for hit in hits if hit.citation) == [1, 2]

    async def stream() -> Any:
        answer = await kb.query_engine(streaming=True).aquery(QUESTION)
        async for _ in answer.response_gen:
            pass
        return answer

    answer = asyncio.run(stream())
    assert [hit.citation for hit in logged_hits(kb, answer.metadata["search"]["id"])].count(None)
    assert len(logged(kb)) == 2


def test_of_an_answer_whose_model_failed_the_one_that_was_given_is_logged(opened):
    kb = opened()
    kb.components.llm = ScriptedLLM(replies=[" "])
    answer = kb.ask(QUESTION)
    assert "empty answer" in answer.metadata["errors"]["model"]
    assert len(logged(kb)) == 1


# What is kept -------------------------------------------------------------------------------------


def test_no_word_of_a_question_is_kept_by_default(opened):
    kb = opened(llm=True)
    question = 'Could "Ballyhoo" quixotic fjords author:Wobbegong after:2024-03-09 vex Ünïcødé?'
    kb.search(question, session="s1")
    answer = kb.ask(question, session="s1")
    kb.feedback(answer.metadata["search"]["id"], rating=-1)
    assert len(logged(kb)) == 2
    words = re.findall(r"\w{3,}", question.casefold())
    assert {"ballyhoo", "wobbegong", "ünïcødé"} <= set(words)
    kept = everything(kb).casefold()
    assert [word for word in words if word in kept and word not in ("after", "2024")] == []


def test_questions_are_kept_when_the_configuration_says_so(opened):
    kb = opened(log="full")
    kb.search(QUESTION)
    assert logged(kb, "question") == [(QUESTION,)]
    assert QUESTION in everything(kb)


def test_nothing_is_logged_when_the_log_is_off(opened):
    kb = opened(log="off", llm=True)
    kb.search(QUESTION)
    answer = kb.ask(QUESTION)
    assert logged(kb) == []
    with pytest.raises(StoreError, match="`off` none is kept"):
        kb.feedback(answer.metadata["search"]["id"], rating=1)


# Faults -------------------------------------------------------------------------------------------


@contextmanager
def held(kb: KnowledgeBase, begin: str, end: str = "UNLOCK TABLES") -> Iterator[None]:
    with kb.components.engine.connect() as connection:
        connection.exec_driver_sql(begin)
        try:
            yield
        finally:
            connection.exec_driver_sql(end)


def test_a_search_answers_although_its_log_is_locked_or_gone(opened, caplog):
    kb = opened()
    expected = [passage.node_id for passage in kb.search(QUESTION)]
    kb.components.search_log.flush()
    with held(kb, "LOCK TABLES kb_search WRITE"):
        assert [passage.node_id for passage in kb.search(QUESTION)] == expected
        assert kb.ask(QUESTION).metadata["citations"]
        kb.components.search_log.flush()
    with held(kb, "RENAME TABLE kb_search TO gone", "RENAME TABLE gone TO kb_search"):
        assert [passage.node_id for passage in kb.search(QUESTION)] == expected
        assert kb.ask(QUESTION).metadata["citations"]
        kb.components.search_log.flush()
    warnings = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
    assert {warning[-4:] for warning in warnings} == {"1205", "1146"}
    assert len(logged(kb)) == 1
    assert "members" not in caplog.text


# Feedback -----------------------------------------------------------------------------------------


def test_feedback_joins_its_search_and_reaches_the_report(opened):
    kb = opened(experiment=SPLIT)
    sessions = [f"s{number}" for number in range(4)]
    for session in sessions:
        answer = kb.ask(QUESTION, session=session)
        up = assign_profile(session, SPLIT) == "default"
        kb.feedback(answer.metadata["search"]["id"], rating=1 if up else -1, clicked=1)
    report = live_report(kb.components.engine, 1)
    rates = {each.profile: each.thumbs_up.rate for each in report.profiles}
    assert rates == {"default": 1.0, "precision": 0.0}
    assert all(each.clicked.rate == 1.0 and each.p50_ms > 0 for each in report.profiles)
    assert {each.measure for each in report.comparisons} == {"thumbs up", "clicked", "MRR"}


def test_feedback_that_says_nothing_or_of_nothing_is_refused(opened):
    kb = opened()
    with collect_searches() as made:
        kb.search(QUESTION)
    search_id = made[0].id
    for values, message in [
        ({"search_id": search_id}, "says nothing"),
        ({"search_id": search_id, "rating": 2}, "rating is 2;"),
        ({"rating": 1}, "search_id"),
        ({"session_id": "s1", "rating": 1}, "turn_id"),
        ({"search_id": search_id, "session_id": "s1", "turn_id": "t1", "rating": 1}, "search_id"),
        ({"session_id": "s1", "turn_id": "t1", "clicked": 1}, "clicked"),
    ]:
        with pytest.raises(ConfigError, match=message):
            kb.feedback(**values)
    with pytest.raises(StoreError, match="No search 'x' is in the log"):
        kb.feedback("x", rating=1)
    with pytest.raises(StoreError, match="showed no passage 9"):
        kb.feedback(search_id, clicked=9)
    assert logged(kb, table="kb_feedback") == []
    kb.feedback(session_id="s1", turn_id="t1", rating=-1)
    assert logged(kb, "session_id, rating", "kb_feedback") == [("s1", -1)]
