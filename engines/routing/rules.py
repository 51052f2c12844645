"""What decides where a question is answered without asking a language model for it.

That is how it was asked, whether the tables can be asked at all, the verified queries, and evidence
from the words of the question and what both sources hold.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore

from engines.answer_language import load_texts, question_language
from engines.question import Question
from engines.routing.evidence import Evidence
from engines.routing.reasons import reason
from engines.routing.route import Route
from engines.search.search_run import Search, searches
from engines.tables.entities import EntityIndex
from engines.tables.guarded_database import GuardedDatabase
from engines.verified.matching import VerifiedMatcher
from stores.errors import KBError

_log = logging.getLogger(__name__)


class RoutingTables:
    """Business tables that are open, as far as they help to choose a route."""

    def __init__(
        self, database: GuardedDatabase, matcher: VerifiedMatcher, entities: EntityIndex
    ) -> None:
        self.database = database
        self.matcher = matcher
        self._entities = entities

    @cached_property
    def evidence(self) -> Evidence:
        """Reads the words of the schema when they are first needed. Raises StoreError."""
        names = sorted(self.database.get_usable_table_names())
        schema = [self.database.get_single_table_info(name) for name in names]
        return Evidence(schema, self.matcher, self._entities)


@dataclass(frozen=True)
class RoutingRules:
    """The rules of one way of asking.

    `open_tables` raises KBError while the tables cannot be asked; it is None where no table is
    configured. Without `writes_sql` only verified queries answer from the tables. With `asks_both`
    each question goes to both sources.
    """

    retriever: BaseRetriever
    open_tables: Callable[[], RoutingTables] | None
    writes_sql: bool
    asks_both: bool = False

    def apply_to(self, question: Question) -> "RuledQuestion":
        """The question with what the rules know of it, looked up for it alone."""
        tables, trouble = None, None
        if self.open_tables:
            try:
                tables = self.open_tables()
            except KBError as error:
                trouble = error
        return RuledQuestion(self, question, tables, self._required(question, trouble))

    def _required(self, question: Question, trouble: KBError | None) -> Route | None:
        language = question_language(question)
        if self.asks_both:
            return Route(route="both", reason=reason("both_asked", language))
        if self.open_tables is None:
            return Route(route="documents", reason=reason("only_documents", language))
        if trouble:
            return Route(route="documents", reason=reason("no_tables", language, error=trouble))
        return None


class RuledQuestion:
    """A question in front of the rules.

    `required` is the route that leaves no choice; `search` is what was searched for to choose one.
    """

    def __init__(
        self,
        rules: RoutingRules,
        question: Question,
        tables: RoutingTables | None,
        required: Route | None,
    ) -> None:
        self.question = question
        self.required = required
        self.search: Search | None = None
        self._rules = rules
        self._tables = tables

    def describe_tables(self) -> str:
        """What the tables hold, for the prompt of a model."""
        return self._tables.database.outline() if self._tables else "(none)"

    def find_verified_route(self) -> Route | None:
        """The route of a verified query; None also when the tables cannot tell."""
        if self._tables is None:
            return None
        try:
            match = self._tables.matcher.match(self.question)
        except KBError as error:
            _log.warning("Verified queries could not be compared: %s", error)
            return None
        if match is None:
            return None
        texts = load_texts(self.question)
        return Route(route="database", reason=texts.gettext("a verified query answers it"))

    def weigh_evidence(self) -> Route:
        """Where no query is verified and no model writes one, the tables alone would say nothing.

        What the tables cannot help to choose, both may still answer in part.
        """
        language = question_language(self.question)
        try:
            assert self._tables  # noqa: S101 - without tables a route is required
            route = self._tables.evidence.route(self.question.query_str, self._search)
        except KBError as error:
            return Route(route="both", reason=reason("tables_failed", language, error=error))
        if self._rules.writes_sql or route.route != "database":
            return route
        return Route(route="both", reason=reason("not_verified", language, reason=route.reason))

    def _search(self) -> Sequence[NodeWithScore]:
        with searches() as made:
            passages = self._rules.retriever.retrieve(self.question)
        self.search = made[-1] if made else None
        return passages
