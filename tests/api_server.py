"""A server on a port of its own, over a small knowledge base, for tests that speak HTTP."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import sqlalchemy as sa
import uvicorn
from described_answers import DescribedAnswers
from fastapi import FastAPI
from model_server import FakeModels

from kb.api.application import make_app
from kb.api.guards.access import with_token
from kb.api.guards.limits import Limits
from kb.app import KnowledgeBase
from kb.config.sections import Config
from stores.api_keys import ApiKeys
from stores.connection import make_engine
from stores.private_server import PrivateServer
from stores.registry.schema import create_database

DOCUMENTS = {
    "returns.md": "---\ncategory: policy\n---\n# Returns\n\nGoods go back within 30 days.\n",
    "kettle.md": "---\ncategory: manual\n---\n# Kettle\n\nThe kettle boils in 3 minutes.\n",
    "page.html": "<html><title>Page</title><body><p>A page about lamps.</p></body></html>",
}


@dataclass(frozen=True)
class Api:
    """A running server: a client with the token of its start, and the knowledge base behind it."""

    client: httpx.Client
    app: FastAPI
    kb: KnowledgeBase
    closing: ExitStack

    def with_key(self, name: str, scope: Any = "read", **limits: Any) -> httpx.Client:
        """A client with a new key; from then on every request needs one."""
        secret = ApiKeys(self.kb.components.engine).create(name, scope, **limits)
        headers = {"Authorization": f"Bearer {secret}"}
        client = httpx.Client(base_url=self.client.base_url, headers=headers, timeout=30)
        return self.closing.enter_context(client)

    @property
    def token(self) -> str:
        return self.client.headers["Authorization"].removeprefix("Bearer ")

    def forget_keys(self) -> None:
        """And what was counted of them."""
        self.closing.close()
        self.app.state.limits = Limits(self.kb.config.serve)
        with self.kb.components.engine.begin() as connection:
            connection.exec_driver_sql("DELETE FROM kb_api_key")

    def finished(self, job: dict[str, Any]) -> dict[str, Any]:
        """The job at its end."""
        for _ in range(300):
            told = self.client.get(f"/api/jobs/{job['id']}").json()
            if told["status"] in ("done", "failed"):
                return told
            time.sleep(0.05)
        raise AssertionError(f"the job does not end: {told}")


def unfinished(client: httpx.Client, path: str) -> socket.socket:
    """A connection on which most of a body is still to come."""
    url = client.base_url
    sending = socket.create_connection((url.host, url.port))
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {url.netloc.decode()}\r\nContent-Length: 5000\r\n"
        f"Authorization: {client.headers['Authorization']}\r\n\r\n{{"
    )
    sending.sendall(head.encode())
    return sending


def wait_until(is_so: Callable[[], bool]) -> None:
    for _ in range(100):
        if is_so():
            return
        time.sleep(0.05)
    raise AssertionError("it does not come to that")


def events(client: httpx.Client, path: str, body: dict[str, Any]) -> list[tuple[str, Any]]:
    """What a stream tells, event by event."""
    with client.stream("POST", path, json={**body, "stream": True}) as reply:
        return [(name, data) for name, data, _ in read_events(reply)]


def read_events(reply: httpx.Response) -> Iterator[tuple[str, Any, int | None]]:
    """Each event of a stream as it comes: its name, its data and its number, if it has one."""
    assert reply.status_code == 200, reply.read()
    name, number = "", None
    for line in reply.iter_lines():
        kind, _, value = line.partition(": ")
        if kind == "event":
            name, number = value, None
        elif kind == "id":
            number = int(value)
        elif kind == "data":
            yield name, json.loads(value), number


@contextmanager
def database_of(server: PrivateServer) -> Iterator[sa.URL]:
    """A database with a business table, dropped at the end."""
    name = f"api_{uuid4().hex[:12]}"
    admin = make_engine(server.url("mysql"), before_connect=server.ensure_running)
    create_database(admin, name)
    with admin.connect() as connection:
        for statement in (
            f"CREATE TABLE {name}.orders (id INT, city VARCHAR(40) COMMENT 'of the customer')",
            f"CREATE TABLE {name}.secrets (word VARCHAR(40))",
            f"INSERT INTO {name}.orders VALUES (7, 'Lyon'), (8, 'Bern'), (9, NULL)",
            f"INSERT INTO {name}.secrets VALUES ('canary')",
        ):
            connection.exec_driver_sql(statement)
        connection.commit()
    yield server.url(name)
    with admin.connect() as connection:
        connection.exec_driver_sql(f"SET STATEMENT lock_wait_timeout=5 FOR DROP DATABASE {name}")
    admin.dispose()


def configured(
    url: sa.URL, directory: Path, embeddings: FakeModels, llm: FakeModels | None, **sections: Any
) -> Config:
    documents = directory / "documents"
    documents.mkdir(exist_ok=True)
    for name, text in DOCUMENTS.items():
        (documents / name).write_text(text, encoding="utf-8")
    model = {"provider": "openai-like", "model": "fake", "max_retries": 0}
    data: dict[str, Any] = {
        "database": {"url": url},
        "documents": {"path": documents, "filter_keys": ["category"]},
        "embedding": {**model, "base_url": embeddings.openai_url},
        "tables": {"url": url, "include": ["orders"], "allow_powerful_account": True},
        "serve": {"uploads": directory / "uploads"},
        "directory": directory,
        "home": directory,
    }
    if llm:
        data["llm"] = {**model, "base_url": llm.openai_url, "context_window": 8000}
    return Config.model_validate({**data, **sections}, context={"directory": directory})


@contextmanager
def running(config: Config, host: str = "127.0.0.1") -> Iterator[Api]:
    guarded = with_token(config)
    app = make_app(guarded, host=host)
    answers = DescribedAnswers(app)
    server = uvicorn.Server(
        uvicorn.Config(
            *(answers, "127.0.0.1", 0),
            log_level="warning",
            proxy_headers=False,
            timeout_graceful_shutdown=10,
        )
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    headers = {"Authorization": f"Bearer {guarded.serve.token.get_secret_value()}"}
    base_url = f"http://127.0.0.1:{port}"
    with httpx.Client(base_url=base_url, headers=headers, timeout=30) as client:
        try:
            with ExitStack() as closing:
                yield Api(client, app, app.state.kb, closing)
        finally:
            server.should_exit = True
            thread.join()
    assert not answers.drifts, "\n".join(answers.drifts)


@contextmanager
def machine(url: sa.URL, folder: Path, models: FakeModels, **serve: Any) -> Iterator[Api]:
    """A server as on a machine of its own, which sees no folder of another one."""
    folder.mkdir(exist_ok=True)
    config = configured(url, folder, models, None, serve={"machine": folder.name, **serve})
    with running(config) as api:
        yield api
