"""Who may call what: keys, their scopes, collections and limits, and callers without one."""

import json
import logging
import socket
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from http.client import HTTPConnection

import httpx
import nginx
import pytest
from api_server import configured, database_of, events, running
from model_server import FakeModels
from typer.testing import CliRunner

from kb.api.guards.access import Caller, with_token
from kb.api.guards.wrong_keys import _find_network
from kb.app import KnowledgeBase
from kb.cli import app as command_line
from kb.config.loading import load_config
from kb.config.sections import Config
from kb.verified_query_file import new_query
from stores.api_keys import ApiKey, ApiKeys
from stores.errors import ConfigError, StoreError
from stores.verified_queries import Editor, VerifiedQueries


@pytest.fixture(scope="module")
def _api(server, tmp_path_factory):
    with FakeModels() as models, database_of(server) as url:
        config = configured(url, tmp_path_factory.mktemp("api"), models, models)
        with running(config) as api:
            api.kb.index()
            yield api


@pytest.fixture
def served(_api):
    yield _api
    _api.forget_keys()


def test_without_any_key_whoever_has_the_token_may_do_everything(served):
    assert served.client.get("/api/status").json()["scope"] == "admin"
    assert served.client.get("/v1/models").status_code == 200
    for path in ("/api/status", "/v1/models", "/api/nowhere"):
        for given in ("", "Bearer", "Bearer x", f"Bearer {served.token}x", f"Basic {served.token}"):
            reply = served.client.get(path, headers={"Authorization": given})
            assert reply.status_code == 401, given
    in_address = httpx.get(f"{served.client.base_url}/api/status", params={"token": served.token})
    assert in_address.status_code == 401, "addresses are in logs"


@nginx.installed
def test_who_comes_through_a_proxy_that_hides_it_has_no_token(served, tmp_path):
    question = {"question": "goods"}
    chat = {"model": "kb-auto", "messages": [{"role": "user", "content": "goods"}]}
    with (
        nginx.before(str(served.client.base_url), tmp_path) as url,
        httpx.Client(base_url=url) as outsider,
    ):
        assert outsider.get("/healthz").status_code == 200
        for method, path, body in (
            ("GET", "/api/status", None),
            ("POST", "/api/ask", question),
            ("POST", "/api/sql", {"sql": "SELECT 1"}),
            ("POST", "/api/jobs", {}),
            ("POST", "/api/markdown", {"texts": ["x"]}),
            ("DELETE", "/api/documents/documents/returns.md", None),
            ("GET", "/v1/models", None),
            ("POST", "/v1/chat/completions", chat),
        ):
            assert outsider.request(method, path, json=body).status_code == 401, path
        token = served.client.headers["Authorization"]
        assert outsider.get("/api/status", headers={"Authorization": token}).status_code == 200


def test_every_start_has_a_token_of_its_own_unless_one_is_set(monkeypatch, tmp_path):
    made = {with_token(Config()).serve.token.get_secret_value() for _ in range(3)}
    assert len(made) == 3
    assert all(len(token) >= 43 for token in made)  # 256 bits
    monkeypatch.setenv("KB_SERVE_TOKEN", "a-token-of-cronjobs")
    monkeypatch.chdir(tmp_path)
    chosen = with_token(load_config())
    assert chosen.serve.token.get_secret_value() == "a-token-of-cronjobs"
    assert "cronjobs" not in repr(chosen)
    for wrong in ("short", "with a space in it", "<script>alert(1)</script>"):
        monkeypatch.setenv("KB_SERVE_TOKEN", wrong)
        with pytest.raises(ConfigError, match="at least 16 letters") as refused:
            load_config()
        assert wrong not in str(refused.value)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "kb.evil.example"}, 421),
        ({"Host": "127.0.0.1.evil.example:8080"}, 421),
        ({"Host": ""}, 421),
        ({"Host": "[::1"}, 421),
        ({"Origin": "http://["}, 403),
        ({"Host": "localhost:8080"}, 200),
        ({"Host": "[::1]:8080"}, 200),
        ({"Host": "localhost", "Origin": "http://localhost"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "http://localhost:9999"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"X-Forwarded-For": "203.0.113.7"}, 401),
        ({"Forwarded": "for=203.0.113.7"}, 401),
        ({"Via": "1.1 proxy"}, 401),
        ({"X-Forwarded-Host": "kb.evil.example"}, 401),
        ({"X-Forwarded-Proto": "https"}, 401),
        ({"X-Forwarded-Anything": "?"}, 401),
        ({"CF-Connecting-IP": "203.0.113.7"}, 401),
        ({"True-Client-IP": "203.0.113.7"}, 401),
        ({"X-Client-IP": "203.0.113.7"}, 401),
        ({"Client-IP": "203.0.113.7"}, 401),
        ({"Host": "evil@127.0.0.1"}, 421),
        ({"Host": "127.0.0.1/evil"}, 421),
        ({"Host": "localhost:"}, 421),
        ({"Host": "LOCALHOST:8080"}, 200),
    ],
    ids=str,
)
def test_other_sites_and_proxies_reach_nothing_while_no_key_guards_it(served, headers, status):
    assert served.client.get("/api/status", headers=headers).status_code == status


