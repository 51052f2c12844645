"""One search, step by step: what it asks for, and what becomes of what is found; without I/O."""

import secrets
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final, assert_never

from llama_index.core.schema import BaseNode, NodeWithScore, QueryBundle
from llama_index.core.vector_stores.types import (
    FilterCondition,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
    VectorStoreQueryResult,
)

from engines.elapsed import milliseconds_since
from engines.question import Question
from engines.search.postprocessing import (
    apply_reranking,
    arrange_passages,
    choose_diverse,
    find_neighbour_ids,
    with_neighbours,
)
from engines.search.profiles import Profile
from engines.search.query_analysis import AnalysedQuery, Kind, analyse_question
from engines.search.reranking import scale_scores
from stores.chunks.fusion import EVIDENCE, LITTLE_EVIDENCE, Fusion, Strategy, weighs_vectors
from stores.errors import ModelUnavailable
from stores.text.asked_languages import drop_function_words

# Languages of which a question's words that are searched for mostly stand in its answer.
_MEASURED: Final = ("", "en", "de", "es", "it", "nl", "pt")
_SPARE = 4  # times the passages wanted: some repeat a better one


def knows_languages(known: Collection[str] | None, wanted: Collection[str]) -> bool:
    """Tell whether a model of known languages, None for all, knows the wanted ones.

    The language "" is one that nobody could tell, and taken as known.
    """
    return known is None or all(language in ("", *known) for language in wanted)


@dataclass(frozen=True)
class VectorWeight:
    """How much the vectors weigh where a profile does not say, or the model not know the language.

    `languages` None: it knows all.
    """

    known: float
    unknown: float = 0.1
    languages: Collection[str] | None = None

    def knows_language(self, language: str) -> bool:
        return knows_languages(self.languages, {language})

    def weigh_language(self, language: str, named: float | None) -> float:
        """Weigh the vectors of a language.

        `named` is the profile's weight, which holds for languages that the model knows.
        """
        wanted = self.known if named is None else named
        return wanted if self.knows_language(language) else min(wanted, self.unknown)


@dataclass(frozen=True)
class SearchSummary:
    """How documents were searched; `id` names the search in what is said of it afterwards."""

    id: str
    profile: str
    language: str
    kind: Kind
    strategy: Strategy
    vector_weight: float
    candidates: int
    neighbours: int
    notes: list[str]


@dataclass(frozen=True)
class Search:
    """A search as it was done; `candidates` are what the store found.

    `passages` are the hits, best first, and behind them their `neighbours`.
    """

    question: str
    profile: str
    query: AnalysedQuery
    fusion: Fusion
    passages: Sequence[NodeWithScore]
    neighbours: int
    candidates: int
    notes: Sequence[str]
    milliseconds: float
    id: str = field(default_factory=lambda: secrets.token_hex(6))

    @property
    def hits(self) -> Sequence[NodeWithScore]:
        return self.passages[: len(self.passages) - self.neighbours]

    def summary(self) -> dict[str, Any]:
        """Return what an answer says of its search."""
        told = SearchSummary(
            id=self.id,
            profile=self.profile,
            language=self.query.language,
            kind=self.query.kind,
            strategy=self.fusion.strategy,
            vector_weight=self.fusion.vector_weight,
            candidates=self.candidates,
            neighbours=self.neighbours,
            notes=list(self.notes),
        )
        return vars(told)


_collected: ContextVar[list[Search] | None] = ContextVar("searches made", default=None)


@contextmanager
def collect_searches() -> Iterator[list[Search]]:
    """Collect the searches that are made within, by whatever retriever does them."""
    made: list[Search] = []
    former = _collected.set(made)
    try:
        yield made
    finally:
        _collected.reset(former)


def note_search(search: Search) -> None:
    """Add a search to those that are collected around it."""
    made = _collected.get()
    if made is not None:
        made.append(search)


