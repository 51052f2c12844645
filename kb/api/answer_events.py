"""An answer under way: what is known of it, its words as they come, and both as events."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from llama_index.core.base.response.schema import AsyncStreamingResponse
from llama_index.core.schema import QueryBundle
from llama_index.core.vector_stores.types import MetadataFilters

from engines.answer import Answer, answer_of
from engines.model_calls import ModelCalls
from engines.visible_text import hide_places
from kb.answer_json import ROWS, TOLD_BEFORE, TURN, answer_to_values
from kb.api.column_kinds import column_types
from kb.api.plain_json import to_plain
from kb.api.problems import Problem, error_to_problem
from kb.api.safe_html import as_html, measure_finished_blocks
from kb.api.sse import format_event, format_problem
from kb.assembly.answer_sources import Source
from stores.errors import ModelUnavailable

if TYPE_CHECKING:
    from kb.app import KnowledgeBase

_ROUTE: Final = 1  # numbers of events
_RETRIEVAL: Final = 2
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
        """The answer as far as it is known."""
        return replace(answer_of(self.response), text=self.text.strip())

    async def stream_words(self) -> AsyncGenerator[str, None]:
        async with aclosing(self.pieces) as pieces:
            async for piece in pieces:
                self.text += piece
                if piece:
                    yield piece

    async def read_whole(self) -> Answer:
        """Read the answer; one that broke off counts where quotes stand below it."""
        try:
            async for _ in self.stream_words():
                pass
        except ModelUnavailable as error:
            if self.answer.errors.get("model") != str(error):
                raise
        return self.answer

    async def stream_events(self, events: "AnswerEvents") -> AsyncGenerator[bytes, None]:
        """Stream route, retrieval, tokens, citations and rows; then done, or an error."""
        try:
            for event in events.begin(self.answer):
                yield event
            async for _ in self.stream_words():
                for event in await events.grow(self.text):
                    yield event
            for event in await events.end(self.answer):
                yield event
        except Exception as error:  # noqa: BLE001 - whatever it is, the reader is told
            problem = error_to_problem(error)
            if isinstance(error, ModelUnavailable):  # as the turn tells it that is stored
                problem.more = {"reason": hide_places(str(error))}
            for event in (
                events.break_off(self.answer, problem) if self.text else [format_problem(problem)]
            ):
                yield event


@dataclass
class AnswerEvents:
    """The events of an answer that is made meanwhile, each once and in its order.

    Those that come before the end have a number, and may be left out up to the one `after` which
    a reader goes on: 1 is the route, 2 the retrieval, and 2 + n a token up to character n of the
    text. With `html`, what is finished of the text comes as HTML, too: the blocks from one
    character of it up to another.
    """

    after: int = 0
    html: bool = False
    _begun: int = field(default=0, init=False)
    _rendered: int = field(default=0, init=False)

    def begin(self, answer: Answer) -> Iterator[bytes]:
        """Yield the route and the retrieval, if there was one, as far as they are not told yet."""
        if self._begun < _ROUTE:
            self._begun = _ROUTE
            values = {"route": answer.route, "reason": answer.route_reason, **_turn_values(answer)}
            if self.after < _ROUTE:
                yield format_event("route", to_plain(values), _ROUTE)
        if self._begun < _RETRIEVAL and (search := answer.search):
            self._begun = _RETRIEVAL
            values = {"search": search, "passages": search["candidates"]}
            if self.after < _RETRIEVAL:
                yield format_event("retrieval", values, _RETRIEVAL)

    async def grow(self, text: str) -> list[bytes]:
        """Return what is new in a text that has grown."""
        events, number = [], _RETRIEVAL + len(text)
        if number > max(self.after, _RETRIEVAL):
            new = text[max(self.after - _RETRIEVAL, 0) :]
            events.append(format_event("token", {"text": new}, number))
            self.after = number
        if self.html and "\n" in text[self._rendered :]:
            events += await asyncio.to_thread(self._render_blocks, text)
        return events

    def _render_blocks(self, text: str) -> list[bytes]:
        begin = self._rendered
        self._rendered += measure_finished_blocks(text[begin:])
        if self._rendered == begin:
            return []
        html = as_html(text[begin : self._rendered])
        return [format_event("html", {"html": html, "from": begin, "until": self._rendered})]

    async def end(self, answer: Answer) -> list[bytes]:
        """Return the citations, the rows of an answer from tables, and that it is done."""
        values = http_values(answer)
        done = {key: values[key] for key in values if key not in TOLD_BEFORE}
        if self.html:
            done["html"] = await asyncio.to_thread(as_html, answer.text)
        return [*_list_evidence(values), format_event("done", done)]

    def break_off(self, answer: Answer, problem: Problem) -> list[bytes]:
        """Return what an answer that is not whole rests on, and why it is not."""
        return [*_list_evidence(http_values(answer)), format_problem(problem)]


def _list_evidence(values: Mapping[str, Any]) -> list[bytes]:
    citations = format_event("citations", values["citations"])
    if not values["sql"]:
        return [citations]
    return [citations, format_event("rows", {key: values[key] for key in ("types", *ROWS)})]


def http_values(answer: Answer) -> dict[str, Any]:
    """Return an answer as `kb ask --json` prints it, with the types of its columns and its turn."""
    types = column_types(answer.tables.columns, answer.tables.rows)
    values = {**answer_to_values(answer), "types": types, **_turn_values(answer)}
    plain_values: dict[str, Any] = to_plain(values)
    return plain_values


def _turn_values(answer: Answer) -> dict[str, Any]:
    known = answer.metadata()
    return {key: known[key] for key in _TURN if key in known}


async def begin_answer(
    kb: "KnowledgeBase",
    question: str | QueryBundle,
    source: Source,
    *,
    top_k: int | None = None,
    filters: MetadataFilters | None = None,
    profile: str | None = None,
    user: str | None = None,
    exact: bool = False,
    model: str | None = None,
    cached: bool = True,
    calls: ModelCalls | None = None,
) -> AnswerUnderWay:
    """Begin the answer of a question; `calls` are those that were made before.

    Raises KBError when nothing could be begun.
    """
    how: dict[str, Any] = {
        "top_k": top_k,
        "filters": filters,
        "profile": profile,
        "user": user,
        "exact": exact,
        "model": model,
        "cached": cached,
    }
    make = partial(kb.query_engine, source, **how, streaming=True)
    engine = await asyncio.to_thread(make)
    calls = calls or ModelCalls()
    with calls.listen():
        response = await engine.aquery(question)
    pieces = _stream_pieces(response, calls)
    return AnswerUnderWay(response, pieces, lambda: calls.count_tokens() or (0, 0))


async def _stream_pieces(response: Any, calls: ModelCalls) -> AsyncGenerator[str, None]:
    """Stream what the engine says."""
    if not isinstance(response, AsyncStreamingResponse):
        yield str(response)
        return
    async with aclosing(response.response_gen) as tokens:
        while (piece := await calls.anext_piece(tokens)) is not None:
            yield piece


async def begin_turn(
    kb: "KnowledgeBase",
    session_id: str,
    message: str,
    turn_id: str | None,
    source: Source,
    *,
    filters: MetadataFilters | None = None,
    profile: str | None = None,
    user: str | None = None,
    replaces: str | None = None,
    model: str | None = None,
) -> AnswerUnderWay:
    """Begin a turn of a stored session. Raises KBError when nothing could be begun."""
    how: dict[str, Any] = {"filters": filters, "profile": profile, "user": user, "model": model}
    make = partial(kb.chat, session_id, source=source, **how)
    session = await asyncio.to_thread(make)
    response = await session.astream_chat(message, turn_id=turn_id, replaces=replaces)

    def count_tokens() -> tuple[int, int]:
        turn = answer_of(response).chat_turn
        return (turn.prompt_tokens or 0, turn.completion_tokens or 0) if turn else (0, 0)

    return AnswerUnderWay(response, response.async_response_gen(), count_tokens)
