"""Every way into a server tells somebody what a server tells that never held what they may not see.

A matrix of people and of requests, against two servers: one with documents and tables for others.
"""

import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import sqlalchemy as sa
from api_server import Api, database_of, running, wait_until
from model_server import FakeModels
from twins import ACCESS, VISIBLE, configure, make_hidden, write_files

from kb.api.guards.access import Caller
from kb.api.guards.limits import Limits
from kb.api.problems import Problem
from kb.app import KnowledgeBase
from kb.mcp.backend import Backend
from stores.audiences import join_groups
from stores.connection import make_engine, run_transaction
from stores.registry.document_registry import document_id
from stores.uploaded_files import UploadedFiles

HIDDEN = document_id("documents", "hr/7.md")
MARKED = document_id("documents", "open/marked.md")
GIVEN = document_id("documents", "open/given.md")
GIVEN_TEXT = "# Given\n\nThe salary of zanzibar98, given to some, with the invoice SKU-12345.\n"
HIDDEN_PATHS = ("hr/7.md", "open/marked.md", "open/given.md", "none.md")
SEEN = document_id("documents", "sales/returns.md")
QUESTIONS = ["When do goods go back?", "The salary of zanzibar7", "How many documents are there?"]
MESSAGES = [{"role": "user", "content": QUESTIONS[1]}]
# What is another one each time; and the state of the whole collection, which only who sees it gets.
CHANGING = re.compile(
    r"\"(id|search|search_id|turn_id|turn|timings|created|created_at|updated|updated_at|indexed_at|"
    r"checked_at|modified_at|modified|cursor|request_id|response_id|completed_at|chat_url|url|score|"
    r"milliseconds|instance|unfindable|asked_at|session_id|access)\": "
    r"(\"[^\"]*\"|[-0-9.e]+|null|true|false|\{[^{}]*\})"
)


@dataclass(frozen=True)
class Servers:
    whole: Api
    never: Api


@pytest.fixture(scope="module")
def servers(server, tmp_path_factory) -> Iterator[Servers]:
    folder = tmp_path_factory.mktemp("servers")
    with (
        FakeModels() as embeddings,
        database_of(server) as url,
        database_of(server) as other,
    ):
        held, never = folder / "held", folder / "never"
        write_files(held, {**make_hidden(40), **VISIBLE, "open/given.md": GIVEN_TEXT})
        write_files(never, VISIBLE)
        fewer = {"url": other, "include": ["orders"], "allow_powerful_account": True}
        kept = {key: {"seconds": 600} for key in ("results", "rows")}
        twin = configure(other, never, embeddings, tables=fewer, access={}, caches=kept)
        rule = {"table": "orders", "columns": ["margin"], "groups": ["hr"]}
        rules: dict[str, Any] = {**ACCESS}
        rules["tables"] = [*rules["tables"], rule]
        _add_hidden_column(url)
        config = configure(url, held, embeddings, access=rules, caches=kept)
        with running(config) as whole, running(twin) as one:
            whole.kb.index()
            whole.kb.components.registry.give_groups(GIVEN, ["hr"])
            one.kb.index()
            yield Servers(whole, one)


def _add_hidden_column(url: sa.URL) -> None:
    engine = make_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE orders ADD COLUMN margin VARCHAR(40) AFTER id")
        connection.exec_driver_sql("UPDATE orders SET margin = CONCAT('canary', id)")
        connection.exec_driver_sql("ALTER TABLE orders ADD INDEX of_margin (margin)")
    engine.dispose()


@pytest.fixture
def clients(servers: Servers) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    """Somebody in sales, and the same at the server that never held the rest."""
    yield (
        servers.whole.with_key("ana", "write", groups=["sales"], verifies=True),
        servers.never.with_key("ana", "write", verifies=True),
    )
    servers.whole.forget_keys()
    servers.never.forget_keys()


