"""An answer under way: what is known of it, its words as they come, and both as events."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from llama_index.core.base.response.schema import AsyncStreamingResponse
from llama_index.core.schema import QueryBundle
from llama_index.core.vector_stores.types import MetadataFilters

from engines.chat.model_calls import ModelCalls
from engines.tables.query_result import as_json
from kb.api.column_kinds import column_types
from kb.api.plain_json import plain
from kb.api.problems import problem_of
from kb.api.sse import event
from kb.app import KnowledgeBase
from kb.assembly.answer_sources import Source
from stores.errors import ModelUnavailable

_ROWS = ("sql", "parameters", "columns", "types", "rows", "truncated", "verified")
_DONE = ("timings", "model", "errors", "first", "names")
_TURN = ("turn_id", "turn", "status", "standalone", "rewritten_by")
_ALWAYS = ("route", "route_reason", "citations", *_ROWS, *_DONE, "search")


@dataclass
class Answer:
    """`metadata` are complete when the last of `pieces` was read; `tokens` says what it took."""

    metadata: Mapping[str, Any]
    pieces: AsyncGenerator[str, None]
    tokens: Callable[[], tuple[int, int]]
    text: str = field(default="", init=False)

    async def words(self) -> AsyncGenerator[str, None]:
        async with aclosing(self.pieces) as pieces:
            async for piece in pieces:
                self.text += piece
                if piece:
                    yield piece

    async def whole(self) -> dict[str, Any]:
        """The answer as `kb ask --json` prints it, with its turn if it has one."""
        async for _ in self.words():
            pass
        return self.values()

    def values(self) -> dict[str, Any]:
        told = {key: self.metadata.get(key) for key in _ALWAYS} | _turn(self.metadata)
        rows = told["rows"] or []
        told["types"] = column_types(told["columns"] or [], rows)
        told["rows"] = as_json(rows)
        values: dict[str, Any] = plain({"answer": self.text.strip(), **told})
        return values

    async def events(self) -> AsyncGenerator[bytes, None]:
        """Route, retrieval, tokens, citations, rows; then done, or an error."""
        try:
            yield event("route", plain(_route(self.metadata)))
            if search := self.metadata.get("search"):
                yield event("retrieval", {"search": search, "passages": search["candidates"]})
            async for word in self.words():
                yield event("token", {"text": word})
            values = self.values()
            yield event("citations", values["citations"] or [])
            if values["sql"]:
                yield event("rows", {key: values[key] for key in _ROWS})
            yield event("done", _done(values))
        except Exception as error:  # noqa: BLE001 - whatever it is, the reader is told
            yield event("error", {"problem": problem_of(error).document()})


def _route(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {"route": metadata.get("route"), "reason": metadata.get("route_reason")} | _turn(
        metadata
    )


def _turn(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {key: metadata[key] for key in _TURN if key in metadata}


def _done(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: values[key] for key in ("answer", *_DONE)} | _turn(values)


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
) -> Answer:
    """`calls` are those that were made before. Raises KBError when nothing could be begun."""
    how: dict[str, Any] = {"top_k": top_k, "filters": filters, "profile": profile, "user": user}
    make = partial(kb.query_engine, source, **how, streaming=True)
    engine = await asyncio.to_thread(make)
    heard = calls or ModelCalls()
    with heard.listening():
        response = await engine.aquery(question)
    pieces = _pieces(response, heard)
    return Answer(response.metadata or {}, pieces, lambda: heard.tokens() or (0, 0))


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
) -> Answer:
    """A turn of a stored session. Raises KBError when nothing could be begun."""
    make = partial(kb.chat, session_id, source=source, filters=filters, profile=profile, user=user)
    session = await asyncio.to_thread(make)
    answer = await session.astream_chat(message, turn_id=turn_id)
    return Answer(answer.metadata, answer.async_response_gen(), lambda: _tokens(answer.metadata))


def _tokens(metadata: Mapping[str, Any]) -> tuple[int, int]:
    return metadata.get("prompt_tokens") or 0, metadata.get("completion_tokens") or 0
