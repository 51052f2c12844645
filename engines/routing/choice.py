"""The choice of a route: by a model that predicts it, or by evidence."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.llms.llm import LLM
from llama_index.core.prompts import ChatPromptTemplate

from engines.language import question_language
from engines.model_errors import model_errors
from engines.prompts import prompt
from engines.question import Question
from engines.routing.route import Route

TRIES: Final = 2
_CHOOSING = "choosing where to look"
_UNREADABLE = {
    "en": "the model's choice could not be read; {reason}",
    "fr": "le choix du modèle était illisible ; {reason}",
}
_log = logging.getLogger(__name__)


class Routing:
    """Asks the `llm`, twice if need be; without one, or without a readable reply, the evidence.

    `sure` names a route that needs no model; `documents` and `tables` say what the sources hold.
    Where the route is given, by `always`, a model only divides a question for both.
    """

    def __init__(
        self,
        by_evidence: Callable[[str], Route],
        *,
        llm: LLM | None = None,
        sure: Callable[[str], Route | None] = lambda _: None,
        always: Route | None = None,
        documents: str = "",
        tables: str = "",
    ) -> None:
        self._by_evidence = by_evidence
        self._llm = llm
        self._sure = sure
        self._always = always
        self._sources = {"documents": documents, "tables": tables}
        self._prompt = ChatPromptTemplate(
            [
                ChatMessage(role=MessageRole.SYSTEM, content=prompt("route_system")),
                ChatMessage(role=MessageRole.USER, content=prompt("route_user")),
            ]
        )

    def choose(self, question: Question) -> Route:
        """Raises ModelUnavailable for a model that cannot be reached."""
        if route := self._without_model(question):
            return route
        if self._llm and (route := self._predicted(self._llm, question)):
            return self._kept(route)
        return self._fallen_back(question)

    async def achoose(self, question: Question) -> Route:
        """Raises ModelUnavailable for a model that cannot be reached."""
        if route := await asyncio.to_thread(self._without_model, question):
            return route
        if self._llm and (route := await self._apredicted(self._llm, question)):
            return self._kept(route)
        return await asyncio.to_thread(self._fallen_back, question)

    def _without_model(self, question: Question) -> Route | None:
        if self._always:
            divides = self._llm and self._always.route == "both"
            return None if divides else self._always
        if route := self._sure(question.query_str):
            return route
        return None if self._llm else self._by_evidence(question.query_str)

    def _kept(self, predicted: Route) -> Route:
        if not self._always:
            return predicted
        if predicted.route != self._always.route:
            return self._always
        return predicted.model_copy(update={"reason": self._always.reason})

    def _predicted(self, llm: LLM, question: Question) -> Route | None:
        for _ in range(TRIES):
            with _readable(), model_errors(_CHOOSING):
                values = self._values(question)
                predicted: Route = llm.structured_predict(Route, self._prompt, **values)
                return predicted
        return None

    async def _apredicted(self, llm: LLM, question: Question) -> Route | None:
        for _ in range(TRIES):
            with _readable(), model_errors(_CHOOSING):
                values = self._values(question)
                predicted: Route = await llm.astructured_predict(Route, self._prompt, **values)
                return predicted
        return None

    def _fallen_back(self, question: Question) -> Route:
        if self._always:
            return self._always
        route = self._by_evidence(question.query_str)
        words = _UNREADABLE[question_language(question.query_str)]
        return route.model_copy(update={"reason": words.format(reason=route.reason)})

    def _values(self, question: Question) -> dict[str, str]:
        return {**self._sources, "question": question.query_str}


@contextmanager
def _readable() -> Iterator[None]:
    """What is no Route is as good as no reply."""
    try:
        yield
    except ValueError as error:
        _log.info("A choice of the model could not be read: %s", type(error).__name__)
