"""Turns that go on while nobody reads them: what is known is stored, and read from any process."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Any, Final, cast

from engines.answer import Answer
from engines.chat.turn import describe_turn
from engines.visible_text import hide_places
from kb.api.answer_events import AnswerEvents, AnswerUnderWay, http_values
from kb.api.counted_answers import BeginAnswer, make_answer, stream_answer
from kb.api.guards.access import Caller
from kb.api.guards.limits import Limits
from kb.api.problem_codes import Code
from kb.api.problems import Problem, error_to_problem
from kb.api.sse import ALIVE, SILENCE, format_problem
from stores.chats.chat_sessions import SessionStore, Turn
from stores.errors import StoreError

_BETWEEN_NOTES: Final = 1.0  # seconds
_BETWEEN_LOOKS: Final = 0.5  # seconds, at what another process, or this one, has noted
_log = logging.getLogger(__name__)


@dataclass
class TurnProgress:
    """A turn that this process answers; what is known of it is stored each second.

    It goes on to its end unless somebody asks to stop it, which any process may take.
    """

    store: SessionStore
    session_id: str
    turn_id: str
    begin: BeginAnswer
    _under_way: AnswerUnderWay | None = field(default=None, init=False)
    _is_stopped: bool = field(default=False, init=False)

    async def make_values(self, caller: Caller, limits: Limits) -> dict[str, Any]:
        """Answer to the end, and return the answer as HTTP tells it."""
        async with self._keep():
            return http_values(await make_answer(self._begin, caller, limits))

    async def stream(
        self, caller: Caller, limits: Limits, events: AnswerEvents
    ) -> AsyncGenerator[bytes, None]:
        """Answer as events, the last of which says it if the answer was stopped."""
        async with self._keep():
            try:
                answering = stream_answer(self._begin, caller, limits, events)
                async with aclosing(answering) as stream:
                    async for event in stream:
                        yield event
            except asyncio.CancelledError:
                if not self._is_stopped:
                    raise
                cast("asyncio.Task[Any]", asyncio.current_task()).uncancel()
                for event in self._tell_stopped(events):
                    yield event

    def _tell_stopped(self, events: AnswerEvents) -> list[bytes]:
        """Return what an answer rests on as far as it was said, and that it was stopped."""
        problem = Problem(Code.ANSWER_STOPPED)
        if self._under_way is None:
            return [format_problem(problem)]
        return events.break_off(self._under_way.answer, problem)

    async def _begin(self) -> AnswerUnderWay:
        self._under_way = await self.begin()
        return self._under_way

    @asynccontextmanager
    async def _keep(self) -> AsyncIterator[None]:
        """Note what is known until the end; a stop that is asked for cancels the task."""
        answering = cast("asyncio.Task[Any]", asyncio.current_task())
        keeping = asyncio.create_task(self._note_each_second(answering))
        try:
            yield
        finally:
            keeping.cancel()
            await asyncio.wait([keeping])

    async def _note_each_second(self, answering: "asyncio.Task[Any]") -> None:
        noted: int | None = None  # citations
        while not self._is_stopped:
            await asyncio.sleep(_BETWEEN_NOTES)
            known = self._under_way.answer if self._under_way else Answer()
            is_new = self._under_way is not None and len(known.citations) != noted
            try:
                self._is_stopped = await asyncio.to_thread(
                    self.store.note_progress,
                    *(self.session_id, self.turn_id),
                    said=self._under_way.text if self._under_way else "",
                    standalone=known.chat_turn.standalone if known.chat_turn else None,
                    evidence=known.metadata() if is_new else None,
                )
                noted = len(known.citations) if is_new else noted
            except StoreError as error:
                _log.warning("What is said of a turn could not be stored yet: %s", error)
        answering.cancel()


async def follow_turn(
    store: SessionStore, session_id: str, turn_id: str, events: AnswerEvents
) -> AsyncGenerator[bytes, None]:
    """Stream a turn that any process answers, or that has ended, as its answer is streamed.

    A turn that nobody answers any more has ended with what was stored of it.
    """
    told = monotonic()
    try:
        while True:
            turn = await asyncio.to_thread(store.read_turn, session_id, turn_id)
            for event in await _list_news(turn, events):
                told = monotonic()
                yield event
            if turn.status != "open":
                return
            if monotonic() - told > SILENCE:
                told = monotonic()
                yield ALIVE
            await asyncio.sleep(_BETWEEN_LOOKS)
    except Exception as error:  # noqa: BLE001 - whatever it is, the reader is told
        yield format_problem(error_to_problem(error))


async def _list_news(turn: Turn, events: AnswerEvents) -> list[bytes]:
    """Return the events that are new in a turn as it is stored."""
    known = Answer.from_metadata(turn.evidence, turn.answer.strip())
    answer = replace(known, chat_turn=describe_turn(turn))
    news = list(events.begin(answer)) if turn.evidence else []
    news += await events.grow(turn.answer)
    if turn.status == "complete":
        news += await events.end(answer)
    elif turn.status != "open":
        reason = {"reason": hide_places(turn.error or "")}
        problem = Problem(Code.TURN_NOT_WHOLE, reason, more=reason)
        news += events.break_off(answer, problem)
    return news
