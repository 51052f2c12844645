"""The engines of a knowledge base, put together for one way of asking."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.vector_stores.types import MetadataFilters

from engines.answer_language import phrase, question_language
from engines.both.both_engine import Deadlines, JoinedQueryEngine
from engines.documents.document_engine import DocumentQueryEngine
from engines.question import Question
from engines.routing.choice import Routing
from engines.routing.reasons import reason
from engines.routing.route import Route
from engines.routing.router import RoutedQueryEngine
from engines.search.reranking import make_reranker
from engines.search.retrieval import DocumentRetriever, SearchAhead
from engines.search.search_run import Search
from engines.search.translation import Translator
from engines.small_talk import Sources, small_talk
from kb.assembly.answer_sources import Source, require_source
from kb.assembly.business_tables import answering_from_tables
from kb.assembly.components import Parts
from kb.assembly.experiments import assigned
from kb.assembly.models import vector_weight
from kb.assembly.search_logging import keeping_searches
from stores.errors import ConfigError, KBError

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Asking:
    """How questions are to be answered; their searches are logged as of `session` and `user`."""

    source: Source = "auto"
    top_k: int | None = None
    filters: MetadataFilters | None = None
    profile: str | None = None
    session: str | None = None
    user: str | None = None
    streaming: bool = False


def answering_engine(parts: Parts, asking: Asking) -> BaseQueryEngine:
    """Raises ConfigError for a source that there is not, or that cannot be opened."""
    require_source(asking.source)
    match asking.source:
        case "documents":
            return _documents(parts, asking, document_retriever(parts, asking))
        case "database":
            return database_engine(parts, streaming=asking.streaming)
    return _RoutedAnswers(parts, asking).engine()


def document_retriever(
    parts: Parts, asking: Asking, on_search: Callable[[Search], None] | None = None
) -> BaseRetriever:
    """What runs the search profile of `asking`, else its session's, else retrieval.profile."""
    retrieval = parts.config.retrieval
    top_k = retrieval.top_k if asking.top_k is None else asking.top_k
    if top_k < 1:
        raise ConfigError(f"top_k is {top_k}; at least 1 passage is needed.")
    name = asking.profile or _profile_of(parts, asking.session)
    profile = parts.config.profile(name)
    rerank = profile.rerank
    return DocumentRetriever(
        parts.vector_store,
        parts.embed_model,
        profile,
        name=name,
        top_k=top_k,
        vector_weight=vector_weight(parts.config.embedding),
        filters=asking.filters,
        filter_keys=parts.config.documents.filter_keys,
        reranker=make_reranker(rerank, parts.llm, parts.config.directory) if rerank else None,
        translator=Translator(parts.llm, parts.registry.measure_language_shares)
        if parts.llm
        else None,
        on_search=on_search,
    )


def _profile_of(parts: Parts, session: str | None) -> str:
    retrieval = parts.config.retrieval
    if session is None or not retrieval.experiment:
        return retrieval.profile
    return assigned(session, retrieval.experiment)


def database_engine(
    parts: Parts,
    *,
    streaming: bool = False,
    sql_only: bool = False,
    synthesize_response: bool = True,
) -> BaseQueryEngine:
    return answering_from_tables(
        parts.tables,
        parts.verified_matcher,
        parts.entities,
        llm=parts.llm,
        embed_model=parts.embed_model,
        streaming=streaming,
        sql_only=sql_only,
        synthesize_response=synthesize_response,
    )


def _documents(parts: Parts, asking: Asking, retriever: BaseRetriever) -> DocumentQueryEngine:
    return DocumentQueryEngine(
        retriever,
        llm=parts.llm,
        embed_model=parts.embed_model,
        streaming=asking.streaming,
        on_answer=_keeping_searches(parts, asking),
    )


class _RoutedAnswers:
    """The engines of each route, which share one retriever: what chose a route is not lost."""

    def __init__(self, parts: Parts, asking: Asking) -> None:
        self._parts = parts
        self._asking = asking
        self._retriever = SearchAhead(document_retriever(parts, asking))
        self._trouble = _trouble_with_tables(parts)

    def engine(self) -> RoutedQueryEngine:
        return RoutedQueryEngine(
            self._routing(),
            self._answering,
            small_talk=partial(small_talk, sources=self._sources),
            streaming=self._asking.streaming,
        )

    def _routing(self) -> Routing:
        parts = self._parts
        return Routing(
            self._by_evidence,
            llm=parts.llm,
            sure=self._verified,
            always=self._always,
            documents=parts.config.documents.description or "the user's own documents",
            tables="(none)" if self._trouble else parts.tables.outline(),
        )

    def _by_evidence(self, question: str) -> Route:
        """Where no query is verified and no model writes one, the tables alone would say nothing.

        What the tables cannot help to choose, both may still answer in part.
        """
        language = question_language(question)
        try:
            route = self._parts.evidence.route(question, lambda: self._retriever.ahead(question))
        except KBError as error:
            return Route(route="both", reason=reason("tables_failed", language, error=error))
        if self._parts.llm or route.route != "database":
            return route
        told = reason("not_verified", language, reason=route.reason)
        return Route(route="both", reason=told)

    def _sources(self) -> Sources:
        parts = self._parts
        documents, _ = parts.registry.count_totals()
        tables = () if self._trouble else sorted(parts.tables.get_usable_table_names())
        return Sources(documents, tables)

    def _always(self, question: str) -> Route | None:
        language = question_language(question)
        if self._asking.source == "both":
            return Route(route="both", reason=reason("both_asked", language))
        if not self._parts.config.tables.include:
            return Route(route="documents", reason=reason("only_documents", language))
        if self._trouble:
            told = reason("no_tables", language, error=self._trouble)
            return Route(route="documents", reason=told)
        return None

    def _verified(self, question: Question) -> Route | None:
        """None also when the tables cannot tell: another source may answer."""
        try:
            match = self._parts.verified_matcher.match(question)
        except KBError as error:
            _log.warning("Verified queries could not be compared: %s", error)
            return None
        return Route(route="database", reason=phrase("verified_route", question)) if match else None

    def _answering(self, route: Route) -> BaseQueryEngine:
        match route.route:
            case "database":
                return database_engine(self._parts, streaming=self._asking.streaming)
            case "documents":
                return _documents(self._parts, self._asking, self._retriever)
            case "both":
                return self._joined(route)

    def _joined(self, route: Route) -> JoinedQueryEngine:
        parts, config = self._parts, self._parts.config
        return JoinedQueryEngine(
            _documents(parts, replace(self._asking, streaming=False), self._retriever),
            lambda: database_engine(parts, synthesize_response=False),
            route=route,
            llm=parts.llm,
            entities=None if self._trouble else parts.entities,
            deadlines=Deadlines(config.retrieval.deadline, config.tables.deadline),
            streaming=self._asking.streaming,
            on_answer=_keeping_searches(parts, self._asking),
        )


def _keeping_searches(parts: Parts, asking: Asking) -> Callable[..., None]:
    log = parts.config.retrieval.log
    return keeping_searches(parts.search_log, log, asking.session, asking.user)


def _trouble_with_tables(parts: Parts) -> str | None:
    """Why they, or the queries verified for them, cannot be asked; the documents can still be."""
    try:
        _ = parts.verified_matcher
    except KBError as error:
        return str(error)
    return None
