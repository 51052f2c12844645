"""What finds passages for a question, and reads a question with those before it, put together."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from llama_index.core.retrievers import BaseRetriever
from llama_index.core.vector_stores.types import MetadataFilters

from engines.follow_ups.joined_search import CANDIDATES, JoinedSearch
from engines.follow_ups.rewriting import Rewriter
from engines.search.retrieval import DocumentRetriever
from engines.search.search_run import Search
from engines.search.translation import Translator
from kb.assembly.answer_sources import Source
from kb.assembly.experiments import assign_profile
from kb.assembly.models import find_sentence_languages, vector_weight
from kb.assembly.rerankers import make_reranker
from stores.errors import ConfigError, KBError

if TYPE_CHECKING:
    from kb.assembly.components import Components


@dataclass(frozen=True)
class AnswerOptions:
    """How questions are to be answered; their searches are logged as of `session` and `user`.

    With `exact`, what a question quotes must stand in the passages; else it is favoured. `model` is
    the name of a choice of llm.choices. Unless `cached`, nothing comes from a cache.
    """

    source: Source = "auto"
    top_k: int | None = None
    filters: MetadataFilters | None = None
    profile: str | None = None
    session: str | None = None
    user: str | None = None
    streaming: bool = False
    exact: bool = False
    model: str | None = None
    cached: bool = True

    def values(self) -> dict[str, Any]:
        """Return how a question was asked, as JSON; of what was left open nothing."""
        filters = self.filters.model_dump(mode="json") if self.filters else None
        known = {
            "source": self.source,
            "profile": self.profile,
            "model": self.model,
            "filters": filters,
        }
        return {name: value for name, value in known.items() if value is not None}


def make_retriever(
    components: "Components",
    options: AnswerOptions,
    on_search: Callable[[Search], None] | None = None,
) -> BaseRetriever:
    """Make what runs the search profile of the options, their session's or retrieval.profile."""
    config, llm = components.config, components.llm_for("rewrite")
    top_k = config.retrieval.top_k if options.top_k is None else options.top_k
    if top_k < 1:
        raise ConfigError(f"top_k is {top_k}; at least 1 passage is needed.")
    name = options.profile or config.retrieval.profile
    if options.profile is None and options.session is not None and config.retrieval.experiment:
        name = assign_profile(options.session, config.retrieval.experiment)
    profile = config.profile(name)
    rerank = profile.rerank
    return DocumentRetriever(
        components.vector_store,
        components.question_model,
        profile,
        name=name,
        top_k=top_k,
        vector_weight=vector_weight(config.embedding),
        filters=options.filters,
        filter_keys=config.documents.filter_keys,
        reranker=make_reranker(config, rerank, components.llm) if rerank else None,
        translator=Translator(llm, components.registry.measure_language_shares) if llm else None,
        exact=options.exact,
        on_search=on_search,
        callback_manager=components.callback_manager,
    )


def make_rewriter(components: "Components", options: AnswerOptions) -> Rewriter:
    """Make what reads a question; for each anew, as tables that are away may be there then."""
    entities, matcher, is_better_joined = None, None, None
    if options.source != "documents" and (entities := components.find_entities()):
        with suppress(KBError):  # the reason of the route says it
            matcher = components.verified_matcher
    if options.source != "database":
        retriever = make_retriever(components, replace(options, top_k=CANDIDATES))
        is_better_joined = JoinedSearch(
            retriever,
            components.sentence_model,
            components.vector_store.count_chunks_with,
            find_sentence_languages(components.config.embedding),
        ).is_better
    return Rewriter(components.llm_for("rewrite"), entities, matcher, is_better_joined)