def requests() -> Iterator[tuple[str, str, Any]]:
    for question in QUESTIONS:
        for path in ("/api/ask", "/api/search"):
            yield "POST", path, {"question": question}
            yield "POST", path, {"question": question, "filters": {"category": "secret"}}
        yield "POST", "/api/ask", {"question": question, "stream": True}
        yield "POST", "/api/sessions/s/turns", {"message": question}
        yield "POST", "/api/sql", {"question": question}
    yield "GET", "/api/sessions", None
    yield "GET", "/api/sessions/s", None
    yield "GET", "/api/status", None
    yield "GET", "/api/filters", None
    yield "GET", "/api/documents", None
    yield "GET", "/api/documents?search=hr", None
    yield "GET", "/api/documents?root=documents&limit=2", None
    yield "GET", "/api/profiles", None
    yield "GET", "/api/suggestions?limit=20", None
    yield "GET", "/api/tables", None
    yield "GET", "/api/verified", None
    yield "GET", "/api/verified/words/versions", None
    yield "GET", "/api/jobs", None
    yield "GET", "/api/models", None
    yield "GET", "/api/sessions/tags", None
    yield "GET", "/api/documents?folder=/&root=documents", None
    yield "GET", "/api/documents?folder=open&root=documents", None
    yield "GET", "/api/documents?sort=size&descending=true", None
    for path in ("stats", "cost", "audit", "review", "marks", "caches", "slow"):
        yield "GET", f"/api/{path}", None
    yield "GET", "/metrics", None
    yield "GET", "/v1/models", None
    yield "POST", "/api/sql", {"sql": "SELECT word FROM secrets"}
    yield "POST", "/api/sql", {"sql": "SELECT city FROM orders"}
    for sql in (
        "SELECT * FROM orders",
        "SELECT margin FROM orders",
        "SELECT city FROM orders WHERE margin LIKE 'canary7'",
        "SELECT o.* FROM orders AS o NATURAL JOIN orders AS p ORDER BY 2",
        "(SELECT * FROM orders) UNION ALL (SELECT * FROM orders)",
        "WITH o AS (SELECT * FROM orders) SELECT COUNT(*) FROM o",
        (
            "WITH RECURSIVE n AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM n WHERE x < 3) "
            "SELECT * FROM n, orders"
        ),
        "SELECT city, (SELECT MAX(margin) FROM orders) FROM orders",
    ):
        yield "POST", "/api/sql", {"sql": sql}
        yield "GET", f"/api/sql.csv?sql={quote(sql)}", None
    yield "GET", f"/api/sql.csv?sql={quote('SELECT word FROM secrets')}", None
    yield "GET", f"/api/sql.xlsx?sql={quote('SELECT word FROM secrets')}", None
    for document in (HIDDEN, MARKED, GIVEN, SEEN, "none"):
        yield "GET", f"/api/chunks/{document}:00000", None
        yield "GET", f"/api/chunks/{document}:00000?around=5", None
    for path in (*HIDDEN_PATHS, "sales/returns.md"):
        for part in ("original", "passages", "questions", "groups"):
            yield "GET", f"/api/documents/documents/{path}/{part}", None
        yield "GET", f"/api/documents/documents/{path}/passages?at={GIVEN}:00000", None
    for path in HIDDEN_PATHS:
        yield "PUT", f"/api/documents/documents/{path}/groups", {"groups": ["sales"]}
        yield "DELETE", f"/api/documents/documents/{path}", None
        yield "POST", f"/api/documents/documents/{path}/retry", None
    for model in ("kb-auto", "kb-documents"):
        yield "POST", "/v1/chat/completions", {"model": model, "messages": MESSAGES}
    yield "POST", "/v1/responses", {"model": "kb-auto", "input": QUESTIONS[1]}
    yield "POST", "/v1/completions", {"model": "kb-auto", "prompt": QUESTIONS[1]}
    yield "POST", "/api/jobs", {"root": "documents"}
    yield "POST", "/api/feedback", {"search_id": "0" * 12, "rating": 1}


def ask(client: httpx.Client, method: str, path: str, body: Any) -> tuple[int, str]:
    reply = client.request(method, path, json=body)
    return reply.status_code, CHANGING.sub(r'"\1": …', _spread(reply.text))


def _spread(text: str) -> str:
    """Write JSON as Python does, and leave anything else."""
    lines = [line.removeprefix("data: ") for line in text.splitlines()]
    return "\n".join(_spread_line(line) for line in lines)


def _spread_line(line: str) -> str:
    try:
        return json.dumps(json.loads(line), ensure_ascii=False)
    except ValueError:
        return re.sub(r"^id: .*", "", line)


