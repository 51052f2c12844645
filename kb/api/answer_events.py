"""An answer under way: what is known of it, its words as they come, and both as events."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from llama_index.core.base.response.schema import AsyncStreamingResponse
from llama_index.core.schema import QueryBundle
from llama_index.core.vector_stores.types import MetadataFilters

from engines.answer import Answer, answer_of
from engines.chat.model_calls import ModelCalls
from kb.answer_json import ROWS, TURN, answer_values
from kb.api.column_kinds import column_types
from kb.api.plain_json import plain
from kb.api.problems import problem_of
from kb.api.sse import event
from kb.app import KnowledgeBase
from kb.assembly.answer_sources import Source
from stores.errors import ModelUnavailable

# What an event before the last one has told already.
_TOLD_BEFORE: Final = {"route", "route_reason", "search", "citations", "types", *ROWS}
_TURN: Final = [key for key in TURN if key not in ("prompt_tokens", "completion_tokens")]


@dataclass
class AnswerUnderWay:
    """The `response` is complete when the last of `pieces` was read; `tokens` says what it took."""

    response: Any
    pieces: AsyncGenerator[str, None]
    tokens: Callable[[], tuple[int, int]]
    text: str = field(default="", init=False)

    @property
    def answer(self) -> Answer:
        """As far as it is known."""
        return replace(answer_of(self.response), text=self.text.strip())

    async def words(self) -> AsyncGenerator[str, None]:
        async with aclosing(self.pieces) as pieces:
            async for piece in pieces:
                self.text += piece
                if piece:
                    yield piece

    async def whole(self) -> Answer:
        async for _ in self.words():
            pass
        return self.answer

    async def events(self) -> AsyncGenerator[bytes, None]:
        """Route, retrieval, tokens, citations, rows; then done, or an error."""
        try:
            begun = self.answer
            route = {"route": begun.route, "reason": begun.route_reason, **_turn_values(begun)}
            yield event("route", plain(route))
            if search := begun.search:
                yield event("retrieval", {"search": search, "passages": search["candidates"]})
            async for word in self.words():
                yield event("token", {"text": word})
            values = http_values(self.answer)
            yield event("citations", values["citations"])
            if values["sql"]:
                yield event("rows", {key: values[key] for key in ("types", *ROWS)})
            yield event("done", {key: values[key] for key in values if key not in _TOLD_BEFORE})
        except Exception as error:  # noqa: BLE001 - whatever it is, the reader is told
            yield event("error", {"problem": problem_of(error).document()})


def http_values(answer: Answer) -> dict[str, Any]:
    """The answer as `kb ask --json` prints it, the types of its columns, and its turn if any."""
    types = column_types(answer.tables.columns, answer.tables.rows)
    values = {**answer_values(answer), "types": types, **_turn_values(answer)}
    told: dict[str, Any] = plain(values)
    return told


def _turn_values(answer: Answer) -> dict[str, Any]:
    known = answer.metadata()
    return {key: known[key] for key in _TURN if key in known}


async def asked(
    kb: KnowledgeBase,
    question: str | QueryBundle,
    source: Source,
    *,
    top_k: int | None = None,
    filters: MetadataFilters | None = None,
    profile: str | None = None,
    user: str | None = None,
    calls: ModelCalls | None = None,
) -> AnswerUnderWay:
    """`calls` are those that were made before. Raises KBError when nothing could be begun."""
    how: dict[str, Any] = {"top_k": top_k, "filters": filters, "profile": profile, "user": user}
    make = partial(kb.query_engine, source, **how, streaming=True)
    engine = await asyncio.to_thread(make)
    heard = calls or ModelCalls()
    with heard.listening():
        response = await engine.aquery(question)
    pieces = _pieces(response, heard)
    return AnswerUnderWay(response, pieces, lambda: heard.tokens() or (0, 0))


async def _pieces(response: Any, calls: ModelCalls) -> AsyncGenerator[str, None]:
    """Raises ModelUnavailable for a stream that its server broke off without an error."""
    if not isinstance(response, AsyncStreamingResponse):
        yield str(response)
        return
    async with aclosing(response.response_gen) as tokens:
        while (piece := await calls.anext(tokens)) is not None:
            yield piece
    if calls.is_cut:
        raise ModelUnavailable("Answering failed: the model broke off its answer. Ask again.")


async def turned(
    kb: KnowledgeBase,
    session_id: str,
    message: str,
    turn_id: str | None,
    source: Source,
    *,
    filters: MetadataFilters | None = None,
    profile: str | None = None,
    user: str | None = None,
) -> AnswerUnderWay:
    """A turn of a stored session. Raises KBError when nothing could be begun."""
    make = partial(kb.chat, session_id, source=source, filters=filters, profile=profile, user=user)
    session = await asyncio.to_thread(make)
    response = await session.astream_chat(message, turn_id=turn_id)

    def tokens() -> tuple[int, int]:
        turn = answer_of(response).chat_turn
        return (turn.prompt_tokens or 0, turn.completion_tokens or 0) if turn else (0, 0)

    return AnswerUnderWay(response, response.async_response_gen(), tokens)
