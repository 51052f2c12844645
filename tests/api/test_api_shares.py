"""What one key has under way leaves room for the others."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Event

import pytest
from api_server import configured, database_of, running, unfinished, wait_until
from fake_models import hashed_words
from model_server import FakeModels, Request, Vectors

from kb.api.guards import overload
from kb.api.routes import documents

pytestmark = pytest.mark.slow
SECONDS = 4  # that a statement may take, and more than a request waits for others of its key
ENDLESS = f"SELECT COUNT(*) FROM {', '.join(f'orders o{n}' for n in range(40))}"
QUICK = {"sql": "SELECT city FROM orders WHERE id = 7"}


@pytest.fixture(scope="module")
def models():
    with FakeModels(default="SELECT city FROM orders") as models:
        yield models


@pytest.fixture(scope="module")
def embeddings():
    """A server of its own: a question's vector takes no reply from the script of the other."""
    with FakeModels() as embeddings:
        yield embeddings


@pytest.fixture(scope="module")
def served(server, models, embeddings, tmp_path_factory):
    with database_of(server) as url:
        times = {"timeout": SECONDS, "export_timeout": SECONDS}
        tables = {"url": url, "include": ["orders"], **times}
        config = configured(
            *(url, tmp_path_factory.mktemp("shares"), embeddings, models),
            tables={**tables, "allow_powerful_account": True},
        )
        with running(config) as api:
            api.kb.index()
            yield api


@pytest.fixture
def greedy(served):
    yield served.with_key("greedy")
    served.forget_keys()


@pytest.fixture
def modest(served, greedy):
    return served.with_key("modest")


def asked(client, path, body):
    begin = time.monotonic()
    return client.post(path, json=body), time.monotonic() - begin


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/sql", {"sql": ENDLESS}),
        ("/api/sql.csv", {"sql": ENDLESS}),
        ("/api/sessions/s{}/turns", {"message": "Cities?", "source": "database"}),
    ],
    ids=["statement", "csv", "answer"],
)
def test_who_asks_for_much_of_the_tables_keeps_nobody_else_waiting(
    served, models, greedy, modest, path, body
):
    models.script = [ENDLESS] * 5 if "message" in body else []
    with ThreadPoolExecutor(6) as pool:
        many = [pool.submit(asked, greedy, path.format(number), body) for number in range(5)]
        time.sleep(0.7)
        with served.kb.components.engine.connect() as connection:
            rows = connection.exec_driver_sql("SHOW PROCESSLIST").all()
        assert sum(str(row[7] or "").startswith("SELECT COUNT(*) FROM orders") for row in rows) == 2
        reply, seconds = asked(modest, "/api/sql", QUICK)
        assert (reply.status_code, reply.json()["rows"]) == (200, [["Lyon"]])
        assert seconds < 2
        question = {"question": "When do goods go back?", "source": "documents"}
        reply, seconds = asked(modest, "/api/ask", question)
        assert (reply.status_code, reply.json()["route"]) == (200, "documents")
        assert seconds < 2.5
        if "sql" in body:
            statuses = sorted(each.result()[0].status_code for each in many)
            assert statuses == [422] * 2 + [429] * 3
            refused = next(each for each in many if each.result()[0].status_code == 429)
            told = refused.result()[0]
            assert told.json()["detail"].startswith(
                "No more than 2 of your statements may be under way"
            )
            assert told.headers["retry-after"] == "2"


def test_who_uploads_much_keeps_nobody_else_waiting(served, modest, monkeypatch):
    def slowly(name, _head=b""):
        time.sleep(SECONDS if name.startswith("slow") else 0)

    monkeypatch.setattr(documents, "why_secret", slowly)
    busy, other = served.with_key("busy", "write"), served.with_key("other", "write")
    sent = [{"files": (f"slow{number}.md", "# Words")} for number in range(10)]
    with ThreadPoolExecutor(10) as pool:
        many = [pool.submit(busy.post, "/api/documents", files=each) for each in sent]
        time.sleep(0.5)
        begin = time.monotonic()
        assert modest.get("/api/documents").status_code == 200
        assert other.post("/api/documents", files={"files": ("b.md", "#")}).status_code == 202
        assert time.monotonic() - begin < 2
        replies = [each.result() for each in many]
    assert sorted(each.status_code for each in replies) == [202] + [429] * 9
    [refused, *_] = [each for each in replies if each.status_code == 429]
    assert refused.json()["detail"].startswith("No more than 1 of your uploads may be under way")


