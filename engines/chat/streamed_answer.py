"""An answer that is read while it is made."""

from collections.abc import AsyncGenerator, Generator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from llama_index.core.base.response.schema import (
    AsyncStreamingResponse,
    Response,
    StreamingResponse,
)
from llama_index.core.chat_engine.types import StreamingAgentChatResponse
from llama_index.core.schema import NodeWithScore


@dataclass
class StreamedAnswer(StreamingAgentChatResponse):
    """Reading is what makes the answer, and what stores it; who stops reading ends it.

    LlamaIndex's own is filled by a thread or a task that writes the history: what goes wrong there
    is lost, what nobody reads is stored as complete, and it has no metadata.
    """

    metadata: dict[str, Any] = field(default_factory=dict)
    pieces: Generator[str, None, None] | None = None
    apieces: AsyncGenerator[str, None] | None = None

    @property
    def response_gen(self) -> Generator[str, None, None]:
        if self.pieces is None:
            raise ValueError("An answer of astream_chat is read by async_response_gen().")
        with closing(self.pieces) as pieces:
            for piece in pieces:
                self.take(piece)
                yield piece
        self.is_done = True

    def async_response_gen(self) -> AsyncGenerator[str, None]:
        pieces, self.apieces = self.apieces, None
        if pieces is None:
            raise ValueError("An answer of astream_chat is read once; one of stream_chat has none.")
        return _Reading(self, pieces)

    def take(self, piece: str) -> None:
        self.unformatted_response += piece
        self.response = self.unformatted_response.strip()


class _Reading(AsyncGenerator[str, None]):
    """Whoever drops it drops the pieces; they alone are closed by a loop that ends."""

    def __init__(self, answer: StreamedAnswer, pieces: AsyncGenerator[str, None]) -> None:
        self._answer = answer
        self._pieces = pieces

    async def asend(self, value: None) -> str:
        try:
            piece = await self._pieces.asend(value)
        except StopAsyncIteration:
            self._answer.is_done = True
            raise
        self._answer.take(piece)
        return piece

    async def athrow(self, *error: Any) -> str:
        return await self._pieces.athrow(*error)

    async def aclose(self) -> None:
        await self._pieces.aclose()


def begun(
    pieces: Generator[str, None, None], passages: list[NodeWithScore], metadata: dict[str, Any]
) -> StreamedAnswer:
    """An answer of pieces, of which the first is empty: what has begun is closed when dropped."""
    next(pieces)
    return StreamedAnswer(source_nodes=passages, metadata=metadata, pieces=pieces)


async def abegun(
    pieces: AsyncGenerator[str, None], passages: list[NodeWithScore], metadata: dict[str, Any]
) -> StreamedAnswer:
    await anext(pieces)
    return StreamedAnswer(source_nodes=passages, metadata=metadata, apieces=pieces)


def whole(text: str) -> Generator[str, None, None]:
    yield ""
    yield text


async def awhole(text: str) -> AsyncGenerator[str, None]:
    yield ""
    yield text


def tokenize_sql(response: Response | StreamingResponse) -> Generator[str, None, None]:
    return (
        response.response_gen if isinstance(response, StreamingResponse) else whole(str(response))
    )


def atokens_of(response: Response | AsyncStreamingResponse) -> AsyncGenerator[str, None]:
    if isinstance(response, AsyncStreamingResponse):
        return response.response_gen
    return awhole(str(response))