@pytest.mark.parametrize("question", QUESTIONS)
def test_no_question_to_go_on_with_is_of_what_is_hidden(clients, question):
    told = []
    for client in clients:
        body = {"message": question, "turn_id": "t"}
        assert client.post("/api/sessions/next/turns", json=body).status_code == 200
        told.append(client.get("/api/sessions/next/turns/t/suggestions").json())
    assert told[0] == told[1]


@pytest.mark.parametrize(("method", "path", "body"), list(requests()), ids=str)
def test_the_answer_is_that_of_a_server_that_never_held_it(clients, method, path, body):
    told, expected = (ask(client, method, path, body) for client in clients)
    assert told == expected
    assert told[0] < 500, told
    assert not re.search("zanzibar(?!7)|canary", told[1])


def test_who_may_see_it_is_told(servers: Servers):
    try:
        for client in (
            servers.whole.with_key("hugo", groups=["hr"]),
            servers.whole.with_key("root", "admin"),
        ):
            assert client.get(f"/api/chunks/{HIDDEN}:00000").status_code == 200
            assert client.get("/api/documents/documents/hr/7.md/original").status_code == 200
            assert client.get("/api/documents?search=hr").json()["total"] == 40
            found = client.post("/api/search", json={"question": "zanzibar7"}).json()
            assert found[0]["path"] == "hr/7.md"
            assert [each["name"] for each in client.get("/api/tables").json()] == [
                "orders",
                "secrets",
            ]
        limited = servers.whole.with_key("limited", "admin", groups=["sales"])
        assert limited.get(f"/api/chunks/{HIDDEN}:00000").status_code == 404
        assert limited.post("/api/jobs", json={"root": "documents"}).status_code == 422
        nobody = servers.whole.with_key("nobody")
        assert nobody.get("/api/documents").json()["total"] == 0
        assert nobody.get("/api/status").json()["documents"] == 0
    finally:
        servers.whole.forget_keys()


def test_the_turns_of_one_person_are_not_there_for_another(servers: Servers):
    try:
        hugo = servers.whole.with_key("hugo", groups=["hr"])
        told = hugo.post("/api/sessions/own/turns", json={"message": "zanzibar7"}).json()
        assert told["citations"]
        ana = servers.whole.with_key("another", groups=["sales"])
        assert ana.get("/api/sessions/own").status_code == 404
        assert ana.get("/api/sessions").json() == []
        search = {"search_id": told["search"]["id"], "rating": 1}
        assert ana.post("/api/feedback", json=search).status_code == 404
        assert hugo.post("/api/feedback", json=search).status_code == 204
    finally:
        servers.whole.forget_keys()


def test_nobody_uploads_in_the_place_of_what_they_may_not_see(servers: Servers):
    marked = {"files": ("plan.md", b"---\ngroups: [hr]\n---\nThe plan of zanzibar99.\n")}
    other = {"files": ("plan.md", b"Another plan.\n")}
    try:
        hugo = servers.whole.with_key("hugo of hr", "write", groups=["hr"])
        assert servers.whole.with_key("a", "admin").get("/api/documents").status_code == 200
        job = hugo.post("/api/documents", files=marked).json()["job"]
        wait_until(lambda: hugo.get(f"/api/jobs/{job['id']}").json()["status"] == "done")
        ana = servers.whole.with_key("ana of sales", "write", groups=["sales"])
        assert ana.get(f"/api/jobs/{job['id']}").status_code == 404
        for replace in ("true", "false"):
            reply = ana.post("/api/documents", files=other, data={"replace": replace})
            assert reply.status_code == 409
        assert hugo.get("/api/documents/uploads/plan.md/original").content == marked["files"][1]
        assert ana.get("/api/documents/uploads/plan.md/original").status_code == 404
        assert hugo.post("/api/documents", files=marked, data={"replace": "true"}).is_success
    finally:
        servers.whole.forget_keys()