def test_pictures_are_not_looked_into(served, greedy, monkeypatch):
    looked: list[str] = []
    monkeypatch.setattr(documents, "why_secret", lambda name, _head=b"": looked.append(name))
    files = [("files", (name, "# Words")) for name in ("a.png", "b.mp4", "c.md")]
    writer = served.with_key("writer", "write")
    assert writer.post("/api/documents", files=files).json()["passed_over"] == ["a.png", "b.mp4"]
    assert set(looked) == {"c.md"}


def test_who_has_much_embedded_keeps_nobody_else_waiting(embeddings, greedy, modest):
    begun = Event()

    def embed_slowly(request: Request) -> Vectors:
        """Answer as the server of models does without a script; what is asked here comes late."""
        if "slow" in request.body["input"]:
            begun.set()
            time.sleep(SECONDS)
        return Vectors([hashed_words(text, 8) for text in request.body["input"]])

    embeddings.script = [embed_slowly] * 100  # jobs of the uploads before take some of them
    slow = {"model": "kb-embedding", "input": ["slow", *["x"] * 249]}
    with ThreadPoolExecutor(5) as pool:
        many = [pool.submit(asked, greedy, "/v1/embeddings", slow) for _ in range(5)]
        assert begun.wait(5)
        reply, seconds = asked(modest, "/v1/embeddings", {**slow, "input": "x"})
        assert reply.status_code == 200
        assert seconds < 2
        statuses = sorted(each.result()[0].status_code for each in many)
    assert statuses == [200] + [429] * 4


def test_keys_are_looked_up_while_all_other_threads_are_held(served, greedy, modest):
    engine = served.kb.components.engine
    with ThreadPoolExecutor(10) as pool, engine.connect() as connection:
        connection.exec_driver_sql("LOCK TABLES kb_document WRITE")  # which the status counts
        held = [pool.submit(greedy.get, "/api/status") for _ in range(10)]
        time.sleep(0.3)
        reply, seconds = asked(modest, "/api/ask", {})
        waited = [each for each in held if not each.done()]
        connection.exec_driver_sql("UNLOCK TABLES")
    assert (reply.status_code, seconds < 1, bool(waited)) == (422, True, True)


def test_bodies_that_one_key_does_not_end_shut_nobody_else_out(greedy, modest):
    most = (overload._WRITTEN_ANSWERS + overload._OTHER_REQUESTS) // 4
    with ExitStack() as stack:
        for _ in range(most + 30):  # a busy machine refuses some
            stack.enter_context(unfinished(greedy, "/api/ask"))
        wait_until(lambda: greedy.get("/api/profiles").status_code == 429)
        assert modest.get("/api/profiles").status_code == 200
    wait_until(lambda: greedy.get("/api/profiles").status_code == 200)


def test_who_has_much_markdown_read_keeps_nobody_else_waiting(greedy, modest):
    slow = {"texts": ["*a " * 66_000]}
    with ThreadPoolExecutor(5) as pool:
        many = [pool.submit(asked, greedy, "/api/markdown", slow) for _ in range(8)]
        time.sleep(0.2)
        reply, seconds = asked(modest, "/api/markdown", {"texts": ["*x*"]})
        assert (reply.status_code, reply.json()["html"]) == (200, ["<p><em>x</em></p>\n"])
        assert seconds < 3
        statuses = [each.result()[0].status_code for each in many]
    assert set(statuses) <= {200, 429}
    assert statuses.count(200) <= 5, "a million characters a minute"
    reply = greedy.post("/api/markdown", json=slow)
    assert reply.status_code == 429
    assert 1 <= int(reply.headers["retry-after"]) <= 60
