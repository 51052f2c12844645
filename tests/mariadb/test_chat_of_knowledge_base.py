"""A chat as a knowledge base puts it together: what is away, and what is too old."""

from collections.abc import Iterator
from dataclasses import replace
from uuid import uuid4

import pytest
import sqlalchemy as sa
from model_server import FakeModels

from kb.app import KnowledgeBase
from kb.config import Config, TablesConfig
from stores.connection import make_engine
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


def test_old_sessions_are_deleted_in_a_process_that_runs_for_days(kb, monkeypatch):
    kb.chat("old", source="documents").chat("How long?")
    age(kb.engine, "old")
    kb.chat("new", source="documents").chat("How long?")
    assert {each.id for each in kb.sessions()} == {"old", "new"}
    monkeypatch.setattr("kb.assembly.components.time.monotonic", lambda: 10.0**9)
    assert [each.id for each in kb.sessions()] == ["new"]


def test_a_chat_over_documents_works_while_the_tables_are_away_and_says_so(kb, caplog):
    away = "mariadb+mariadbconnector://kb:kb@127.0.0.1:9/shop"
    tables = TablesConfig(url=away, include=["orders"])
    config = kb.config.model_copy(update={"tables": tables})
    session = replace(kb, config=config).chat("away", source="documents")
    assert session.chat("How long?").metadata["status"] == "complete"
    assert "without the names of the tables" in caplog.text