class SearchRun:
    """A search on its way; its methods are its steps, in the order of their use."""

    def __init__(
        self,
        asked: QueryBundle,
        profile: Profile,
        top_k: int,
        weight: VectorWeight,
        filters: MetadataFilters | None,
        filter_keys: Collection[str] | None,
        *,
        exact: bool = False,
    ) -> None:
        self._since = time.perf_counter()
        query = analyse_question(asked.query_str, filter_keys)
        self.text = query.text.strip()
        self.vector = asked.embedding
        self.to_embed = asked.custom_embedding_strs or [self.text]
        self.filters = _combine_filters(filters, query.filters)
        self.passages: list[NodeWithScore] = []
        self._question = asked.query_str
        self._query = query
        self._profile = profile
        self._top_k = top_k
        self._weight = weight
        self._limit = _count_wanted(profile, top_k)
        self._fusion = self._make_fusion(weight)
        self._required = query.phrases if exact else ()
        self._must_hold = asked.must_hold if isinstance(asked, Question) else ()
        self._notes = [*query.notes, *self._note_unknown_language(weight)]
        self._hits = self._candidates = 0

    def _make_fusion(self, weight: VectorWeight) -> Fusion:
        profile, language = self._profile, self._query.language
        return Fusion(
            strategy=profile.strategy,
            vector_weight=weight.weigh_language(language, profile.vector_weight),
            candidates=max(profile.candidates, self._limit),
            both_boost=profile.both_boost,
            rrf_k=profile.rrf_k,
            adaptive=weight.knows_language(language),
            evidence=EVIDENCE if language in _MEASURED else LITTLE_EVIDENCE,
        )

    def _note_unknown_language(self, weight: VectorWeight) -> Iterator[str]:
        language, strategy = self._query.language, self._fusion.strategy
        if weight.knows_language(language) or strategy == "text":
            return
        consequence = (
            f"vectors weigh {self._fusion.vector_weight:g}"
            if weighs_vectors(strategy)
            else f"a strategy that weighs vectors serves better than {strategy}"
        )
        yield f"The embedding model does not know the language {language!r}; {consequence}."

    @property
    def lacks_vector(self) -> bool:
        return bool(self.text) and self.vector is None and self._fusion.strategy != "text"

    def store_query(self) -> VectorStoreQuery:
        """Ask the store for candidates; a question of filters alone lists what they let through."""
        match self._fusion.strategy:
            case "vector":
                mode = VectorStoreQueryMode.DEFAULT
            case "text":
                mode = VectorStoreQueryMode.TEXT_SEARCH
            case "weighted" | "rrf" | "text-then-vector" | "vector-then-text" | "intersection":
                mode = VectorStoreQueryMode.HYBRID
            case _:
                assert_never(self._fusion.strategy)
        return VectorStoreQuery(
            mode=mode if self.text else VectorStoreQueryMode.DEFAULT,
            query_str=drop_function_words(self.text, self._query.language),
            query_embedding=self.vector if self.text else None,
            similarity_top_k=self._limit,
            hybrid_top_k=self._limit,
            filters=self.filters,
        )

    def store_options(self) -> dict[str, Any]:
        return {
            "fusion": self._fusion,
            "language": self._query.language,
            "phrases": [*self._required, *self._must_hold],
        }

    @property
    def required_phrases(self) -> Sequence[str]:
        """What was quoted in the question, if only passages that hold it are searched for."""
        return self._required

    def stop_requiring_phrases(self) -> None:
        """Search for what was quoted as for other words, as no passage holds it."""
        quoted = ", ".join(f"“{phrase:.80}”" for phrase in self._required)
        self._notes.append(f"No passage holds the exact words {quoted}; searched without them.")
        self._required = ()

    @property
    def language(self) -> str:
        """The language to translate from; "" for names, and where the exact words count."""
        is_free = self.text and self._query.kind != "identifier" and not self._required
        return self._query.language if is_free else ""

    def for_translation(self, text: str) -> "SearchRun":
        """Repeat the search for a translation of its question."""
        self._notes.append(f"Also searched for: {text}")
        asked = QueryBundle(text)
        return SearchRun(asked, self._profile, self._top_k, self._weight, self.filters, None)

    @contextmanager
    def note_failure(self) -> Iterator[None]:
        """Note that translating failed; a search needs no model, and goes on as it was asked."""
        try:
            yield
        except ModelUnavailable as error:
            self._notes.append(f"Not searched in the documents' language: {error}")

    def take_results(self, found: VectorStoreQueryResult) -> None:
        passages = [
            NodeWithScore(node=node, score=min(max(score, 0.0), 1.0))  # a cosine may be below 0
            for node, score in zip(found.nodes or (), found.similarities or (), strict=True)
        ]
        self._candidates = len(passages)
        favoured = [phrase for phrase in self._query.phrases if phrase not in self._must_hold]
        best_first = arrange_passages(passages, self._profile, datetime.now(UTC), favoured)
        self._notes += [
            f"Only passages that hold the exact words “{phrase:.80}” are searched."
            for phrase in self._required
        ]
        chosen_later = self._profile.rerank or self._profile.diversity
        self.passages = list(islice(best_first, None if chosen_later else self._top_k))

    @property
    def can_rerank(self) -> bool:
        return bool(self.text) and bool(self.passages)

    def copy_leading(self) -> list[NodeWithScore]:
        """Copy the passages to rerank, as a reranker may write its scores into them."""
        leading = self.passages[: _count_judged(self._profile)]
        return [NodeWithScore(node=passage.node, score=passage.score) for passage in leading]

    def take_reranking(self, judged: Sequence[NodeWithScore]) -> None:
        read = len(self.copy_leading())
        self.passages = apply_reranking(scale_scores(judged), self.passages)
        self._notes.append(f"{len(judged)} of {read} passages were put in order by a reranker.")

    @property
    def can_diversify(self) -> bool:
        return bool(self._profile.diversity) and len(self.passages) > self._top_k

    def passage_ids(self) -> list[str]:
        return [passage.node_id for passage in self.passages]

    def choose_diverse(self, nodes: Sequence[BaseNode]) -> None:
        """Choose by the embeddings of passages; one that was deleted meanwhile has none."""
        embeddings = {node.node_id: node.get_embedding() for node in nodes}
        kept = [passage for passage in self.passages if passage.node_id in embeddings]
        self.passages = choose_diverse(
            kept, embeddings, self._top_k, self._profile.diversity or 0.0
        )

    def cut_to_top(self) -> None:
        self.passages = self.passages[: self._top_k]
        self._hits = len(self.passages)

    def neighbour_ids(self) -> list[str]:
        return list(find_neighbour_ids(self.passages))

    def add_neighbours(self, nodes: Sequence[BaseNode]) -> None:
        scores = find_neighbour_ids(self.passages)
        self.passages += [NodeWithScore(node=node, score=scores[node.node_id]) for node in nodes]

    def make_search(self, profile: str) -> Search:
        hits, neighbours = self.passages[: self._hits], self.passages[self._hits :]
        return Search(
            question=self._question,
            profile=profile,
            query=self._query,
            fusion=self._fusion,
            passages=with_neighbours(hits, neighbours),
            neighbours=len(neighbours),
            candidates=self._candidates,
            notes=tuple(self._notes),
            milliseconds=milliseconds_since(self._since, decimals=3),
        )


def _count_wanted(profile: Profile, top_k: int) -> int:
    """Count how many passages the store must find so that `top_k` are left."""
    reorders = (
        *(profile.boosts, profile.recency, profile.popularity),
        *(profile.diversity, profile.per_document),
    )
    if any(reorders) or profile.rerank:
        return max(profile.candidates, _count_judged(profile), top_k)
    if profile.deduplicate:
        return max(min(top_k * _SPARE, profile.candidates), top_k)
    return top_k


def _count_judged(profile: Profile) -> int:
    return profile.rerank.candidates if profile.rerank else 0


def _combine_filters(*filters: MetadataFilters | None) -> MetadataFilters | None:
    given = [one for one in filters if one]
    if len(given) < len(filters):
        return given[0] if given else None
    return MetadataFilters(filters=list(given), condition=FilterCondition.AND)
