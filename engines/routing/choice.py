"""The choice of a route: by a model that predicts it, or by evidence."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from llama_index.core.llms.llm import LLM

from engines.answer_language import question_language
from engines.model_errors import model_errors
from engines.prompts import chat_prompt
from engines.question import Question
from engines.routing.reasons import reason
from engines.routing.route import Route
from engines.routing.rules import RoutingRules, RuledQuestion
from engines.search.search_run import Search
from stores.errors import ModelUnavailable

TRIES: Final = 2
_CHOOSING = "choosing where to look"
_REFUSED: Final = {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY}
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Choice:
    """The route of a question, and the search that it was chosen by, if there was one."""

    route: Route
    search: Search | None = None


class Routing:
    """Asks the `llm`, twice if need be; without one, or without a readable reply, the evidence.

    What the rules are sure of needs no model; where they require a route, a model only divides a
    question for both. `documents` says to the model what they are about.
    """

    def __init__(self, rules: RoutingRules, *, llm: LLM | None = None, documents: str = "") -> None:
        self._rules = rules
        self._llm = llm
        self._documents = documents
        self._prompt = chat_prompt("route")

    def choose(self, question: Question) -> Choice:
        """Raises ModelUnavailable for a model that cannot be reached."""
        ruled = self._rules.apply_to(question)
        route = self._without_model(ruled)
        if route is None and self._llm and (predicted := self._predicted(self._llm, ruled)):
            route = _kept(predicted, ruled)
        if route is None:
            route = _fallen_back(ruled)
        return Choice(route, ruled.search)

    async def achoose(self, question: Question) -> Choice:
        """Raises ModelUnavailable for a model that cannot be reached."""
        ruled = await asyncio.to_thread(self._rules.apply_to, question)
        route = await asyncio.to_thread(self._without_model, ruled)
        if route is None and self._llm and (predicted := await self._apredicted(self._llm, ruled)):
            route = _kept(predicted, ruled)
        if route is None:
            route = await asyncio.to_thread(_fallen_back, ruled)
        return Choice(route, ruled.search)

    def _without_model(self, ruled: RuledQuestion) -> Route | None:
        if ruled.required:
            divides = self._llm and ruled.required.route == "both"
            return None if divides else ruled.required
        if route := ruled.find_verified_route():
            return route
        return None if self._llm else ruled.weigh_evidence()

    def _predicted(self, llm: LLM, ruled: RuledQuestion) -> Route | None:
        with _accepted():
            for _ in range(TRIES):
                with _readable(), model_errors(_CHOOSING):
                    values = self._values(ruled)
                    predicted: Route = llm.structured_predict(Route, self._prompt, **values)
                    return predicted
        return None

    async def _apredicted(self, llm: LLM, ruled: RuledQuestion) -> Route | None:
        with _accepted():
            for _ in range(TRIES):
                with _readable(), model_errors(_CHOOSING):
                    values = self._values(ruled)
                    predicted: Route = await llm.astructured_predict(Route, self._prompt, **values)
                    return predicted
        return None

    def _values(self, ruled: RuledQuestion) -> dict[str, str]:
        return {
            "documents": self._documents,
            "tables": ruled.describe_tables(),
            "question": ruled.question.query_str,
        }


def _kept(predicted: Route, ruled: RuledQuestion) -> Route:
    required = ruled.required
    if required is None:
        return predicted
    if predicted.route != required.route:
        return required
    return predicted.model_copy(update={"reason": required.reason})


def _fallen_back(ruled: RuledQuestion) -> Route:
    if ruled.required:
        return ruled.required
    route, language = ruled.weigh_evidence(), question_language(ruled.question)
    told = reason("unreadable", language, reason=route.reason)
    return route.model_copy(update={"reason": told})


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
