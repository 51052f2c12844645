"""The choice of a route: as it was asked for, by a verified query, by evidence, or by a model."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Final

from llama_index.core.llms.llm import LLM
from llama_index.core.retrievers import BaseRetriever

from engines.answer_language import question_language
from engines.model_errors import model_errors
from engines.prompts import chat_prompt
from engines.question import Question
from engines.route_reasons import say_reason
from engines.routing.evidence import Evidence
from engines.routing.route import Route
from engines.search.search_run import Search, collect_searches
from stores.errors import KBError, ModelUnavailable

TRIES: Final = 2
_CHOOSING = "choosing where to look"
_REFUSED: Final = {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY}
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Choice:
    """The route of a question, and the search that it was chosen by, if there was one.

    `is_open` leaves it to a model, `is_required` leaves nothing to it but to divide the question.
    `trouble` is why the tables cannot be asked, whatever the route.
    """

    route: Route
    search: Search | None = None
    tables: str = "(none)"
    is_open: bool = False
    is_required: bool = False
    trouble: str = ""


class Routing:
    """Chooses by what is sure: how it was asked, the verified queries, and evidence.

    What they leave open the `llm` decides, asked twice if need be; both sources are asked where its
    reply cannot be read. Without one the documents answer what no verified query does, or what
    evidence says is theirs if `weighs_all`.
    `open_evidence` raises KBError while the tables cannot be asked, and is None where no table is
    configured; `without_tables` then tells by their names and descriptions which questions are
    theirs. With `asks_both` each question goes to both sources, and a model only divides it.
    `documents` says to the model what they are about.
    """

    def __init__(
        self,
        retriever: BaseRetriever,
        open_evidence: Callable[[], Evidence] | None,
        *,
        without_tables: Callable[[], Evidence] | None = None,
        llm: LLM | None = None,
        documents: str = "",
        asks_both: bool = False,
        weighs_all: bool = False,
    ) -> None:
        self._retriever = retriever
        self._open_evidence = open_evidence
        self._without_tables = without_tables
        self._llm = llm
        self._documents = documents
        self._asks_both = asks_both
        self._weighs_all = weighs_all
        self._prompt = chat_prompt("route")

    def choose(self, question: Question) -> Choice:
        """Choose the route of a question. Raises ModelUnavailable where no model answers."""
        choice = self._decide_without_model(question)
        if not (choice.is_open and self._llm):
            return choice
        values = self._make_prompt_values(question, choice)
        with _accept_refusal():
            for _ in range(TRIES):
                with _skip_unreadable(), model_errors(_CHOOSING):
                    route = self._llm.structured_predict(Route, self._prompt, **values)
                    return _apply_prediction(choice, route)
        return _tell_unread_reply(choice, question)

    async def achoose(self, question: Question) -> Choice:
        choice = await asyncio.to_thread(self._decide_without_model, question)
        if not (choice.is_open and self._llm):
            return choice
        values = self._make_prompt_values(question, choice)
        with _accept_refusal():
            for _ in range(TRIES):
                with _skip_unreadable(), model_errors(_CHOOSING):
                    route = await self._llm.astructured_predict(Route, self._prompt, **values)
                    return _apply_prediction(choice, route)
        return _tell_unread_reply(choice, question)

    def _decide_without_model(self, question: Question) -> Choice:
        """Choose as far as that can be done without a model."""
        language = question_language(question)
        evidence, trouble, described = None, None, "(none)"
        if self._open_evidence:
            try:
                evidence = self._open_evidence()
                described = evidence.outline_tables() if self._llm else described
            except KBError as error:
                evidence, trouble = None, error
        if self._asks_both:
            route = Route(route="both", reason=say_reason("both_asked", language))
            return Choice(route, None, described, is_open=True, is_required=True)
        if evidence is None and trouble:
            return self._choose_without_tables(question, str(trouble))
        if evidence is None:
            only = say_reason("only_documents", language)
            return Choice(Route(route="documents", reason=only))
        try:
            return replace(self._compare_sources(question, evidence), tables=described)
        except KBError as error:
            told = say_reason("not_compared", language, error=error)
            return Choice(Route(route="both", reason=told))

    def _choose_without_tables(self, question: Question, trouble: str) -> Choice:
        """Leave what is for the tables without an answer; the documents get what is in doubt."""
        told = say_reason("no_tables", question_language(question), error=trouble)
        choice = Choice(Route(route="documents", reason=told), trouble=trouble)
        if self._without_tables is None:
            return choice
        try:
            evidence = self._without_tables()
            with collect_searches() as made:
                route, is_sure = evidence.weigh(
                    question, lambda: self._retriever.retrieve(question)
                )
        except KBError as error:
            _log.info("%s", error)
            return choice
        if route.route == "both":
            route = choice.route
        search = made[-1] if made else None
        tables = evidence.outline_tables()
        return replace(choice, route=route, search=search, tables=tables, is_open=not is_sure)

    def _compare_sources(self, question: Question, evidence: Evidence) -> Choice:
        with collect_searches() as made:
            route, is_sure = evidence.weigh(
                question,
                (lambda: self._retriever.retrieve(question))
                if self._llm or self._weighs_all
                else None,
            )
        return Choice(route, made[-1] if made else None, is_open=not is_sure)

    def _make_prompt_values(self, question: Question, choice: Choice) -> dict[str, str]:
        return {
            "documents": self._documents,
            "tables": choice.tables,
            "question": question.query_str,
        }


def _apply_prediction(choice: Choice, predicted: Route) -> Choice:
    if choice.trouble and predicted.route == "both":
        return choice
    if not choice.is_required:
        return replace(choice, route=predicted)
    if predicted.route != choice.route.route:
        return choice
    return replace(choice, route=predicted.model_copy(update={"reason": choice.route.reason}))


def _tell_unread_reply(choice: Choice, question: Question) -> Choice:
    if choice.is_required:
        return choice
    told = say_reason("unreadable", question_language(question), reason=choice.route.reason)
    return replace(choice, route=choice.route.model_copy(update={"reason": told}))


@contextmanager
def _skip_unreadable() -> Iterator[None]:
    """Go on without a reply that is no Route."""
    try:
        yield
    except ValueError as error:
        _log.info("A choice of the model could not be read: %s", type(error).__name__)


@contextmanager
def _accept_refusal() -> Iterator[None]:
    """Go on where a server refuses structured output: it may still answer other requests."""
    try:
        yield
    except ModelUnavailable as error:
        if getattr(error.__cause__, "status_code", None) not in _REFUSED:
            raise
        _log.info("%s", error)
