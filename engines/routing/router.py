"""The query engine over both sources: documents, database, or both."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import assert_never

from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.response.schema import RESPONSE_TYPE
from llama_index.core.callbacks import CallbackManager
from llama_index.core.prompts.mixin import PromptMixinType
from llama_index.core.schema import QueryBundle

from engines.answer_builder import AnswerBuilder
from engines.answer_language import load_texts, question_language
from engines.elapsed import milliseconds_since
from engines.question import Question, as_question
from engines.route_reasons import say_reason
from engines.routing.choice import Choice, Routing
from engines.routing.route import Route
from engines.small_talk import remove_greeting
from stores.text.text_language import detect_question_language


class RoutedQueryEngine(BaseQueryEngine):
    """Chooses the source of each question, and says which it was and why.

    The engines are made once; that of the tables is opened by `database` when a question needs it.
    `small_talk` gives the reply to what asks for nothing; the route of such an answer is None. What
    greets in front of a question is left out of it. Raises ConfigError for an empty question.
    """

    def __init__(
        self,
        routing: Routing,
        *,
        documents: BaseQueryEngine,
        database: Callable[[], BaseQueryEngine],
        both: BaseQueryEngine,
        small_talk: Callable[[str], str | None] = lambda _: None,
        streaming: bool = False,
        callback_manager: CallbackManager | None = None,
    ) -> None:
        super().__init__(callback_manager)
        self._routing = routing
        self._documents = documents
        self._database = database
        self._both = both
        self._small_talk = small_talk
        self._streaming = streaming

    def _get_prompt_modules(self) -> PromptMixinType:
        return {}

    def _query(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        question, since = as_question(query_bundle), time.perf_counter()
        if reply := self._small_talk(question.query_str):
            return self._begin_reply(question, reply).respond(reply)
        question = _leave_out_greeting(question)
        choice = self._routing.choose(question)
        routed = _add_choice(question, choice, since)
        if choice.trouble and choice.route.route == "database":
            return self._begin_refusal(routed).respond(_write_refusal(routed))
        return self._select_engine(choice.route).query(routed)

    async def _aquery(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        question, since = as_question(query_bundle), time.perf_counter()
        if reply := await asyncio.to_thread(self._small_talk, question.query_str):
            return await self._begin_reply(question, reply).arespond(reply)
        question = _leave_out_greeting(question)
        choice = await self._routing.achoose(question)
        routed = _add_choice(question, choice, since)
        if choice.trouble and choice.route.route == "database":
            return await self._begin_refusal(routed).arespond(_write_refusal(routed))
        engine = await asyncio.to_thread(self._select_engine, choice.route)
        return await engine.aquery(routed)

    def _select_engine(self, route: Route) -> BaseQueryEngine:
        match route.route:
            case "documents":
                return self._documents
            case "database":
                return self._database()
            case "both":
                return self._both
            case _:
                assert_never(route.route)

    def _begin_refusal(self, question: Question) -> AnswerBuilder:
        return AnswerBuilder(question, "database", streaming=self._streaming)

    def _begin_reply(self, question: Question, reply: str) -> AnswerBuilder:
        told = say_reason("no_search", question_language(f"{question.query_str} {reply}"))
        return AnswerBuilder(question, None, told, streaming=self._streaming)


def _leave_out_greeting(question: Question) -> Question:
    """Leave out the greeting, but keep the language that it shows: the rest may be a few names."""
    asked = remove_greeting(question.query_str)
    if asked == question.query_str:
        return question
    return replace(
        question,
        query_str=asked,
        for_tables=remove_greeting(question.for_tables),
        language=question.language or detect_question_language(question.query_str),
    )


def _add_choice(question: Question, choice: Choice, since: float) -> Question:
    """Return the question with its route, the search that it was chosen by, and the time taken."""
    timings = question.timings.add("route", milliseconds_since(since))
    return replace(
        question,
        route=choice.route,
        search=choice.search,
        timings=timings,
        troubles=(
            {**question.troubles, "database": choice.trouble}
            if choice.trouble
            else question.troubles
        ),
    )


def _write_refusal(question: Question) -> str:
    """Say why a question for tables that cannot be asked has no answer."""
    return load_texts(question).gettext(
        "The question is one for them, so the documents do not answer it in their place."
    )
