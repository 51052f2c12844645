"""More than a server can do: what is refused, what still answers, and bodies that do not come."""

import asyncio
from dataclasses import dataclass, field

import httpx
import pytest
from fastapi import FastAPI, Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from kb.api import sse
from kb.api.guards import body_limit, overload
from kb.api.guards.access import Caller
from kb.api.guards.body_limit import BodyLimit
from kb.api.guards.overload import KeyShare, Lane, Overload
from kb.api.problems import Problem, install_problems
from kb.api.routes.health import Readiness
from kb.api.sse import Work, format_event
from stores.errors import TooMuchAtOnce

LET_IN = 3 + overload._OTHER_REQUESTS


OF_A_KEY = LET_IN // 4


@dataclass
class Held:
    """Requests that wait until they may go on."""

    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    let_in: asyncio.Queue[None] = field(default_factory=asyncio.Queue)

    async def all_let_in(self, requests: int = LET_IN) -> None:
        for _ in range(requests):
            await asyncio.wait_for(self.let_in.get(), 5)


class NamedKeys:
    """A request is of the key that it names."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = Headers(scope=scope).get("x-key")
        scope["state"] = {"caller": Caller(name)}
        await self._app(scope, receive, send)


def client_of(app: ASGIApp) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")


def serving(held: Held) -> FastAPI:
    app = FastAPI()
    app.add_middleware(KeyShare, answers=3)
    app.add_middleware(NamedKeys)
    app.add_middleware(Overload, answers=3)
    install_problems(app)

    @app.get("/healthz")
    async def healthz() -> str:
        return "ok"

    @app.get("/slow")
    async def slow() -> str:
        held.let_in.put_nowait(None)
        await held.go_on.wait()
        return "done"

    return app


async def test_beyond_a_short_queue_a_request_is_told_when_to_come_back():
    held = Held()
    async with client_of(serving(held)) as client:
        waiting = [asyncio.create_task(client.get("/slow")) for _ in range(LET_IN)]
        await held.all_let_in()
        refused = await client.get("/slow")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.json()["title"] == "The server is busy"
        assert (await client.get("/healthz")).status_code == 200
        held.go_on.set()
        assert {reply.status_code for reply in await asyncio.gather(*waiting)} == {200}
        assert held.let_in.empty()
        assert (await client.get("/slow")).status_code == 200


async def test_one_key_leaves_places_to_wait_in_to_the_others():
    held, greedy = Held(), {"x-key": "greedy"}
    async with client_of(serving(held)) as client:
        waiting = [
            asyncio.create_task(client.get("/slow", headers=greedy)) for _ in range(OF_A_KEY)
        ]
        await held.all_let_in(OF_A_KEY)
        refused = await client.get("/slow", headers=greedy)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "2")
        assert refused.json()["detail"].startswith(f"{OF_A_KEY} requests of yours are waiting")
        waiting.append(asyncio.create_task(client.get("/slow", headers={"x-key": "modest"})))
        await held.all_let_in(1)
        held.go_on.set()
        assert {reply.status_code for reply in await asyncio.gather(*waiting)} == {200}
        assert (await client.get("/slow", headers=greedy)).status_code == 200


async def test_who_waits_too_long_for_a_thread_is_told_to_come_back(monkeypatch):
    monkeypatch.setattr(overload, "_PATIENCE", 0.05)
    lane, go_on = Lane(1), asyncio.Event()
    loop = asyncio.get_running_loop()

    def held() -> str:
        return asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(5) and "done"

    first = asyncio.create_task(lane.run(held))
    await asyncio.sleep(0)
    with pytest.raises(Problem, match="busy"):
        await lane.run(str, 1)
    go_on.set()
    assert await first == "done"
    assert await lane.run(str, 1) == "1"


async def test_no_more_answers_are_begun_than_can_be_made():
    work, go_on = Work(2), asyncio.Event()
    tasks = [work.begin(Caller(), go_on.wait()) for _ in range(2)]
    with pytest.raises(Problem, match="busy") as caught:
        work.begin(Caller(), go_on.wait())
    assert caught.value.headers["Retry-After"]
    go_on.set()
    await asyncio.gather(*tasks)
    assert work.under_way == 0


@pytest.fixture
def echoing(monkeypatch):
    monkeypatch.setattr(body_limit, "_GRACE", 0.05)
    app = FastAPI()
    install_problems(app)
    app.add_middleware(BodyLimit)

    @app.post("/echo")
    async def echo(request: Request) -> int:
        return len(await request.body())

    return app


async def test_an_answer_that_nobody_reads_ends_with_its_problem_and_never_as_if_whole(monkeypatch):
    monkeypatch.setattr(sse, "_READER_SECONDS", 0.01)

    async def pieces():
        for number in range(200):
            yield format_event("token", {"text": str(number)})

    work = Work(2)
    streamed = work.stream(Caller(), pieces()).body_iterator
    got = [await anext(aiter(streamed))]
    while work.under_way:  # noqa: ASYNC110 - the writer gives up
        await asyncio.sleep(0.01)
    got += [piece async for piece in streamed]
    assert 2 < len(got) < 200
    assert b'"code":"reader_too_slow"' in got[-1]
    assert got[-1].startswith(b"event: error")


async def test_one_key_leaves_half_of_the_answers_to_the_others():
    work, go_on = Work(4), asyncio.Event()
    greedy, modest = Caller("greedy"), Caller("modest")
    tasks = [work.begin(greedy, go_on.wait()) for _ in range(2)]
    with pytest.raises(TooMuchAtOnce, match="2 answers of yours"):
        work.begin(greedy, go_on.wait())
    tasks.append(work.begin(modest, go_on.wait()))
    go_on.set()
    await asyncio.gather(*tasks)
    assert await work.begin(greedy, go_on.wait())


async def test_a_body_that_does_not_come_is_not_waited_for(echoing):
    async def drops():
        for _ in range(100):
            yield b"x"
            await asyncio.sleep(0.01)

    async with client_of(echoing) as client:
        assert (await client.post("/echo", content=b"x" * 1000)).json() == 1000
        reply = await client.post("/echo", content=drops())
    assert reply.status_code == 408
    assert reply.json()["title"] == "Request Timeout"


async def test_what_came_quickly_buys_no_time_for_what_does_not_come(echoing):
    async def stalls():
        yield b"x" * 500_000
        await asyncio.sleep(1)
        yield b"x"

    async with client_of(echoing) as client:
        assert (await client.post("/echo", content=stalls())).status_code == 408


async def test_a_body_may_take_long_as_long_as_it_comes(echoing):
    async def steadily():
        for _ in range(30):
            yield b"x" * 2000
            await asyncio.sleep(0.01)

    async with client_of(echoing) as client:
        assert (await client.post("/echo", content=steadily())).json() == 60_000


async def test_whether_the_server_is_ready_is_looked_at_once_for_all_who_ask(monkeypatch):
    looks = []

    def look(kb: str) -> str:
        looks.append(kb)
        return "ok"

    monkeypatch.setattr("kb.api.routes.health._LOOKS", {"database": look})
    readiness = Readiness("kb")
    told = await asyncio.gather(*[readiness.find_states() for _ in range(20)])
    assert told == [{"database": "ok"}] * 20
    assert looks == ["kb"]


async def test_a_look_that_hangs_is_waited_for_and_not_repeated(monkeypatch):
    go_on, looks = asyncio.Event(), []
    loop = asyncio.get_running_loop()

    def look(_kb: str) -> str:
        looks.append(1)
        asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(5)
        return "ok"

    monkeypatch.setattr("kb.api.routes.health._LOOKS", {"database": look})
    monkeypatch.setattr("kb.api.routes.health._LOOK_SECONDS", 0.02)
    monkeypatch.setattr("kb.api.routes.health._KNOWN_SECONDS", 0.0)
    readiness = Readiness("kb")
    for _ in range(3):
        assert await readiness.find_states() == {"database": "does not answer"}
    assert looks == [1]
    go_on.set()
    monkeypatch.setattr("kb.api.routes.health._LOOK_SECONDS", 5)
    assert await readiness.find_states() == {"database": "ok"}
