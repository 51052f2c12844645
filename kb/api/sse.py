"""Server-sent events from work that goes on whether or not its reader is quick."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import suppress
from typing import Any, Final, TypeVar

from fastapi import Request
from pydantic_core import to_json
from starlette.responses import StreamingResponse

from engines.model_attempts import hear_attempts
from kb.api.guards.access import Caller
from kb.api.guards.overload import make_busy_problem
from kb.api.problem_codes import Code
from kb.api.problems import Problem
from stores.errors import TooMuchAtOnce

_PIECES_AHEAD: Final = 64  # of a reader that is slower than the model
_READER_SECONDS: Final = 60.0  # without reading anything, until their answer is broken off
SILENCE: Final = 15.0  # seconds, after which a sign of life keeps proxies from closing
ALIVE: Final = b": alive\n\n"
HEADERS: Final = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}

T = TypeVar("T")


def format_event(name: str, data: Any, number: int | None = None) -> bytes:
    """Format an event; from one with a `number` on, a stream can be taken up again."""
    id_line = "" if number is None else f"id: {number}\n"
    return f"event: {name}\n{id_line}data: {to_json_line(data)}\n\n".encode()


def format_problem(problem: Problem) -> bytes:
    return format_event("error", {"problem": problem.to_document()})


def format_attempt(attempt: int) -> bytes:
    return format_event("attempt", {"attempt": attempt})


def to_json_line(data: Any) -> str:
    return to_json(data, inf_nan_mode="null").decode()


class Work:
    """What is being answered, in tasks of its own.

    A cancelled request cancels its task once: what the task then stores is stored, and a server
    that stops waits for all of them.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._tasks: dict[asyncio.Task[Any], str | None] = {}

    @property
    def under_way(self) -> int:
        return len(self._tasks)

    def begin(self, caller: Caller, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin work for a caller.

        Raises Problem 503 when as many answers are being made as can be, TooMuchAtOnce when half
        of them are the caller's.
        """
        try:
            self._require_room(caller.name)
        except BaseException:
            work.close()
            raise
        task = asyncio.create_task(work)
        self._tasks[task] = caller.name
        task.add_done_callback(self._tasks.pop)
        return task

    def _require_room(self, key: str | None) -> None:
        if len(self._tasks) >= self._most:
            raise make_busy_problem(Code.ANSWERS_UNDER_WAY, {"most": self._most})
        of_key = sum(name == key for name in self._tasks.values())
        if key is not None and of_key >= self._most // 2:
            raise TooMuchAtOnce(f"{of_key} answers of yours are being made. Wait for them to end.")

    async def wait_for_all(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def while_connected(
        self, request: Request, caller: Caller, work: Coroutine[Any, Any, T]
    ) -> T:
        """Return what `work` returns; when the client goes, break it off."""
        task = self.begin(caller, work)
        gone = asyncio.create_task(_wait_for_leaving(request))
        try:
            await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise Problem(Code.CLIENT_GONE)
            return await task
        finally:
            gone.cancel()
            task.cancel()

    async def to_the_end(self, caller: Caller, work: Coroutine[Any, Any, T]) -> T:
        """Return what `work` returns; it goes on to its end though the client may go.

        Raises Problem when somebody stopped it.
        """
        task = self.begin(caller, work)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise Problem(Code.ANSWER_STOPPED) from None
            raise

    def stream(
        self,
        caller: Caller,
        pieces: AsyncGenerator[bytes, None],
        format_problem: Callable[[Problem], bytes] = format_problem,
        *,
        to_the_end: bool = False,
        format_attempt: Callable[[int], bytes] | None = None,
    ) -> StreamingResponse:
        """Respond with pieces as they come, whether or not the reader is quick.

        When the reader leaves, the work is broken off, unless it goes `to_the_end`. A reader who
        takes nothing for a minute is left: with the problem as the last piece, where the work is
        broken off for it. With `format_attempt` they hear meanwhile that a model is asked again.
        """
        reader = _Reader(None if to_the_end else format_problem, format_attempt)
        task = self.begin(caller, _send_pieces(pieces, reader))
        return StreamingResponse(
            _read_pieces(reader, task), media_type="text/event-stream", headers=HEADERS
        )


async def _wait_for_leaving(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


class _Reader:
    """Who reads the pieces of an answer, some pieces behind what makes them.

    `format_problem` is None where the answer goes on without them.
    """

    def __init__(
        self,
        format_problem: Callable[[Problem], bytes] | None,
        format_attempt: Callable[[int], bytes] | None = None,
    ) -> None:
        self.pieces: asyncio.Queue[bytes | None] = asyncio.Queue(_PIECES_AHEAD)
        self.format_problem = format_problem
        self.has_left = False
        self._format_attempt = format_attempt
        self._loop = asyncio.get_running_loop()

    def hear_attempt(self, attempt: int) -> None:
        """Hear in any thread which try of a model is under way; who is behind hears nothing."""
        if self._format_attempt:
            self._loop.call_soon_threadsafe(self._offer, self._format_attempt(attempt))

    def _offer(self, piece: bytes) -> None:
        if not (self.has_left or self.pieces.full()):
            self.pieces.put_nowait(piece)

    def leave(self) -> None:
        """Take nothing more, and let who waits to send a piece go on."""
        self.has_left = True
        while not self.pieces.empty():
            self.pieces.get_nowait()


async def _send_pieces(pieces: AsyncGenerator[bytes, None], reader: _Reader) -> None:
    hear_attempts(reader.hear_attempt)  # in the context of this task
    try:
        async for piece in pieces:
            if reader.has_left:
                continue
            try:
                async with asyncio.timeout(_READER_SECONDS):
                    await reader.pieces.put(piece)
            except TimeoutError:
                if not reader.format_problem:
                    reader.leave()
                    reader.pieces.put_nowait(None)
                    continue
                problem = Problem(Code.READER_TOO_SLOW, {"seconds": round(_READER_SECONDS)})
                reader.pieces.get_nowait()  # it is full
                reader.pieces.put_nowait(reader.format_problem(problem))
                return
    finally:
        await pieces.aclose()
        with suppress(asyncio.QueueFull):
            reader.pieces.put_nowait(None)


async def _read_pieces(reader: _Reader, task: asyncio.Task[None]) -> AsyncIterator[bytes]:
    try:
        while not (task.done() and reader.pieces.empty()):
            try:
                piece = await asyncio.wait_for(reader.pieces.get(), SILENCE)
            except TimeoutError:
                piece = ALIVE
            if piece is None:
                return
            yield piece
    finally:
        if reader.format_problem:
            task.cancel()
        else:
            reader.leave()