def test_who_names_two_hosts_is_not_believed_either(served):
    url = served.client.base_url
    connection = HTTPConnection(url.host, url.port)
    with closing(connection):
        connection.putrequest("GET", "/api/status")
        connection.putheader("Host", "kb.evil.example")
        connection.putheader("Authorization", f"Bearer {served.token}")
        connection.endheaders()
        assert connection.getresponse().status == 421


def test_from_the_first_key_on_every_request_needs_one(served):
    reader = served.with_key("reader")
    for path in ("/api/status", "/api/documents", "/api/sessions", "/v1/models", "/api/jobs"):
        reply = served.client.get(path)
        assert reply.status_code == 401
        assert reply.headers["www-authenticate"] == "Bearer"
    assert reader.get("/api/status").json()["key"] == "reader"
    assert served.client.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    "key", ["?", "kb", "kb-", "kb--", "kb-é-x", "kb-{id}-wrong", "{key}x", "x{key}", "{upper}"]
)
def test_a_wrong_key_is_refused(served, key):
    secret = ApiKeys(served.kb.components.engine).create("reader", "read")
    given = key.format(key=secret, id=secret.split("-")[1], upper=secret.upper())
    headers = {b"Authorization": f"Bearer {given}".encode()}
    assert served.client.get("/api/status", headers=headers).status_code == 401


def test_wrong_keys_cost_little_and_right_ones_of_the_same_address_are_served(served, monkeypatch):
    looked_up = []
    right, gone = served.with_key("right"), served.with_key("gone")
    ApiKeys(served.kb.components.engine).revoke("gone")
    look_up = ApiKeys.find_presented
    monkeypatch.setattr(
        ApiKeys, "find_presented", lambda self, text: looked_up.append(text) or look_up(self, text)
    )
    statuses = []
    for number in range(60):
        wrong = {
            "Authorization": f"Bearer kb-{number:012x}-{'x' * 43}",
            "X-Forwarded-For": f"203.0.113.{number}",
        }
        statuses.append(served.client.get("/api/status", headers=wrong).status_code)
    assert statuses == [401] * 30 + [429] * 30
    assert len(looked_up) == 30
    reply = gone.get("/api/status")
    assert (reply.status_code, reply.json()["title"]) == (429, "Too many wrong keys")
    assert 1 <= int(reply.headers["retry-after"]) <= 60
    assert right.get("/api/status").status_code == 200
    time.sleep(1)
    assert served.with_key("new").get("/api/status").status_code == 200
    ApiKeys(served.kb.components.engine).revoke("right")
    assert right.get("/api/status").status_code in (401, 429)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8::7:1", "2001:db8::/64"),
        ("2001:db8::7:2", "2001:db8::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("", ""),
    ],
)
def test_an_address_counts_with_those_that_its_holder_has_too(address, network):
    assert _find_network(address) == network


def test_a_revoked_key_is_refused_from_the_next_request_on(served):
    reader = served.with_key("reader")
    assert reader.get("/api/status").status_code == 200
    ApiKeys(served.kb.components.engine).revoke("reader")
    assert reader.get("/api/status").status_code == 401
    assert served.client.get("/api/status").status_code == 401  # the last key opens no door


