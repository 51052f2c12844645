"""Answers without a language model while the one that is configured does not answer."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing, closing
from dataclasses import replace
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


class FallbackQueryEngine(BaseQueryEngine):
    """Answers by `engine`; when its model fails before the first word, by one without a model.

    `without_model` makes that one, and raises ConfigError where it cannot: then the model's error
    is raised. The answer says first that it is without a model, and why under `errors["model"]`.
    `require_budget` raises before the model is asked: ModelUnavailable for an answer without it,
    anything else for none.
    """

    def __init__(
        self,
        engine: BaseQueryEngine,
        without_model: Callable[[], BaseQueryEngine],
        require_budget: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(engine.callback_manager)
        self._engine = engine
        self._without_model = without_model
        self._require_budget = require_budget

    def _get_prompt_modules(self) -> PromptMixinType:
        return {"engine": self._engine}

    def _query(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        question = as_question(query_bundle)
        try:
            self._require_budget()
            response = self._engine.query(question)
        except ModelUnavailable as error:
            return self._make_other(error).query(_add_trouble(question, error))
        if isinstance(response, StreamingResponse):
            response.response_gen = self._continue_stream(response, response.response_gen, question)
        return response

    async def _aquery(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        question = as_question(query_bundle)
        try:
            await asyncio.to_thread(self._require_budget)
            response = await self._engine.aquery(question)
        except ModelUnavailable as error:
            return await self._make_other(error).aquery(_add_trouble(question, error))
        if isinstance(response, AsyncStreamingResponse):
            pieces = response.response_gen
            response.response_gen = self._continue_stream_async(response, pieces, question)
        return response

    def _make_other(self, error: ModelUnavailable) -> BaseQueryEngine:
        try:
            return self._without_model()
        except ConfigError:
            raise error from error.__cause__

    def _continue_stream(
        self, response: StreamingResponse, pieces: Any, question: Question
    ) -> Generator[str, None, None]:
        has_begun = False
        try:
            with closing(pieces):
                for piece in pieces:
                    has_begun = True
                    yield piece
        except ModelUnavailable as error:
            if has_begun:
                raise
            other: Any = self._make_other(error).query(_add_trouble(question, error))
            _take_over(response, other)
            yield from other.response_gen

    async def _continue_stream_async(
        self, response: AsyncStreamingResponse, pieces: Any, question: Question
    ) -> AsyncGenerator[str, None]:
        has_begun = False
        try:
            async with aclosing(pieces):
                async for piece in pieces:
                    has_begun = True
                    yield piece
        except ModelUnavailable as error:
            if has_begun:
                raise
            other: Any = await self._make_other(error).aquery(_add_trouble(question, error))
            _take_over(response, other)
            async for piece in other.response_gen:
                yield piece


def _add_trouble(question: Question, error: ModelUnavailable) -> Question:
    return replace(question, troubles={**question.troubles, "model": str(error)})


def _take_over(response: Any, other: Any) -> None:
    """Give a response that its reader holds already the evidence of the other one."""
    response.metadata.clear()
    response.metadata.update(other.metadata)
    response.source_nodes[:] = other.source_nodes
