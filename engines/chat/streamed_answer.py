"""Gives an answer of a chat to a reader while it is made."""

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
    """An answer that is made and stored by being read; who stops reading ends it.

    LlamaIndex's own is filled by a thread or a task that writes the history: what goes wrong there
    is lost, what nobody reads is stored as complete, and it has no metadata.
    """

    metadata: dict[str, Any] = field(default_factory=dict)
    pieces: Generator[str, None, None] | None = None
    apieces: AsyncGenerator[str, None] | None = None

    @property
    def response_gen(self) -> Generator[str, None, None]:
        """The pieces of an answer of `stream_chat`."""
        if self.pieces is None:
            raise ValueError("An answer of astream_chat is read by async_response_gen().")
        with closing(self.pieces) as pieces:
            for piece in pieces:
                self.append_piece(piece)
                yield piece
        self.is_done = True

    def async_response_gen(self) -> AsyncGenerator[str, None]:
        """Return the pieces of an answer of `astream_chat`, which are read once."""
        pieces, self.apieces = self.apieces, None
        if pieces is None:
            raise ValueError("An answer of astream_chat is read once; one of stream_chat has none.")
        return _Reading(self, pieces)

    def append_piece(self, piece: str) -> None:
        """Append a piece to what was read of the answer."""
        self.unformatted_response += piece
        self.response = self.unformatted_response.strip()


class _Reading(AsyncGenerator[str, None]):
    """The reader's side of the pieces: dropping it drops them, and a loop that ends closes them."""

    def __init__(self, answer: StreamedAnswer, pieces: AsyncGenerator[str, None]) -> None:
        self._answer = answer
        self._pieces = pieces

    async def asend(self, value: None) -> str:
        try:
            piece = await self._pieces.asend(value)
        except StopAsyncIteration:
            self._answer.is_done = True
            raise
        self._answer.append_piece(piece)
        return piece

    async def athrow(self, *error: Any) -> str:
        return await self._pieces.athrow(*error)

    async def aclose(self) -> None:
        await self._pieces.aclose()


def start_answer(
    pieces: Generator[str, None, None], passages: list[NodeWithScore], metadata: dict[str, Any]
) -> StreamedAnswer:
    """Take the first piece, which is empty: only a generator that has begun is closed on drop."""
    next(pieces)
    return StreamedAnswer(source_nodes=passages, metadata=metadata, pieces=pieces)


async def start_answer_async(
    pieces: AsyncGenerator[str, None], passages: list[NodeWithScore], metadata: dict[str, Any]
) -> StreamedAnswer:
    await anext(pieces)
    return StreamedAnswer(source_nodes=passages, metadata=metadata, apieces=pieces)


def yield_whole(text: str) -> Generator[str, None, None]:
    """Yield a finished text behind the empty piece that each answer begins with."""
    yield ""
    yield text


async def yield_whole_async(text: str) -> AsyncGenerator[str, None]:
    yield ""
    yield text


def read_tokens(response: Response | StreamingResponse) -> Generator[str, None, None]:
    """Return the pieces of a response, whether it streams or not."""
    if isinstance(response, StreamingResponse):
        return response.response_gen
    return yield_whole(str(response))


def read_tokens_async(response: Response | AsyncStreamingResponse) -> AsyncGenerator[str, None]:
    if isinstance(response, AsyncStreamingResponse):
        return response.response_gen
    return yield_whole_async(str(response))
