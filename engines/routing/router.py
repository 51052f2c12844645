"""The query engine over both sources: documents, database, or both."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.response.schema import RESPONSE_TYPE, Response
from llama_index.core.callbacks import CallbackManager
from llama_index.core.prompts.mixin import PromptMixinType
from llama_index.core.schema import QueryBundle

from engines.answer_language import question_language
from engines.question import Question, as_question
from engines.responses import answer_metadata, as_async_stream, as_stream
from engines.routing.choice import Routing
from engines.routing.reasons import reason
from engines.routing.route import Route
from engines.search.query_analysis import query_language
from engines.small_talk import without_greeting
from stores.errors import ConfigError


class RoutedQueryEngine(BaseQueryEngine):
    """Chooses the source of each question, and says which it was and why.

    `answering` makes the engine of a route. `small_talk` gives the reply to what asks for nothing;
    the route of such an answer is None. What greets in front of a question is left out of it.
    Raises ConfigError for an empty question.
    """

    def __init__(
        self,
        routing: Routing,
        answering: Callable[[Route], BaseQueryEngine],
        *,
        small_talk: Callable[[str], str | None] = lambda _: None,
        streaming: bool = False,
        callback_manager: CallbackManager | None = None,
    ) -> None:
        super().__init__(callback_manager)
        self._routing = routing
        self._answering = answering
        self._small_talk = small_talk
        self._streaming = streaming

    def _get_prompt_modules(self) -> PromptMixinType:
        return {}

    def _query(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        question, since = _required(query_bundle), time.perf_counter()
        if reply := self._reply(question):
            return as_stream(reply) if self._streaming else reply
        question = _without_greeting(question)
        route = self._routing.choose(question)
        taken = _milliseconds(since)
        return _routed(self._answering(route).query(question), route, taken)

    async def _aquery(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        question, since = _required(query_bundle), time.perf_counter()
        if reply := self._reply(question):
            return as_async_stream(reply) if self._streaming else reply
        question = _without_greeting(question)
        route = await self._routing.achoose(question)
        taken = _milliseconds(since)
        engine = await asyncio.to_thread(self._answering, route)
        return _routed(await engine.aquery(question), route, taken)

    def _reply(self, question: Question) -> Response | None:
        text = self._small_talk(question.query_str)
        if text is None:
            return None
        told = reason("no_search", question_language(f"{question.query_str} {text}"))
        return Response(text, [], answer_metadata(None, told, None))


def _required(asked: QueryBundle) -> Question:
    question = as_question(asked)
    if not question.query_str.strip():
        raise ConfigError("The question is empty. Ask something.")
    return question


def _without_greeting(question: Question) -> Question:
    """In the language that the whole shows: what remains may be a few names."""
    asked = without_greeting(question.query_str)
    if asked == question.query_str:
        return question
    return replace(
        question,
        query_str=asked,
        for_tables=without_greeting(question.for_tables),
        language=question.language or query_language(question.query_str),
    )


def _routed(response: Any, route: Route, milliseconds: float) -> RESPONSE_TYPE:
    """While a stream runs its metadata are the engine's own, so they are written in place."""
    metadata = response.metadata
    metadata.update(route=route.route, route_reason=route.reason)
    metadata["timings"] = {"route": milliseconds, **metadata["timings"]}
    routed: RESPONSE_TYPE = response
    return routed


def _milliseconds(since: float) -> float:
    return round((time.perf_counter() - since) * 1000, 1)
