"""What every answer says of itself, and a whole answer given as a stream."""

from collections.abc import AsyncGenerator
from typing import Any

from llama_index.core.base.response.schema import (
    AsyncStreamingResponse,
    Response,
    StreamingResponse,
)


def answer_metadata(route: str | None, reason: str, model: str | None) -> dict[str, Any]:
    """The metadata of an answer for which nothing has been found yet."""
    return {
        "route": route,
        "route_reason": reason,
        "citations": [],
        "sql": None,
        "parameters": {},
        "columns": [],
        "rows": [],
        "truncated": False,
        "verified": None,
        "errors": {},
        "timings": {},
        "model": model,
    }


def as_stream(response: Response) -> StreamingResponse:
    pieces = (piece for piece in [str(response)])
    return StreamingResponse(pieces, response.source_nodes, response.metadata)


def as_async_stream(response: Response) -> AsyncStreamingResponse:
    async def pieces() -> AsyncGenerator[str, None]:
        yield str(response)

    return AsyncStreamingResponse(pieces(), response.source_nodes, response.metadata)
