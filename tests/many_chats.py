"""Many sessions at once on a slow model, and what is watched while they talk."""

import asyncio
import random
import re
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from chats import chat_session
from fake_models import ScriptedLLM, pieces
from llama_index.core.base.llms.types import CompletionResponse, CompletionResponseAsyncGen

from engines.chat.chat_session import ChatSession

_CANARY = re.compile(r"canary\d+")


class SlowLLM(ScriptedLLM):
    """Echoes the last canary of its prompt, after about as many seconds."""

    seconds: float = 0.2

    def _wait(self) -> float:
        return self.seconds * random.uniform(0.5, 1.5)

    async def acomplete(self, prompt: str, formatted: bool = False, **_: Any) -> CompletionResponse:
        await asyncio.sleep(self._wait())
        return CompletionResponse(text=_echo(prompt))

    async def astream_complete(
        self, prompt: str, formatted: bool = False, **_: Any
    ) -> CompletionResponseAsyncGen:
        async def stream() -> AsyncIterator[CompletionResponse]:
            text, words, seconds = "", pieces(_echo(prompt)), self._wait()
            for word in words:
                await asyncio.sleep(seconds / len(words))
                text += word
                yield CompletionResponse(text=text, delta=word)

        return stream()


def _echo(prompt: str) -> str:
    return f"{_CANARY.findall(prompt)[-1]} has thirty days to return it [1]."


@dataclass
class Watched:
    """Delays of the loop in seconds, the most connections in use, and statements run on it."""

    lags: list[float] = field(default_factory=list)
    connections: int = 0
    on_the_loop: list[str] = field(default_factory=list)
    answers: int = 0
    seconds: float = 0

    def lag(self, share: float) -> float:
        return sorted(self.lags)[int(share * (len(self.lags) - 1))]


async def load(engine: sa.Engine, sessions: int, turns: int, seconds: float, **options) -> Watched:
    """Let them talk; raises AssertionError for an answer or a history that is not a session's."""
    llm = SlowLLM(seconds=seconds)
    talking = [chat_session(engine, llm, f"canary{n}", **options) for n in range(sessions)]
    begin = time.perf_counter()
    async with _watching(engine) as watched:
        await asyncio.gather(*(_talk(session, turns) for session in talking))
    watched.answers, watched.seconds = sessions * turns, time.perf_counter() - begin
    return watched


async def _talk(session: ChatSession, turns: int) -> None:
    for number in range(turns):
        message = f"{session.session_id} asks {number}"
        if number % 2:
            answer = await session.astream_chat(message)
            said = "".join([piece async for piece in answer.async_response_gen()])
        else:
            said = (await session.achat(message)).response
        assert said == f"{session.session_id} has thirty days to return it [1]."


def check(session: ChatSession, turns: int) -> None:
    stored = session.turns
    assert [turn.question for turn in stored] == [
        f"{session.session_id} asks {number}" for number in range(turns)
    ]
    assert {turn.status for turn in stored} == {"complete"}
    said = " ".join(message.content or "" for message in session.chat_history)
    assert set(_CANARY.findall(said)) == {session.session_id}


@asynccontextmanager
async def _watching(engine: sa.Engine) -> AsyncIterator[Watched]:
    watched, loop_thread = Watched(), threading.current_thread()

    def executes(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if threading.current_thread() is loop_thread:
            watched.on_the_loop.append(statement)

    def checks_out(*_: Any) -> None:
        watched.connections = max(watched.connections, engine.pool.checkedout())  # type: ignore[attr-defined]  # of a QueuePool

    async def tick() -> None:
        while True:
            begin = time.perf_counter()
            await asyncio.sleep(0.005)
            watched.lags.append(time.perf_counter() - begin - 0.005)

    listeners = [(engine, "before_cursor_execute", executes), (engine.pool, "checkout", checks_out)]
    for listener in listeners:
        sa.event.listen(*listener)
    ticking = asyncio.create_task(tick())
    try:
        yield watched
    finally:
        ticking.cancel()
        for listener in listeners:
            sa.event.remove(*listener)