def test_a_key_is_refused_from_the_second_on_that_it_expires(served):
    keys = ApiKeys(served.kb.components.engine)
    brief = served.with_key("brief", expires=datetime.now(UTC) + timedelta(seconds=2))
    assert brief.get("/api/status").status_code == 200
    time.sleep(2)
    reply = brief.get("/api/status")
    assert (reply.status_code, reply.json()["detail"][:19]) == (401, "The key has expired")
    secret = brief.headers["authorization"][:-1] + "."
    reply = brief.get("/api/status", headers={"Authorization": secret})
    assert "expired" not in reply.text, "only who holds the key may know"
    [key] = keys.list_keys()
    assert key.is_expired


def test_it_takes_more_than_writing_to_verify_queries():
    key = ApiKey("1", "ana", "write")
    assert not Caller.from_key(key).may_verify
    assert Caller.from_key(replace(key, verifies=True)).may_verify
    assert Caller.from_key(replace(key, scope="admin")).may_verify
    assert not Caller.from_key(replace(key, scope="admin", only="documents")).may_verify


def test_a_scope_allows_what_is_below_it(served):
    clients = {scope: served.with_key(scope, scope) for scope in ("read", "write", "admin")}
    for needed, method, path, body in (
        ("read", "GET", "/api/documents", None),
        ("write", "GET", "/api/jobs", None),
        ("admin", "DELETE", "/api/verified/none", None),
        ("write", "DELETE", "/api/documents/documents/none.md", None),
        ("admin", "POST", "/api/jobs", {}),
    ):
        for rank, client in enumerate(clients.values()):
            status = client.request(method, path, json=body).status_code
            is_allowed = rank >= ["read", "write", "admin"].index(needed)
            assert (status != 403) == is_allowed, (path, rank, status)


def test_a_key_of_other_collections_sees_nothing_of_these(served):
    known = served.kb.search("goods")[0].node_id
    outsider = served.with_key("outsider", "write", collections=["elsewhere"])
    insider = served.with_key("insider", collections=["documents"])
    outcast = served.with_key("outcast", collections=[])
    for client, sees in ((insider, True), (outsider, False), (outcast, False)):
        for filters in ({}, {"root": "documents"}, {"root": ["documents", "elsewhere"]}):
            body = {"question": "goods", "filters": filters}
            assert bool(client.post("/api/search", json=body).json()) == sees
        assert bool(client.get("/api/documents").json()["total"]) == sees
        assert bool(client.get("/api/documents?root=documents").json()["total"]) == sees
        assert (client.get(f"/api/chunks/{known}").status_code == 200) == sees
        original = client.get("/api/documents/documents/returns.md/original")
        assert (original.status_code == 200) == sees
        status = client.get("/api/status").json()
        assert (bool(status["roots"]), status["documents"]) == (sees, 3 if sees else 0)
    answer = outsider.post("/api/ask", json={"question": "goods", "source": "documents"}).json()
    assert answer["citations"] == []
    for method, path in (("DELETE", "kettle.md"), ("POST", "kettle.md/retry")):
        reply = outsider.request(method, f"/api/documents/documents/{path}")
        assert reply.status_code == 404


def test_a_key_of_other_collections_neither_begins_nor_sees_jobs_of_these(served):
    insider, outsider = (
        served.with_key(name, "admin", collections=[name]) for name in ("documents", "elsewhere")
    )
    job = insider.post("/api/jobs", json={}).json()
    assert insider.get(f"/api/jobs/{job['id']}").status_code == 200
    assert job["id"] in [each["id"] for each in insider.get("/api/jobs").json()]
    assert outsider.post("/api/jobs", json={"path": ".", "prune": True}).status_code == 422
    assert outsider.get(f"/api/jobs/{job['id']}").status_code == 404
    assert outsider.get("/api/jobs").json() == []


def test_more_requests_than_a_minute_allows_are_told_when_to_come_back(served):
    slow = served.with_key("slow", requests_per_minute=3)
    other = served.with_key("other")
    statuses = [slow.get("/api/status").status_code for _ in range(5)]
    assert statuses == [200, 200, 200, 429, 429]
    reply = slow.get("/api/status", headers={"X-Forwarded-For": "10.0.0.9"})
    assert reply.status_code == 429
    assert 1 <= int(reply.headers["retry-after"]) <= 60
    assert other.get("/api/status").status_code == 200


