"""The choice of a route: by a model that predicts it, or by evidence."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final

from llama_index.core.llms.llm import LLM

from engines.answer_language import question_language
from engines.model_errors import model_errors
from engines.prompts import chat_prompt
from engines.question import Question
from engines.routing.reasons import reason
from engines.routing.route import Route
from stores.errors import ModelUnavailable

TRIES: Final = 2
_CHOOSING = "choosing where to look"
_REFUSED: Final = {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY}
_log = logging.getLogger(__name__)


class Routing:
    """Asks the `llm`, twice if need be; without one, or without a readable reply, the evidence.

    `sure` names a route that needs no model; `documents` and `tables` say what the sources hold.
    Where `always` gives the route, a model only divides a question for both.
    """

    def __init__(
        self,
        by_evidence: Callable[[str], Route],
        *,
        llm: LLM | None = None,
        sure: Callable[[Question], Route | None] = lambda _: None,
        always: Callable[[str], Route | None] = lambda _: None,
        documents: str = "",
        tables: str = "",
    ) -> None:
        self._by_evidence = by_evidence
        self._llm = llm
        self._sure = sure
        self._always = always
        self._sources = {"documents": documents, "tables": tables}
        self._prompt = chat_prompt("route")

    def choose(self, question: Question) -> Route:
        """Raises ModelUnavailable for a model that cannot be reached."""
        if route := self._without_model(question):
            return route
        if self._llm and (route := self._predicted(self._llm, question)):
            return self._kept(route, question)
        return self._fallen_back(question)

    async def achoose(self, question: Question) -> Route:
        """Raises ModelUnavailable for a model that cannot be reached."""
        if route := await asyncio.to_thread(self._without_model, question):
            return route
        if self._llm and (route := await self._apredicted(self._llm, question)):
            return self._kept(route, question)
        return await asyncio.to_thread(self._fallen_back, question)

    def _without_model(self, question: Question) -> Route | None:
        if always := self._always(question.query_str):
            divides = self._llm and always.route == "both"
            return None if divides else always
        if route := self._sure(question):
            return route
        return None if self._llm else self._by_evidence(question.query_str)

    def _kept(self, predicted: Route, question: Question) -> Route:
        always = self._always(question.query_str)
        if not always:
            return predicted
        if predicted.route != always.route:
            return always
        return predicted.model_copy(update={"reason": always.reason})

    def _predicted(self, llm: LLM, question: Question) -> Route | None:
        with _accepted():
            for _ in range(TRIES):
                with _readable(), model_errors(_CHOOSING):
                    values = self._values(question)
                    predicted: Route = llm.structured_predict(Route, self._prompt, **values)
                    return predicted
        return None

    async def _apredicted(self, llm: LLM, question: Question) -> Route | None:
        with _accepted():
            for _ in range(TRIES):
                with _readable(), model_errors(_CHOOSING):
                    values = self._values(question)
                    predicted: Route = await llm.astructured_predict(Route, self._prompt, **values)
                    return predicted
        return None

    def _fallen_back(self, question: Question) -> Route:
        if always := self._always(question.query_str):
            return always
        route, language = self._by_evidence(question.query_str), question_language(question)
        told = reason("unreadable", language, reason=route.reason)
        return route.model_copy(update={"reason": told})

    def _values(self, question: Question) -> dict[str, str]:
        return {**self._sources, "question": question.query_str}


@contextmanager
def _readable() -> Iterator[None]:
    """What is no Route is as good as no reply."""
    try:
        yield
    except ValueError as error:
        _log.info("A choice of the model could not be read: %s", type(error).__name__)


@contextmanager
def _accepted() -> Iterator[None]:
    """A server that refuses a request for structured output may still answer others."""
    try:
        yield
    except ModelUnavailable as error:
        if getattr(error.__cause__, "status_code", None) not in _REFUSED:
            raise
        _log.info("%s", error)
