"""A chat as a knowledge base puts it together: what is away, and what is too old."""

import asyncio
from collections.abc import Iterator
from uuid import uuid4

import pytest
import sqlalchemy as sa
from model_server import FakeModels

from kb.api.job_runner import Runner
from kb.app import KnowledgeBase
from kb.config.databases import TablesConfig
from kb.config.sections import Config
from stores.chunks.vector_store import MariaDBVectorStore
from stores.connection import make_engine
from stores.jobs import Jobs
from stores.private_server import PrivateServer
from stores.registry.schema import create_database


@pytest.fixture(scope="module")
def kb(server: PrivateServer) -> Iterator[KnowledgeBase]:
    name = f"chat_{uuid4().hex[:12]}"
    admin = make_engine(server.url("mysql"))
    create_database(admin, name)
    with FakeModels() as models:
        config = Config.model_validate(
            {
                "database": {"url": server.url(name).render_as_string(hide_password=False)},
                "embedding": {
                    "provider": "openai-like", "base_url": models.openai_url, "model": "fake"
                },
                "chat": {"retention_days": 9},
            }
        )  # fmt: skip
        with KnowledgeBase.open(config) as kb:
            yield kb
    with admin.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name}")
    admin.dispose()


def age(engine: sa.Engine, session: str) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE kb_session SET updated_at = updated_at - INTERVAL 10 DAY "
            f"WHERE id = '{session}'"
        )


def converse(kb: KnowledgeBase) -> None:
    """An old session and a new one; looking at them deletes neither."""
    kb.chat("old", source="documents").chat("How long?")
    age(kb.components.engine, "old")
    kb.chat("new", source="documents").chat("How long?")
    assert {session.id for session in kb.sessions()} == {"old", "new"}


def test_opening_a_knowledge_base_deletes_old_sessions(kb):
    converse(kb)
    with KnowledgeBase.open(kb.config) as again:
        assert [session.id for session in again.sessions()] == ["new"]


async def test_a_server_deletes_old_sessions_while_it_runs(kb):
    converse(kb)
    runner = Runner(kb, seconds_between_removals=0)
    running = asyncio.create_task(runner.run())
    async with asyncio.timeout(30):
        while len(await asyncio.to_thread(kb.sessions)) > 1:  # noqa: ASYNC110 - the runner says nothing
            await asyncio.sleep(0.01)
    runner.stop()
    await running
    assert [session.id for session in kb.sessions()] == ["new"]


def test_a_chat_over_documents_works_while_the_tables_are_away_and_says_so(kb, caplog):
    nowhere = "mariadb+mariadbconnector://kb:kb@127.0.0.1:9/shop"
    tables = TablesConfig(url=nowhere, include=["orders"])
    config = kb.config.model_copy(update={"tables": tables})
    away = KnowledgeBase(kb.components.copy_with(config=config))
    session = away.chat("away")
    assert session.chat("How long?").metadata["status"] == "complete"
    assert "without the names of the tables" in caplog.text


def test_a_copy_with_other_passages_keeps_nothing_of_the_former_ones(kb):
    components = kb.components
    assert components.verified_queries
    store = components.vector_store
    other = components.copy_with(
        vector_store=MariaDBVectorStore(
            components.engine, "other_chunks", embed_dim=store.embed_dim
        )
    )
    assert other.registry.table is other.vector_store.table
    assert components.registry.table is store.table
    assert other.verified_queries is not components.verified_queries


def test_ends_of_turns_that_could_not_be_stored_are_stored_when_it_is_closed(kb):
    stored = []
    again = KnowledgeBase.open(kb.config)
    again.components.late_ends.add(lambda: stored.append(again.components.registry.count_totals()))
    again.close()
    assert len(stored) == 1  # and while its connections were open


def test_a_runner_outlives_a_defect_in_a_job(kb, monkeypatch, caplog):
    looks = []

    def take(_jobs, _owner, _seen):
        looks.append(1)
        raise ArithmeticError

    monkeypatch.setattr(Jobs, "take", take)
    monkeypatch.setattr("kb.api.job_runner._BEAT", 0.01)
    runner = Runner(kb)

    async def run() -> None:
        running = asyncio.create_task(runner.run())
        async with asyncio.timeout(30):
            while len(looks) < 3:  # noqa: ASYNC110 - the runner says nothing
                await asyncio.sleep(0.01)
        runner.stop()
        await running

    asyncio.run(run())
    assert caplog.text.count("defect of kb") >= 3