def test_an_upload_is_for_the_groups_that_it_is_given(servers: Servers):
    first, second = (b"The wages of zanzibar97.\n", b"The wages of zanzibar97, later.\n")
    address = "/api/documents/uploads/wages.md"
    try:
        hugo = servers.whole.with_key("hugo gives", "write", groups=["hr"])
        nina = servers.whole.with_key("nina looks", "write", groups=["sales"])

        def send(content: bytes, **fields: Any) -> None:
            files = {"files": ("wages.md", content)}
            job = hugo.post("/api/documents", files=files, data=fields).json()["job"]
            wait_until(lambda: hugo.get(f"/api/jobs/{job['id']}").json()["status"] == "done")

        send(first, groups=["hr", "board"])
        assert nina.get(f"{address}/original").status_code == 404
        assert hugo.get(f"{address}/original").content == first
        assert hugo.get(f"{address}/groups").json() == {"groups": ["board", "hr"]}
        send(second, replace="true")
        assert nina.get(f"{address}/original").status_code == 404
        assert hugo.put(f"{address}/groups", json={"groups": []}).json() == {"groups": []}
        assert nina.get(f"{address}/original").content == second
        assert hugo.put(f"{address}/groups", json={"groups": [" "]}).status_code == 422
        assert nina.get(f"{address}/original").status_code == 200
        assert hugo.delete(address).is_success
    finally:
        servers.whole.forget_keys()


def test_groups_of_an_upload_are_refused_where_everybody_sees_everything(servers: Servers):
    try:
        writer = servers.never.with_key("writer", "write")
        files = {"files": ("open.md", b"Words.\n")}
        reply = writer.post("/api/documents", files=files, data={"groups": "hr"})
        assert (reply.status_code, reply.json()["code"]) == (422, "groups_without_access")
        assert writer.get("/api/documents?root=uploads").json()["total"] == 0
    finally:
        servers.never.forget_keys()


def test_a_file_that_is_not_yet_indexed_again_is_for_nobody_in_groups(servers: Servers):
    uploaded = {"files": ("list.md", b"The list of lamps.\n")}
    try:
        ana = servers.whole.with_key("ana waits", "write", groups=["sales"])
        job = ana.post("/api/documents", files=uploaded).json()["job"]
        wait_until(lambda: ana.get(f"/api/jobs/{job['id']}").json()["status"] == "done")
        address = "/api/documents/uploads/list.md/original"
        assert ana.get(address).status_code == 200
        library = servers.whole.kb.components.engine
        later = io.BytesIO(b"---\ngroups: [hr]\n---\nThe list of zanzibar96.\n")
        files = UploadedFiles(library)
        run_transaction(library, lambda c: files.put(c, "list.md", later, replace=True))
        reply = ana.get(address)
        assert (reply.status_code, reply.json()["code"]) == (409, "file_changed")
        assert servers.whole.with_key("boss", "admin").get(address).status_code == 200
        again = io.BytesIO(uploaded["files"][1])
        run_transaction(library, lambda c: files.put(c, "list.md", again, replace=True))
        assert ana.get(address).content == uploaded["files"][1]
        assert ana.delete(address.removesuffix("/original")).is_success
    finally:
        servers.whole.forget_keys()


@pytest.mark.parametrize("name", ["hr/7.md", "open/marked.md", "sales/returns.md", "none.md"])
def test_mcp_gives_what_a_server_gives_that_never_held_it(servers: Servers, name):
    caller = Caller("ana", "1", "read", groups=join_groups(["sales"]))
    told = [_ask_by_mcp(each.kb, caller, name) for each in (servers.whole, servers.never)]
    assert told[0] == told[1]


def _ask_by_mcp(kb: KnowledgeBase, caller: Caller, name: str) -> list[str]:
    backend = Backend(kb, Limits(kb.config.serve)).seen_by(caller)
    told = []
    for ask_backend in (
        lambda: backend.read_document(caller, "documents", name),
        lambda: backend.read_passage(caller, f"{document_id('documents', name)}:00000"),
        lambda: backend.list_documents(caller),
        lambda: backend.list_documents(caller, search=name),
        lambda: backend.search_passages(caller, name, 5, [], None),
        lambda: backend.describe_tables(caller, None),
        lambda: backend.describe_tables(caller, ["secrets"]),
    ):
        try:
            told.append(str(ask_backend()))
        except Problem as problem:
            told.append(str(problem))
    return [re.sub(r"(modified|modified_at|indexed_at|score)\S+ ?\S+", "…", text) for text in told]
