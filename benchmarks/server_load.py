"""`kb serve` under load: users on a slow model, searches without one, clients that go away."""

import argparse
import asyncio
import contextlib
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import aiohttp
import uvicorn
import yaml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

from kb.config.loading import load_config
from stores.connection import make_engine
from stores.private_server import PrivateServer

ROOT = Path(__file__).parents[1]
PORT, MODEL_PORT = 8191, 8192
BASE = f"http://127.0.0.1:{PORT}"
TOKEN = secrets.token_urlsafe(32)
QUESTIONS = (
    "How long can a customer return a machine?",
    "How do I descale the Brume?",
    "What does error E31 mean?",
    "Which warranty does the Galet have?",
    "Wie lange dauert der Versand?",
    "Comment détartrer la machine ?",
)


@dataclass
class SlowModel:
    """Streams `words` words, one every `pause` seconds; `active` answers are under way."""

    words: int
    pause: float
    active: int = 0
    idle: asyncio.Event = field(default_factory=asyncio.Event)

    def app(self) -> Starlette:
        routes = [
            Route("/v1/chat/completions", self._complete, methods=["POST"]),
            Route("/v1/models", lambda _: JSONResponse({"data": [{"id": "slow"}]})),
        ]
        return Starlette(routes=routes)

    async def _complete(self, request: Request) -> Any:
        body = await request.json()
        if not body.get("stream"):
            message = {"role": "assistant", "content": '{"route": "documents", "reason": "asked"}'}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            return JSONResponse({"id": "x", "object": "chat.completion", "choices": [choice]})
        return StreamingResponse(self._words(), media_type="text/event-stream")

    async def _words(self) -> AsyncIterator[str]:
        self.active += 1
        self.idle.clear()
        try:
            for number in range(self.words):
                await asyncio.sleep(self.pause)
                yield _chunk({"content": f"word{number} [1] "}, None)
            yield _chunk({}, "stop")
            yield "data: [DONE]\n\n"
        finally:
            self.active -= 1
            if not self.active:
                self.idle.set()


def _chunk(delta: dict[str, Any], reason: str | None) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    chunk = {"id": "x", "object": "chat.completion.chunk", "choices": [choice]}
    return f"data: {json.dumps(chunk)}\n\n"


@dataclass
class Measured:
    milliseconds: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)

    def row(self, what: str, seconds: float) -> str:
        rate = len(self.milliseconds) / seconds
        parts = [
            what,
            f"{len(self.milliseconds)} done",
            f"{rate:.0f}/s",
            _quantiles(self.milliseconds),
        ]
        if self.first:
            parts.append(f"first word {_quantiles(self.first)}")
        parts.append(f"healthz {_quantiles(self.lags)}")
        return " | ".join([*parts, f"errors {len(self.errors)} {self.errors[:2]}"])


def _quantiles(values: list[float]) -> str:
    cuts = statistics.quantiles(values, n=100)
    return f"p50 {cuts[49]:.0f} p95 {cuts[94]:.0f} max {max(values):.0f} ms"


async def chat(client: aiohttp.ClientSession, measured: Measured, user: int, turns: int) -> None:
    for turn in range(turns):
        question = QUESTIONS[(user + turn) % len(QUESTIONS)]
        body = {"message": question, "stream": True, "source": "documents"}
        begin, names = time.perf_counter(), []
        async with client.post(f"/api/sessions/load-{user}/turns", json=body) as reply:
            async for line in reply.content:
                if line.startswith(b"event: "):
                    names.append(line[7:].strip().decode())
                    if names[-1] == "token" and names.count("token") == 1:
                        measured.first.append((time.perf_counter() - begin) * 1000)
        measured.milliseconds.append((time.perf_counter() - begin) * 1000)
        if not reply.ok or names[-1:] != ["done"]:
            measured.errors.append(f"{reply.status} {names[-1:]}")


async def search(client: aiohttp.ClientSession, measured: Measured, number: int) -> None:
    begin = time.perf_counter()
    body = {"question": f"{QUESTIONS[number % len(QUESTIONS)]} {number % 50}"}
    try:
        async with client.post("/api/search", json=body) as reply:
            found = await reply.read()
    except (aiohttp.ClientError, TimeoutError) as error:
        measured.errors.append(type(error).__name__)
        return
    measured.milliseconds.append((time.perf_counter() - begin) * 1000)
    if not reply.ok or not json.loads(found):
        measured.errors.append(str(reply.status))


async def searches(
    client: aiohttp.ClientSession, measured: Measured, rate: int, seconds: int
) -> None:
    """As many a second as are wanted, whether or not the earlier ones are answered."""
    begin = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(rate * seconds):
            await asyncio.sleep(max(0.0, begin + number / rate - time.perf_counter()))
            group.create_task(search(client, measured, number))


async def watched(
    client: aiohttp.ClientSession, measured: Measured, load: Awaitable[Any]
) -> tuple[float, Measured]:
    async def look() -> None:
        while True:
            begin = time.perf_counter()
            async with client.get("/healthz") as reply:
                await reply.read()
            measured.lags.append((time.perf_counter() - begin) * 1000)
            await asyncio.sleep(0.05)

    looking, begin = asyncio.create_task(look()), time.perf_counter()
    await load
    looking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await looking
    return time.perf_counter() - begin, measured


