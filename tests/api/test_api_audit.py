"""With `access.audit` each question is noted before its first word, and behind it what it read."""

import csv
import io
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from api_server import Api, configured, database_of, events, running, wait_until
from model_server import SERVER_ERROR, FakeModels, PausedStream
from typer.testing import CliRunner

from kb.cli import app
from stores.audit_log import AuditEntry, AuditFilter
from stores.private_server import PrivateServer

QUESTION = "When do goods go back?"


@pytest.fixture(scope="module")
def served(
    server: PrivateServer,
    models: FakeModels,
    embeddings: FakeModels,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Api]:
    with database_of(server) as url:
        folder = tmp_path_factory.mktemp("audited")
        access = {"audit": True}
        config = configured(
            url, folder, embeddings, models, access=access, retrieval={"log": "full"}
        )
        with running(config) as api:
            api.kb.index()
            yield api


@pytest.fixture
def audited(api: Api) -> Api:
    api.kb.components.books.audit.writer.flush()
    with api.kb.components.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM kb_audit")
    return api


def entries(api: Api, **wanted: Any) -> list[AuditEntry]:
    return api.kb.audit_entries(AuditFilter(**wanted))


def test_each_way_to_learn_something_is_noted_with_what_it_read(audited, models):
    ana = audited.with_key("ana")
    answer = ana.post("/api/ask", json={"question": QUESTION, "source": "documents"}).json()
    ana.post("/api/search", json={"question": QUESTION})
    ana.post("/api/sql", json={"sql": "SELECT COUNT(*) FROM orders"})
    ana.get("/api/sql.csv", params={"sql": "SELECT city FROM orders"})
    ana.get("/api/documents/documents/page.html/original")
    ana.get("/api/documents/documents/page.html/passages")
    models.script = ["They go back [1]."]
    ana.post("/api/sessions/s/turns", json={"message": QUESTION, "source": "documents"})
    chat, shown, original, rows, sql, search, ask = entries(audited)
    assert [e.action for e in (ask, search, sql, rows, original, shown, chat)] == [
        *("ask", "search", "sql", "sql", "original", "passages", "chat")
    ]
    assert {e.user for e in (ask, search, sql, rows, original, chat)} == {"ana"}
    assert {e.way for e in (ask, chat)} == {"api"}
    assert {e.outcome for e in (ask, search, sql, rows, original, chat)} == {"done"}
    assert ask.text == search.text == chat.text == QUESTION
    assert "documents/returns.md" in ask.documents
    assert len(ask.documents) > 1, "what was read and not cited is in it too"
    assert search.documents == chat.documents == ask.documents
    assert original.documents == shown.documents == ["documents/page.html"]
    passage = ana.get(f"/api/searches/{answer['search']['id']}").json()[0]["passage"]["id"]
    ana.get(f"/api/chunks/{quote(passage)}")
    assert entries(audited)[0].action == "passages"
    assert (sql.tables, rows.tables) == (["orders"], ["orders"])
    assert (sql.documents, ask.tables) == ([], [])


def test_an_entry_is_there_before_the_first_word_and_says_so(audited, models):
    go_on = threading.Event()
    models.script = [PausedStream("They go back [1].", go_on, words=0)]
    asking = threading.Thread(
        target=events,
        args=(audited.client, "/api/ask", {"question": QUESTION, "source": "documents"}),
    )
    asking.start()
    wait_until(lambda: bool(models.requests) and bool(entries(audited)))
    assert [e.outcome for e in entries(audited)] == ["begun"]
    go_on.set()
    asking.join()
    [entry] = entries(audited)
    assert (entry.outcome, bool(entry.documents)) == ("done", True)


def test_what_fails_is_noted_as_that(audited, models):
    models.script = [SERVER_ERROR] * 5
    audited.client.post("/api/sql", json={"sql": "DELETE FROM orders"})
    [refused] = entries(audited)
    assert (refused.outcome, refused.error, refused.tables) == ("failed", "unsafe_query", [])


def test_what_cannot_be_noted_is_not_answered(audited, models):
    with audited.kb.components.engine.begin() as connection:
        connection.exec_driver_sql("RENAME TABLE kb_audit TO kb_audit_away")
    try:
        reply = audited.client.post("/api/ask", json={"question": QUESTION, "source": "documents"})
        turn = audited.client.post(
            "/api/sessions/t/turns", json={"message": QUESTION, "source": "documents"}
        )
        found = audited.client.post("/api/search", json={"question": QUESTION})
    finally:
        with audited.kb.components.engine.begin() as connection:
            connection.exec_driver_sql("RENAME TABLE kb_audit_away TO kb_audit")
    assert {reply.status_code, turn.status_code, found.status_code} <= {500, 503}
    assert [r for r in models.requests if "chat" in r.path] == []


def test_entries_are_asked_for_by_document_table_and_person(audited):
    ana, bob = audited.with_key("ana"), audited.with_key("bob")
    ana.post("/api/search", json={"question": "kettle"})
    bob.post("/api/sql", json={"sql": "SELECT 1 FROM orders"})
    assert [e.user for e in entries(audited, document="documents/kettle.md")] == ["ana"]
    assert [e.user for e in entries(audited, table="orders")] == ["bob"]
    assert [e.user for e in entries(audited, user="ana", days=1)] == ["ana"]
    assert entries(audited, document="documents/none.md") == []


def test_administrators_alone_may_read_it(audited):
    reader, admin = audited.with_key("reader"), audited.with_key("boss", "admin")
    reader.post("/api/search", json={"question": "kettle"})
    wait_until(lambda: entries(audited)[0].outcome == "done")
    assert reader.get("/api/audit").status_code == 403
    [entry] = admin.get("/api/audit", params={"user": "reader"}).json()
    assert (entry["action"], entry["outcome"]) == ("search", "done")


def test_old_entries_go(audited):
    audited.client.post("/api/search", json={"question": "kettle"})
    engine = audited.kb.components.engine
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE kb_audit SET asked_at = asked_at - INTERVAL 400 DAY"))
    audited.client.post("/api/search", json={"question": "lamps"})
    audited.kb.remove_old_answers()
    assert [e.text for e in entries(audited)] == ["lamps"]


def test_the_command_lists_and_writes_csv(audited, tmp_path):
    audited.client.post("/api/search", json={"question": "kettle"})
    url = audited.kb.config.database.url
    file = tmp_path / "config.yaml"
    file.write_text(
        f"database: {{url: '{url.render_as_string(hide_password=False)}'}}\n"
        f"embedding: {{provider: openai-like, model: fake, base_url: "
        f"'{audited.kb.config.embedding.base_url}'}}\n"
        "documents: {filter_keys: [category]}\naccess: {audit: true}\n"
    )
    wait_until(lambda: entries(audited)[0].outcome == "done")

    def run(*options: str) -> str:
        done = CliRunner().invoke(app, ["--config", str(file), "audit", *options])
        assert done.exit_code == 0, done.output
        return done.stdout

    assert "search, api" in run()
    [row] = csv.DictReader(io.StringIO(run("--csv")))
    assert "documents/kettle.md" in row["documents"].splitlines()