def test_a_key_that_has_spent_its_tokens_asks_no_model_until_tomorrow(served):
    poor = served.with_key("poor", tokens_per_day=1)
    body = {"question": "When do goods go back?", "source": "documents"}
    assert poor.post("/api/ask", json=body).status_code == 200
    for path, question in (
        ("/api/ask", body),
        ("/api/ask", {**body, "stream": True}),
        ("/api/sessions/s/turns", {"message": "Goods?"}),
        ("/api/sql", {"question": "Cities?"}),
        (
            "/v1/chat/completions",
            {"model": "kb-auto", "messages": [{"role": "user", "content": "x"}]},
        ),
    ):
        reply = poor.post(path, json=question)
        assert reply.status_code == 429
        assert int(reply.headers["retry-after"]) <= 86400
    assert poor.post("/api/search", json={"question": "goods"}).status_code == 200


def test_a_stream_counts_its_tokens_too_and_so_do_embeddings(served):
    body = {"question": "When do goods go back?", "source": "documents"}
    streamer = served.with_key("poor streamer", tokens_per_day=1)
    assert events(streamer, "/api/ask", body)[-1][0] == "done"
    assert streamer.post("/api/ask", json=body).status_code == 429
    embedder = served.with_key("poor embedder", tokens_per_day=1)
    statuses = [
        embedder.post("/v1/embeddings", json={"model": "kb-embedding", "input": "x"}).status_code
        for _ in range(2)
    ]
    assert statuses == [200, 429]


def test_who_may_not_call_is_refused_before_anything_is_read_of_what_they_send(served):
    reader = served.with_key("reader")
    of_json = {"content-type": "application/json"}
    assert served.client.post("/api/ask", content=b"{", headers=of_json).status_code == 401
    assert served.client.get("/api/nowhere").status_code == 401
    assert served.client.put("/api/ask").status_code == 401
    small, large = ({"files": ("a.txt", b"x" * size)} for size in (1, 2 * 2**20))
    assert reader.post("/api/documents", files=small).status_code == 403
    assert reader.post("/api/documents", files=large).status_code == 413


def test_a_body_that_grows_too_large_is_broken_off(served):
    def pieces():
        for _ in range(40):
            yield b'{"question": "' + b"x" * 100_000

    reply = served.client.post(
        "/api/ask", content=pieces(), headers={"content-type": "application/json"}
    )
    assert reply.status_code == 413
    assert reply.json()["detail"] == "It takes at most 1 MB."
    large = json.dumps({"question": "x" * 2_000_000})
    assert served.client.post("/api/ask", content=large).status_code == 413


def test_the_access_log_tells_who_asked_for_what_and_no_contents(served, caplog):
    reader = served.with_key("reader")
    secret = reader.headers["authorization"].split()[1]
    logging.getLogger("kb.access").propagate = True
    with caplog.at_level(logging.INFO, "kb.access"):
        reader.get("/api/sessions/canary-session?search=canary-words")
        reader.post("/api/search", json={"question": "canary-question"})
        reader.get("/api/canary-path")
        served.client.get("/api/chunks/canary-chunk")
        for _ in range(100):
            if len(caplog.records) == 4:  # a line is written when its response is sent
                break
            time.sleep(0.02)
    lines = [json.loads(record.message) for record in caplog.records if record.name == "kb.access"]
    assert [(each["key"], each["route"], each["status"]) for each in lines] == [
        ("reader", "/api/sessions/{session_id}", 404),
        ("reader", "/api/search", 200),
        ("reader", None, 404),
        (None, "/api/chunks/{chunk_id:path}", 401),
    ]
    assert all(each["ms"] >= each["first_byte_ms"] > 0 for each in lines)
    assert "canary" not in caplog.text
    assert secret not in caplog.text


def test_keys_are_kept_as_digests_and_a_name_is_given_once(served):
    keys = ApiKeys(served.kb.components.engine)
    secret = keys.create("Ana", "write", collections=["documents"], requests_per_minute=5)
    with served.kb.components.engine.connect() as connection:
        row = str(connection.exec_driver_sql("SELECT * FROM kb_api_key").all())
    assert secret.split("-", 2)[2] not in row
    assert secret.split("-", 2)[2] not in str(keys.list_keys())
    assert len(secret.split("-", 2)[2]) >= 43  # 256 bits
    looking_alike = ("Ana ", " Ana", "A  na", "A\u00a0na", "Ana\u200b", "An\u200da", "Ana\u3164")
    for name in ("", " ", "a\nb", "\x1b[2J", "a" * 191, *looking_alike, "Ana\ufe0f", "\u2800"):
        with pytest.raises(StoreError, match="visible characters"):
            keys.create(name, "read")
    keys.revoke("Ana")
    with pytest.raises(StoreError, match="was, a key named 'Ana'"):
        keys.create("Ana", "read")
    with pytest.raises(StoreError, match="No key named 'Ana' is in use"):
        keys.revoke("Ana")


