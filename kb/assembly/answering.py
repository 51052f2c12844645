"""The engines of a knowledge base, put together for one way of asking."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING, assert_never

from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.retrievers import BaseRetriever

from engines.both.both_engine import Deadlines, JoinedQueryEngine
from engines.documents.document_engine import DocumentQueryEngine
from engines.ended_question import ObservedQueryEngine
from engines.model_fallback import FallbackQueryEngine
from engines.routing.choice import Routing
from engines.routing.router import RoutedQueryEngine
from engines.small_talk import Sources, reply_to_small_talk
from kb.assembly.answer_sources import require_source
from kb.assembly.business_tables import make_tables_engine
from kb.assembly.models import find_sentence_languages
from kb.assembly.search_logging import make_search_logger
from kb.assembly.searching import AnswerOptions, make_retriever
from kb.config.models import LLMConfig
from kb.model_file.known_files import DEFAULT_FILE, KNOWN_FILES
from stores.errors import ConfigError, KBError

if TYPE_CHECKING:  # the components are handed in, by who made them
    from kb.assembly.components import Components

_log = logging.getLogger(__name__)


def make_answer_engine(components: "Components", options: AnswerOptions) -> BaseQueryEngine:
    """Make the engine of a source, or one that chooses among them, for any number of questions.

    Each is logged. Raises ConfigError for a source or a model that there is not, or that cannot be
    opened.
    """
    logger = components.books.make_logger(options.session, options.user)
    engine = make_unlogged_engine(components, options)
    return ObservedQueryEngine(engine, logger, cached=options.cached)


def make_unlogged_engine(components: "Components", options: AnswerOptions) -> BaseQueryEngine:
    """Make the engine that `make_answer_engine` has log its questions, which a session does."""
    require_source(options.source)
    components = components.with_model(options.model)
    return _make_chain(components, partial(_make_engine_of_source, options=options), options.user)


def _make_chain(
    components: "Components",
    make_engine: Callable[..., BaseQueryEngine],
    user: str | None,
    *,
    stands_in: bool = False,
) -> BaseQueryEngine:
    """Make the engine of the language model, behind it that of the next one, and of none at last.

    Raises ConfigError where the first cannot be made.
    """
    engine = make_engine(components, stands_in=stands_in)
    if components.llm is None:
        return engine
    return FallbackQueryEngine(
        engine,
        lambda: _make_chain(components.fallback, make_engine, user, stands_in=True),
        partial(components.books.require_budget, user),
        components.model_failure if components.config.llm.fallback else None,
    )


def _make_engine_of_source(
    components: "Components", options: AnswerOptions, *, stands_in: bool
) -> BaseQueryEngine:
    """Make the engine of a source; it `stands_in` for one whose model does not answer."""
    match options.source:
        case "documents":
            return make_document_engine(components, options, make_retriever(components, options))
        case "database":
            return _make_engine_of_tables(components, streaming=options.streaming)
        case "auto" | "both":
            weighs_all = stands_in and components.llm is None
            return _make_routed_engine(components, options, weighs_all=weighs_all)
        case _:
            assert_never(options.source)


def make_database_engine(
    components: "Components",
    *,
    streaming: bool = False,
    sql_only: bool = False,
    synthesize_response: bool = True,
    user: str | None = None,
) -> BaseQueryEngine:
    """Make the engine of the business tables, which are opened. Raises ConfigError, StoreError.

    With `sql_only` only another model stands in for one that does not answer.
    """
    how = {
        "streaming": streaming,
        "sql_only": sql_only,
        "synthesize_response": synthesize_response,
    }

    def make_engine(components: "Components", *, stands_in: bool) -> BaseQueryEngine:
        if stands_in and sql_only and components.llm is None:
            raise ConfigError("Without a language model no SQL is written.")
        return _make_engine_of_tables(components, **how)

    engine = _make_chain(components, make_engine, user)
    return ObservedQueryEngine(engine, components.books.make_logger(None, user))


def _make_engine_of_tables(components: "Components", **how: bool) -> BaseQueryEngine:
    return make_tables_engine(
        components.tables,
        components.verified_matcher,
        components.entities,
        llm=components.llm_for("answer"),
        sql_llm=components.llm_for("sql"),
        embed_model=components.embed_model,
        instructions=components.config.llm.instructions,
        last_model=components.config.llm.next_model() is None,
        callback_manager=components.callback_manager,
        **how,
    )


def make_document_engine(
    components: "Components", options: AnswerOptions, retriever: BaseRetriever
) -> DocumentQueryEngine:
    """Make the engine that answers from the passages of a retriever, and logs its searches."""
    return DocumentQueryEngine(
        retriever,
        llm=components.llm_for("answer"),
        embed_model=components.sentence_model,
        languages=find_sentence_languages(components.config.embedding),
        streaming=options.streaming,
        count_words=components.vector_store.count_chunks_with,
        suggest=partial(_suggest, components),
        on_answer=_make_search_logger(components, options),
        instructions=components.config.llm.instructions,
        callback_manager=components.callback_manager,
    )


def _suggest(components: "Components", question: str, passages: Sequence[str]) -> Sequence[str]:
    """The verified questions near to one that the documents do not answer, if any."""
    try:
        return components.verified_matcher.suggest_questions(question, passages)
    except KBError as error:
        _log.info("No verified question is offered: %s", error)
        return []


def _make_routed_engine(
    components: "Components", options: AnswerOptions, *, weighs_all: bool
) -> RoutedQueryEngine:
    """Make the engine that chooses a source for a question, and those among which it chooses.

    That of the tables is made when the first question needs it: they may be away, and come back.
    """
    config = components.config
    retriever = make_retriever(components, options)
    llm = components.llm_for("route") if decides_route(config.llm) else None
    routing = Routing(
        retriever,
        (lambda: components.evidence) if config.tables.include else None,
        without_tables=components.weigh_without_tables,
        llm=llm,
        documents=config.documents.description or "the user's own documents",
        asks_both=options.source == "both",
        weighs_all=weighs_all or components.llm is not None,
    )
    quiet = replace(options, streaming=False)
    both = JoinedQueryEngine(
        make_document_engine(components, quiet, retriever),
        cache(partial(_make_engine_of_tables, components, synthesize_response=False)),
        llm=components.llm_for("answer"),
        entities=components.find_entities,
        deadlines=Deadlines(config.retrieval.deadline, config.tables.deadline),
        streaming=options.streaming,
        on_answer=_make_search_logger(components, options),
        instructions=config.llm.instructions,
        callback_manager=components.callback_manager,
    )
    return RoutedQueryEngine(
        routing,
        documents=make_document_engine(components, options, retriever),
        database=cache(partial(_make_engine_of_tables, components, streaming=options.streaming)),
        both=both,
        small_talk=partial(reply_to_small_talk, sources=partial(_count_sources, components)),
        streaming=options.streaming,
        callback_manager=components.callback_manager,
    )


def decides_route(llm: LLMConfig) -> bool:
    """Tell whether a model decides which source answers, where evidence leaves that open.

    The files of `kb setup --llm` send questions on documents to the tables.
    """
    if llm.decides_route is not None:
        return llm.decides_route
    return llm.provider != "llama-cpp" or (llm.model or DEFAULT_FILE) not in KNOWN_FILES


def _count_sources(components: "Components") -> Sources:
    documents, _ = components.registry.count_totals()
    try:
        tables = sorted(components.tables.get_usable_table_names())
    except KBError:
        tables = []
    return Sources(documents, tables)


def _make_search_logger(components: "Components", options: AnswerOptions) -> Callable[..., None]:
    log = components.config.retrieval.log
    return make_search_logger(components.search_log, log, options.session, options.user)
