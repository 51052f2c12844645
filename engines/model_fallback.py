"""Answers by the next language model, or at last without one, while a model does not answer."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing, closing
from dataclasses import dataclass, replace
from typing import Any

from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.response.schema import (
    RESPONSE_TYPE,
    AsyncStreamingResponse,
    StreamingResponse,
)
from llama_index.core.prompts.mixin import PromptMixinType
from llama_index.core.schema import QueryBundle

from engines.question import Question, as_question
from stores.errors import ConfigError, ModelUnavailable


@dataclass
class SlowFailure:
    """Remembers for some `seconds` how a model failed, where that took longer than `patience`.

    So one that hangs is waited for once, and not by each question. What fails at once is tried
    again at once.
    """

    seconds: float = 30.0
    patience: float = 5.0
    _error: ModelUnavailable | None = None
    _until: float = 0.0

    def require_over(self) -> None:
        """Raise the remembered ModelUnavailable while it is remembered."""
        if self._error and time.monotonic() < self._until:
            raise ModelUnavailable(str(self._error)) from self._error.__cause__

    def note(self, error: ModelUnavailable, begun: float) -> None:
        """Note how a call failed that was `begun` at a time of `time.monotonic`."""
        now = time.monotonic()
        if now - begun > self.patience:
            self._error, self._until = error, now + self.seconds


class FallbackQueryEngine(BaseQueryEngine):
    """Answers by `engine`; when its model fails before the first word, by another one.

    `make_other` makes that, of the next model or of none, and raises ConfigError where it cannot:
    then the model's error is raised. The answer says first whose it is, and why under
    `errors["model"]`. `require_budget` raises before the model is asked: ModelUnavailable for an
    answer of the other, anything else for none. With `failure` a model that hangs is left alone for
    a while.
    """

    def __init__(
        self,
        engine: BaseQueryEngine,
        make_other: Callable[[], BaseQueryEngine],
        require_budget: Callable[[], None] = lambda: None,
        failure: SlowFailure | None = None,
    ) -> None:
        super().__init__(engine.callback_manager)
        self._engine = engine
        self._make_other_engine = make_other
        self._require_budget = require_budget
        self._failure = failure or SlowFailure(seconds=0)

    def _get_prompt_modules(self) -> PromptMixinType:
        return {"engine": self._engine}

    def _query(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        question, begun = as_question(query_bundle), time.monotonic()
        try:
            self._require_ready()
            response = self._engine.query(question)
        except ModelUnavailable as error:
            return self._make_other(error, begun).query(_add_trouble(question, error))
        if isinstance(response, StreamingResponse):
            response.response_gen = self._continue_stream(response, response.response_gen, question)
        return response

    async def _aquery(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        question, begun = as_question(query_bundle), time.monotonic()
        try:
            await asyncio.to_thread(self._require_ready)
            response = await self._engine.aquery(question)
        except ModelUnavailable as error:
            return await self._make_other(error, begun).aquery(_add_trouble(question, error))
        if isinstance(response, AsyncStreamingResponse):
            pieces = response.response_gen
            response.response_gen = self._continue_stream_async(response, pieces, question)
        return response

    def _require_ready(self) -> None:
        self._require_budget()
        self._failure.require_over()

    def _make_other(self, error: ModelUnavailable, begun: float) -> BaseQueryEngine:
        self._failure.note(error, begun)
        try:
            return self._make_other_engine()
        except ConfigError:
            raise error from error.__cause__

    def _continue_stream(
        self, response: StreamingResponse, pieces: Any, question: Question
    ) -> Generator[str, None, None]:
        has_begun, begun = False, time.monotonic()
        try:
            with closing(pieces):
                for piece in pieces:
                    has_begun = True
                    yield piece
        except ModelUnavailable as error:
            if has_begun:
                raise
            other: Any = self._make_other(error, begun).query(_add_trouble(question, error))
            _take_over(response, other)
            yield from other.response_gen

    async def _continue_stream_async(
        self, response: AsyncStreamingResponse, pieces: Any, question: Question
    ) -> AsyncGenerator[str, None]:
        has_begun, begun = False, time.monotonic()
        try:
            async with aclosing(pieces):
                async for piece in pieces:
                    has_begun = True
                    yield piece
        except ModelUnavailable as error:
            if has_begun:
                raise
            other: Any = await self._make_other(error, begun).aquery(_add_trouble(question, error))
            _take_over(response, other)
            async for piece in other.response_gen:
                yield piece


def _add_trouble(question: Question, error: ModelUnavailable) -> Question:
    """Add why a model does not answer to why those before it did not."""
    reasons = dict.fromkeys(filter(None, (question.troubles.get("model"), str(error))))
    return replace(question, troubles={**question.troubles, "model": "\n".join(reasons)})


def _take_over(response: Any, other: Any) -> None:
    """Give a response that its reader holds already the evidence of the other one."""
    response.metadata.clear()
    response.metadata.update(other.metadata)
    response.source_nodes[:] = other.source_nodes
