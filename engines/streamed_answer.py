"""An answer that is read while it is made."""

from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import asynccontextmanager, closing, suppress
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
                self._read(piece)
                yield piece
        self.is_done = True

    async def async_response_gen(self) -> AsyncGenerator[str, None]:
        if self.apieces is None:
            raise ValueError("An answer of stream_chat is read by response_gen.")
        async with aclosed(self.apieces) as pieces:
            async for piece in pieces:
                self._read(piece)
                yield piece
        self.is_done = True

    def _read(self, piece: str) -> None:
        self.unformatted_response += piece
        self.response = self.unformatted_response.strip()


@asynccontextmanager
async def aclosed(
    pieces: AsyncGenerator[str, None],
) -> AsyncIterator[AsyncGenerator[str, None]]:
    """`aclosing`, also when a loop that ends is closing all its generators at once."""
    try:
        yield pieces
    finally:
        with suppress(RuntimeError):
            await pieces.aclose()


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


def tokens_of(response: Response | StreamingResponse) -> Generator[str, None, None]:
    return (
        response.response_gen if isinstance(response, StreamingResponse) else whole(str(response))
    )


def atokens_of(response: Response | AsyncStreamingResponse) -> AsyncGenerator[str, None]:
    if isinstance(response, AsyncStreamingResponse):
        return response.response_gen
    return awhole(str(response))
