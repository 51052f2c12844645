"""Answers whose tokens are counted against what their caller may have."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

from engines.answer import Answer
from kb.api.answer_events import AnswerEvents, AnswerUnderWay, http_values
from kb.api.guards.access import Caller
from kb.api.guards.limits import Limits
from kb.api.problems import error_to_problem
from kb.api.sse import format_problem

BeginAnswer = Callable[[], Awaitable[AnswerUnderWay]]


async def make_answer(begin: BeginAnswer, caller: Caller, limits: Limits) -> Answer:
    """Answer to the end, and count the tokens that it took."""
    under_way = await begin()
    try:
        return await under_way.read_whole()
    finally:
        await limits.count_tokens(caller, sum(under_way.tokens()))


async def make_answer_values(begin: BeginAnswer, caller: Caller, limits: Limits) -> dict[str, Any]:
    """Answer to the end, and return the answer as HTTP tells it."""
    return http_values(await make_answer(begin, caller, limits))


async def stream_answer(
    begin: BeginAnswer, caller: Caller, limits: Limits, events: AnswerEvents | None = None
) -> AsyncGenerator[bytes, None]:
    """Answer as events, and count the tokens that it took; one that cannot begin is an error."""
    try:
        under_way = await begin()
    except Exception as error:  # noqa: BLE001 - whatever it is, the reader is told
        yield format_problem(error_to_problem(error))
        return
    try:
        async with aclosing(under_way.stream_events(events or AnswerEvents())) as stream:
            async for event in stream:
                yield event
    finally:
        await limits.count_tokens(caller, sum(under_way.tokens()))
