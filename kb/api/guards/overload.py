"""More than can be answered: a short queue, and beyond it 503 at once, so that who waits is served.

What is counted here is of one process.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kb.api.problem_codes import Code
from kb.api.problems import Problem
from kb.config.sections import Config
from stores.errors import TooMuchAtOnce

_WRITTEN_ANSWERS: Final = 100  # at once: they wait for a model, and so cost little
_QUOTED_ANSWERS: Final = 32  # which cost nothing but our own time
_OTHER_REQUESTS: Final = 256  # whose response has not begun
_KEYS: Final = 4  # that may have all of these places together
_PATIENCE: Final = 3.0  # seconds that a request waits for a thread
_HEALTH: Final = frozenset({"/healthz", "/readyz"})  # which somebody asks because of the overload

T = TypeVar("T")


def make_busy_problem(code: Code, values: Mapping[str, object]) -> Problem:
    """Make the problem of a busy server: a new connection may lead to a process that has time."""
    headers = {"Retry-After": "2", "Connection": "close"}
    return Problem(code, values, headers=headers)


def most_answers(config: Config) -> int:
    """Return how many answers are made at once."""
    return _QUOTED_ANSWERS if config.llm.provider == "none" else _WRITTEN_ANSWERS


class Overload:
    """Refuses a request while too many wait for their response. Raises Problem 503."""

    def __init__(self, app: ASGIApp, answers: int) -> None:
        self._app = app
        self._most = _most_waiting(answers)
        self._waiting = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in _HEALTH:
            await self._app(scope, receive, send)
            return
        if self._waiting >= self._most:
            raise make_busy_problem(Code.REQUESTS_WAITING, {"waiting": self._waiting})
        self._waiting += 1
        await _run_application(self._app, scope, receive, send, self._end_waiting)

    def _end_waiting(self) -> None:
        self._waiting -= 1


class KeyShare:
    """Refuses one more of a key that has its share of all that wait. Raises TooMuchAtOnce.

    It knows the caller, so it is inside of what reads the key. Who has none is on this machine.
    """

    def __init__(self, app: ASGIApp, answers: int) -> None:
        self._app = app
        self._most = _most_waiting(answers) // _KEYS
        self._waiting: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        caller = scope.get("state", {}).get("caller")
        key = caller and caller.name
        if key is None:
            await self._app(scope, receive, send)
            return
        if self._waiting[key] >= self._most:
            raise TooMuchAtOnce(
                f"{self._most} requests of yours are waiting for their response. Wait for them to "
                "end."
            )
        self._waiting[key] += 1
        await _run_application(self._app, scope, receive, send, lambda: self._end_waiting(key))

    def _end_waiting(self, key: str) -> None:
        self._waiting[key] -= 1
        if not self._waiting[key]:
            del self._waiting[key]


def _most_waiting(answers: int) -> int:
    return answers + _OTHER_REQUESTS


async def _run_application(
    app: ASGIApp, scope: Scope, receive: Receive, send: Send, end_waiting: Callable[[], None]
) -> None:
    """Call the application, and `end_waiting` once: when the response begins, or none comes."""
    is_waiting = True

    def end_once() -> None:
        nonlocal is_waiting
        if is_waiting:
            is_waiting = False
            end_waiting()

    async def send_and_end(message: Message) -> None:
        end_once()
        await send(message)

    try:
        await app(scope, receive, send_and_end)
    finally:
        end_once()


class Lane:
    """Threads for work of one kind, which keeps no other kind away."""

    def __init__(self, threads: int) -> None:
        self._free = asyncio.Semaphore(threads)
        self._threads = CapacityLimiter(threads)

    async def run(self, work: Callable[..., T], *values: Any) -> T:
        """Return what `work` returns, called in a thread.

        Raises Problem 503 when no thread becomes free in time.
        """
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._free.acquire()
        except TimeoutError as error:
            raise make_busy_problem(Code.NO_THREAD_FREE, {"seconds": f"{_PATIENCE:.0f}"}) from error
        try:
            return await run_sync(work, *values, limiter=self._threads)
        finally:
            self._free.release()