def test_another_address_than_this_machines_needs_a_key(server, tmp_path):
    with FakeModels() as models, database_of(server) as url:
        config = configured(url, tmp_path, models, None)
        with running(config, host="0.0.0.0") as api:
            assert api.client.get("/api/status").status_code == 401
            assert api.client.get("/v1/models").status_code == 401
            assert api.with_key("reader").get("/api/status").status_code == 200
            headers = {"Host": "kb.example.org", "Origin": "https://kb.example.org"}
            assert api.client.get("/healthz", headers=headers).status_code == 200


def test_the_command_refuses_other_addresses_until_a_key_exists(server, tmp_path, monkeypatch):
    served_on = []
    monkeypatch.setattr("kb.api.serve.run", lambda config, host, *_: served_on.append(host))
    with FakeModels() as models, database_of(server) as url:
        file = tmp_path / "config.yaml"
        file.write_text(
            f"database: {{url: '{url.render_as_string(hide_password=False)}'}}\n"
            f"embedding: {{provider: openai-like, model: fake, base_url: '{models.openai_url}'}}\n"
        )
        run = CliRunner().invoke
        asked = ["--config", str(file), "serve", "--host", "0.0.0.0"]
        refused = run(command_line, asked)
        assert refused.exit_code == 1
        assert "kb key create" in refused.output
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            refused = run(command_line, ["--config", str(file), "serve", "--port", port])
        assert (refused.exit_code, served_on) == (1, [])
        assert f"Port {port} of 127.0.0.1 cannot be served on" in refused.output
        of_budget = ["--config", str(file), "key", "create", "ana", "--budget", "5"]
        refused = run(command_line, of_budget)
        assert (refused.exit_code, "cost.prices" in refused.output) == (2, True)
        of_none = ["--config", str(file), "key", "create", "ana", "--collection", "nope"]
        assert "No indexed directory is named nope" in run(command_line, of_none).output
        for wrong in ("soon", "0d", "2020-01-31", "99999999d"):
            expires = ["--config", str(file), "key", "create", "ana", "--expires", wrong]
            assert run(command_line, expires).exit_code == 2
        both = ["--config", str(file), "key", "create", "ana", "--verify", "--only", "documents"]
        assert run(command_line, both).exit_code == 2
        bea = ["--config", str(file), "key", "create", "bea", "--verify", "--only", "tables"]
        created = run(command_line, [*bea, "--expires", "2999-01-31", "--json"])
        about = {"name": "bea", "scope": "read", "only": "tables", "verifies": True}
        assert json.loads(created.stdout).items() >= about.items()
        listed = run(command_line, ["--config", str(file), "key", "list"])
        assert "bea · read · verifies · tables only · since " in listed.stdout
        assert listed.stdout.endswith("· until 2999-01-31 00:00 UTC\n")
        created = run(command_line, ["--config", str(file), "key", "create", "ana", "--json"])
        assert json.loads(created.stdout)["key"].startswith("kb-")
        assert run(command_line, asked).exit_code == 0
        listed = run(command_line, ["--config", str(file), "key", "list"])
        assert "ana · read · all documents" in listed.stdout
        with KnowledgeBase.open(file) as kb:
            query = new_query("How many?", "SELECT 1", "ana", date(2026, 1, 2), name="many")
            VerifiedQueries(kb.components.engine).save(query, Editor("ana", is_key=True))
        revoked = run(command_line, ["--config", str(file), "key", "revoke", "ana"])
        assert revoked.exit_code == 0
        assert "Queries that it has verified still answer: many." in revoked.stderr
        assert "revoked" in run(command_line, ["--config", str(file), "key", "list"]).stdout
    assert served_on == ["0.0.0.0"]


def test_a_key_in_the_address_is_no_key(served):
    reader = served.with_key("reader")
    secret = reader.headers["authorization"].split()[1]
    reply = httpx.get(f"{served.client.base_url}/api/status", params={"key": secret})
    assert reply.status_code == 401
