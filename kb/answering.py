"""The engines of a knowledge base, put together for one way of asking."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.vector_stores.types import MetadataFilters

from engines.documents import DocumentQueryEngine
from engines.joined import Deadlines, JoinedQueryEngine
from engines.language import phrase
from engines.retrieval import SearchAhead
from engines.route import Route
from engines.router import RoutedQueryEngine
from engines.routing import Routing
from kb.sources import REASONS, Source, require_source
from kb.usage import keeping_searches
from stores.errors import KBError

if TYPE_CHECKING:
    from kb.app import KnowledgeBase


@dataclass(frozen=True)
class Asking:
    """How questions are to be answered; `session` is whose searches are logged."""

    source: Source = "auto"
    top_k: int | None = None
    filters: MetadataFilters | None = None
    profile: str | None = None
    session: str | None = None
    streaming: bool = False


def answering_engine(kb: "KnowledgeBase", asking: Asking) -> BaseQueryEngine:
    """Raises ConfigError for a source that there is not, or that cannot be opened."""
    require_source(asking.source)
    match asking.source:
        case "documents":
            return _documents(kb, asking, _retriever(kb, asking))
        case "database":
            return kb.database_engine(streaming=asking.streaming)
    return _RoutedAnswers(kb, asking).engine()


def _retriever(kb: "KnowledgeBase", asking: Asking) -> BaseRetriever:
    return kb.retriever(
        asking.top_k, filters=asking.filters, profile=asking.profile, session=asking.session
    )


def _documents(
    kb: "KnowledgeBase", asking: Asking, retriever: BaseRetriever
) -> DocumentQueryEngine:
    return DocumentQueryEngine(
        retriever,
        llm=kb.llm,
        embed_model=kb.embed_model,
        streaming=asking.streaming,
        route_reason=REASONS["documents"],
        on_answer=keeping_searches(kb.engine, kb.config.retrieval.log, asking.session),
    )


class _RoutedAnswers:
    """The engines of each route, which share one retriever: what chose a route is not lost."""

    def __init__(self, kb: "KnowledgeBase", asking: Asking) -> None:
        self._kb = kb
        self._asking = asking
        self._retriever = SearchAhead(_retriever(kb, asking))
        self._trouble = _trouble_with_tables(kb)

    def engine(self) -> RoutedQueryEngine:
        return RoutedQueryEngine(
            self._routing(),
            self._answering,
            streaming=self._asking.streaming,
        )

    def _routing(self) -> Routing:
        kb = self._kb
        return Routing(
            lambda question: kb.evidence.route(question, lambda: self._retriever.ahead(question)),
            llm=kb.llm,
            sure=self._verified,
            always=self._always(),
            documents=kb.config.documents.description or "the user's own documents",
            tables="(none)" if self._trouble else kb.tables.outline(),
        )

    def _always(self) -> Route | None:
        if self._asking.source == "both":
            return Route(route="both", reason=REASONS["both"])
        if self._trouble:
            return Route(route="documents", reason=f"no tables can be asked: {self._trouble}")
        return None

    def _verified(self, question: str) -> Route | None:
        if self._kb.verified_matcher.match(question) is None:
            return None
        return Route(route="database", reason=phrase("verified_route", question))

    def _answering(self, route: Route) -> BaseQueryEngine:
        match route.route:
            case "database":
                return self._kb.database_engine(streaming=self._asking.streaming)
            case "documents":
                return _documents(self._kb, self._asking, self._retriever)
            case "both":
                return self._joined(route)

    def _joined(self, route: Route) -> JoinedQueryEngine:
        kb, config = self._kb, self._kb.config
        return JoinedQueryEngine(
            _documents(kb, replace(self._asking, streaming=False), self._retriever),
            lambda: kb.database_engine(synthesize_response=False),
            route=route,
            llm=kb.llm,
            entities=None if self._trouble else kb.entities,
            deadlines=Deadlines(config.retrieval.deadline, config.tables.deadline),
            streaming=self._asking.streaming,
            on_answer=keeping_searches(kb.engine, config.retrieval.log, self._asking.session),
        )


def _trouble_with_tables(kb: "KnowledgeBase") -> str | None:
    """Why they cannot be asked; the documents can then still be."""
    try:
        _ = kb.tables
    except KBError as error:
        return str(error)
    return None
