"""Tells what came of each question, once its answer has ended."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing, closing
from dataclasses import dataclass
from typing import Any, TypeAlias

from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.response.schema import (
    RESPONSE_TYPE,
    AsyncStreamingResponse,
    StreamingResponse,
)
from llama_index.core.prompts.mixin import PromptMixinType
from llama_index.core.schema import QueryBundle

from engines.answer import Answer, answer_of
from engines.elapsed import milliseconds_since
from engines.model_calls import ModelCalls, find_listening
from stores.caches.cache import pass_by_caches


@dataclass(frozen=True)
class EndedQuestion:
    """A question whose answer has ended: the answer as far as it was known, or the error.

    `milliseconds` go to its last word; `calls` are those of its models, the rewriting of a
    follow-up included.
    """

    question: str
    answer: Answer
    calls: ModelCalls
    milliseconds: float
    error: BaseException | None = None
    turn_id: str | None = None


OnEnd: TypeAlias = Callable[[EndedQuestion], None]
OnBegin: TypeAlias = Callable[[str], OnEnd]
"""Is told of a question before it is answered, and gives what is told of its end; what it raises
leaves the question without an answer."""


class ObservedQueryEngine(BaseQueryEngine):
    """Answers by `engine`, and tells what `on_begin` gives for each question what came of it.

    It goes on to listen with what listens to the calls of models already. Unless `cached`, nothing
    of an answer comes from a cache.
    """

    def __init__(self, engine: BaseQueryEngine, on_begin: OnBegin, *, cached: bool = True) -> None:
        super().__init__(engine.callback_manager)
        self._engine = engine
        self._on_begin = on_begin
        self._cached = cached

    def _get_prompt_modules(self) -> PromptMixinType:
        return {"engine": self._engine}

    def _query(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        question = query_bundle.query_str
        observed = _Observed(question, self._on_begin(question))
        try:
            with observed.calls.listen(), pass_by_caches(not self._cached):
                response = self._engine.query(query_bundle)
        except BaseException as error:
            observed.end(error=error)
            raise
        if isinstance(response, StreamingResponse):
            response.response_gen = observed.stream(response, response.response_gen)
        else:
            observed.end(response)
        return response

    async def _aquery(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        question = query_bundle.query_str
        observed = _Observed(question, await asyncio.to_thread(self._on_begin, question))
        try:
            with observed.calls.listen(), pass_by_caches(not self._cached):
                response = await self._engine.aquery(query_bundle)
        except BaseException as error:
            observed.end(error=error)
            raise
        if isinstance(response, AsyncStreamingResponse):
            response.response_gen = observed.stream_async(response, response.response_gen)
        else:
            observed.end(response)
        return response


class _Observed:
    """A question under way."""

    def __init__(self, question: str, on_end: OnEnd) -> None:
        self.calls = find_listening() or ModelCalls()
        self._question = question
        self._on_end = on_end
        self._since = time.perf_counter()

    def end(self, response: Any = None, error: BaseException | None = None) -> None:
        answer = answer_of(response) if response is not None else Answer()
        taken = milliseconds_since(self._since)
        self._on_end(EndedQuestion(self._question, answer, self.calls, taken, error))

    def stream(self, response: Any, pieces: Any) -> Generator[str, None, None]:
        try:
            with closing(pieces):
                while (piece := self.calls.next_piece(pieces)) is not None:
                    yield piece
        except BaseException as error:
            self.end(response, error)
            raise
        self.end(response)

    async def stream_async(self, response: Any, pieces: Any) -> AsyncGenerator[str, None]:
        try:
            async with aclosing(pieces):
                while (piece := await self.calls.anext_piece(pieces)) is not None:
                    yield piece
        except BaseException as error:
            self.end(response, error)
            raise
        self.end(response)