async def left(client: aiohttp.ClientSession, model: SlowModel, users: int) -> str:
    """Everybody goes away after the first word."""

    async def leave(user: int) -> None:
        body = {"message": QUESTIONS[0], "stream": True, "source": "documents"}
        async with client.post(f"/api/sessions/left-{user}/turns", json=body) as reply:
            async for line in reply.content:
                if line == b"event: token\n":
                    return

    await asyncio.gather(*map(leave, range(users)))
    begin, before = time.perf_counter(), model.active
    if before:
        await asyncio.wait_for(model.idle.wait(), 30)
    freed = time.perf_counter() - begin
    await asyncio.sleep(1)
    states = {await _state(client, f"left-{user}") for user in range(users)}
    return f"clients that leave | {before} answers end within {freed:.2f} s | {states}"


async def _state(client: aiohttp.ClientSession, session: str) -> str:
    async with client.get(f"/api/sessions/{session}") as reply:
        return str((await reply.json())["turns"][0]["status"])


def _memory(process: int) -> int:
    """Megabytes of a server and its processes."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    status = [Path(f"/proc/{each}/status").read_text() for each in (process, *children)]
    return sum(int(each.partition("VmRSS:")[2].split()[0]) for each in status) // 1024


def _connections(home: Path) -> int:
    config = load_config()
    engine = make_engine(PrivateServer(home, config.cache, mariadbd=config.mariadbd).url("kb"))
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SHOW PROCESSLIST").all()
    engine.dispose()
    return len(rows) - 1


@contextlib.contextmanager
def served(home: Path, llm: dict[str, Any], processes: int) -> Any:
    config = home / "config.yaml"
    sections = {"documents": {"path": str(ROOT / "data/documents")}, "llm": llm}
    config.write_text(yaml.safe_dump(sections))
    environment = {**os.environ, "KB_HOME": str(home), "KB_SERVE_TOKEN": TOKEN}
    kb = [sys.executable, "-m", "kb", "--config", str(config)]
    subprocess.run([*kb, "index"], env=environment, check=True, stdout=subprocess.DEVNULL)
    arguments = ["serve", "--port", str(PORT)] + (
        ["--processes", str(processes)] if processes > 1 else []
    )
    log = (home / "serve.log").open("w")
    process = subprocess.Popen([*kb, *arguments], env=environment, stdout=log, stderr=log)
    try:
        for _ in range(200):
            with contextlib.suppress(OSError), urlopen(f"{BASE}/readyz"):
                break
            time.sleep(0.1)
        yield process
    finally:
        process.terminate()
        process.wait()


def _client() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        BASE,
        headers={"Authorization": f"Bearer {TOKEN}"},
        connector=aiohttp.TCPConnector(limit=500),
        timeout=aiohttp.ClientTimeout(total=60),
    )


async def measure(home: Path, arguments: argparse.Namespace) -> None:
    model = SlowModel(arguments.words, arguments.pause)
    server = uvicorn.Server(uvicorn.Config(model.app(), port=MODEL_PORT, log_level="warning"))
    serving = asyncio.create_task(server.serve())
    llm = {
        "provider": "openai-like",
        "model": "slow",
        "base_url": f"http://127.0.0.1:{MODEL_PORT}/v1",
        "context_window": 32000,
    }
    enter: Callable[..., Any] = served
    with enter(home, llm, arguments.processes) as process:
        async with _client() as client:
            before = _memory(process.pid)
            measured = Measured()
            chats = (
                chat(client, measured, user, arguments.turns) for user in range(arguments.users)
            )
            seconds, _ = await watched(client, measured, asyncio.gather(*chats))
            print(measured.row(f"{arguments.users} users", seconds))
            print(await left(client, model, arguments.users))
            after = _memory(process.pid)
            print(f"memory {before} -> {after} MB | connections {_connections(home)}")
    with enter(home, {"provider": "none"}, arguments.processes) as process:
        async with _client() as client:
            await search(client, Measured(), 0)
            measured = Measured()
            load = searches(client, measured, arguments.rate, arguments.seconds)
            seconds, _ = await watched(client, measured, load)
            print(measured.row(f"{arguments.rate} searches/s", seconds))
            print(f"memory {_memory(process.pid)} MB | connections {_connections(home)}")
    server.should_exit = True
    await serving


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=32)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--words", type=int, default=40)
    parser.add_argument("--pause", type=float, default=0.1)
    parser.add_argument("--rate", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--home", type=Path, help="keep the private server and its data here")
    arguments = parser.parse_args()
    if arguments.home:
        arguments.home.mkdir(parents=True, exist_ok=True)
        asyncio.run(measure(arguments.home, arguments))
        return
    with tempfile.TemporaryDirectory(prefix="kb-bench-", dir="/tmp") as home:
        asyncio.run(measure(Path(home), arguments))


if __name__ == "__main__":
    main()
