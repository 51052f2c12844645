"""From scored passages to those worth reading, best first; pure, scores stay in 0..1."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from llama_index.core.schema import BaseNode, NodeWithScore
from llama_index.core.vector_stores.types import VectorStoreQueryResult

from engines.passage_text import text_below_headings
from engines.search.profiles import Boost, Popularity, Profile, Recency

_NEARLY_ALL = 0.9  # of the pairs of adjacent words that two texts have
_OWN_WORDS = 2 * (1 - _NEARLY_ALL) / (1 + _NEARLY_ALL)  # what the rest can hold: a quick look
_WORD = re.compile(r"\w+")
_NAME = re.compile(r"\b[a-zß-ÿ_]*[^\W_a-zß-ÿ]\w*")  # a capital, a digit, or a letter without case
_DAY = 86_400  # seconds

Passages = Sequence[NodeWithScore]


def arranged(passages: Passages, profile: Profile, now: datetime) -> Iterator[NodeWithScore]:
    """The candidates that `profile` lets through, by its own idea of the best.

    `minimum_score` judges how well a passage matches, before anything favours it.
    """
    kept: Iterable[NodeWithScore] = favoured(
        at_least(profile.minimum_score, passages), profile, now
    )
    if profile.deduplicate:
        kept = distinct(kept)
    if profile.per_document:
        kept = few_of_each_document(kept, profile.per_document)
    return iter(kept)


def better_of(
    found: VectorStoreQueryResult, other: VectorStoreQueryResult
) -> VectorStoreQueryResult:
    """The nodes of two searches, each with the better of its scores."""
    best: dict[str, tuple[float, BaseNode]] = {}
    for result in (found, other):
        for node, score in zip(result.nodes or (), result.similarities or (), strict=True):
            if node.node_id not in best or score > best[node.node_id][0]:
                best[node.node_id] = (score, node)
    ranked = sorted(best.values(), key=lambda scored: -scored[0])
    return VectorStoreQueryResult(
        nodes=[node for _, node in ranked], similarities=[score for score, _ in ranked]
    )


def at_least(score: float, passages: Passages) -> list[NodeWithScore]:
    return [each for each in passages if each.get_score() >= score]


def favoured(passages: Passages, profile: Profile, now: datetime) -> list[NodeWithScore]:
    """Scores changed by metadata, recency and popularity, as far as the profile has them."""
    factors = [
        *(_boosts(passages, boost) for boost in profile.boosts),
        *([_recencies(passages, profile.recency, now)] if profile.recency else []),
        *([_popularities(passages, profile.popularity)] if profile.popularity else []),
    ]
    return _multiplied(passages, factors) if factors else list(passages)


def _boosts(passages: Passages, boost: Boost) -> list[float]:
    return [
        boost.factor if _holds(each.metadata.get(boost.key), boost.value) else 1.0
        for each in passages
    ]


def _holds(found: Any, wanted: str | float) -> bool:
    values = found if isinstance(found, list) else [found]
    return str(wanted).casefold() in (str(value).casefold() for value in values)


def _recencies(passages: Passages, recency: Recency, now: datetime) -> list[float]:
    def freshness(metadata: Mapping[str, Any]) -> float | None:
        moment = _moment(metadata.get(recency.key))
        if moment is None:
            return None
        days = max((now - moment).total_seconds() / _DAY, 0.0)
        return float(0.5 ** (days / recency.half_life_days))

    return _leaning(recency.weight, [freshness(each.metadata) for each in passages])


def _moment(value: Any) -> datetime | None:
    """A date or time in ISO form, or the year or month it begins; UTC when it names no zone."""
    text = str(value)
    if len(text) in (len("2024"), len("2024-05")):
        text += "0000-01-01"[len(text) :]
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _popularities(passages: Passages, popularity: Popularity) -> list[float]:
    """By order of magnitude: the second thousand says less than the first hundred."""
    numbers = [_magnitude(each.metadata.get(popularity.key)) for each in passages]
    most = max((number for number in numbers if number is not None), default=0.0) or 1.0
    shares = [None if number is None else number / most for number in numbers]
    return _leaning(popularity.weight, shares)


def _magnitude(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return math.log1p(max(value, 0))


def _leaning(weight: float, shares: Sequence[float | None]) -> list[float]:
    """Factors that follow shares by `weight`; who has none is neither favoured nor held back."""
    known = [share for share in shares if share is not None]
    neutral = sum(known) / len(known) if known else 1.0
    return [1 - weight + weight * (neutral if share is None else share) for share in shares]


def _multiplied(passages: Passages, factors: Iterable[Sequence[float]]) -> list[NodeWithScore]:
    scores = [
        each.get_score() * math.prod(own)
        for each, own in zip(passages, zip(*factors, strict=True), strict=True)
    ]
    best = max([*scores, 1.0])
    return descending(
        NodeWithScore(node=each.node, score=score / best)
        for each, score in zip(passages, scores, strict=True)
    )


def descending(passages: Iterable[NodeWithScore]) -> list[NodeWithScore]:
    return sorted(passages, key=lambda each: -each.get_score())


def distinct(passages: Iterable[NodeWithScore]) -> Iterator[NodeWithScore]:
    """Without those that say what a better one says in the same or nearly the same words.

    Texts that differ in a name or a number say different things, however alike they are.
    """
    seen: list[_Wording] = []
    for each in passages:
        wording = _Wording(each)
        if not any(wording.repeats(other) for other in seen):
            seen.append(wording)
            yield each


class _Wording:
    """The words of a passage below its title and headings, which say what it is about."""

    def __init__(self, passage: NodeWithScore) -> None:
        self.text = text_below_headings(passage)
        self.words = _WORD.findall(self.text.casefold())
        self.vocabulary = set(self.words)

    @cached_property
    def names(self) -> Counter[str]:
        return Counter(_NAME.findall(self.text))

    @cached_property
    def pairs(self) -> Counter[tuple[str, str]]:
        return Counter(pairwise(self.words))

    def repeats(self, other: "_Wording") -> bool:
        if self.words == other.words:
            return True
        own_words = len(self.vocabulary ^ other.vocabulary)
        if own_words > _OWN_WORDS * (len(self.words) + len(other.words)):
            return False
        if self.names != other.names:
            return False
        common = (self.pairs & other.pairs).total()
        return common >= _NEARLY_ALL * (self.pairs | other.pairs).total() > 0


def few_of_each_document(passages: Iterable[NodeWithScore], few: int) -> Iterator[NodeWithScore]:
    """At most so many passages of one document, the best ones."""
    taken: Counter[str] = Counter()
    for each in passages:
        document = each.node.ref_doc_id or each.node_id
        if taken[document] < few:
            taken[document] += 1
            yield each


def diverse(
    passages: Passages, embeddings: Mapping[str, Sequence[float]], count: int, diversity: float
) -> list[NodeWithScore]:
    """The `count` passages of the largest marginal relevance, in their order.

    A passage's relevance is its score as a part of the best one's, so that it weighs against its
    cosine with the nearest of all that are chosen already; LlamaIndex's function looks at the last
    one only, and so takes up what an earlier one says. `diversity` 0 is relevance alone.
    """
    if not passages:
        return []
    scores = np.asarray([each.get_score() for each in passages])
    relevance = scores / (scores.max() or 1.0)
    vectors = np.asarray([embeddings[each.node_id] for each in passages])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    nearest, chosen = np.zeros(len(passages)), np.zeros(len(passages), bool)
    for _ in range(min(count, len(passages))):
        gain = (1 - diversity) * relevance - diversity * nearest
        place = np.where(chosen, -np.inf, gain).argmax()
        chosen[place] = True
        nearest = np.maximum(nearest, vectors @ vectors[place])
    return [each for each, taken in zip(passages, chosen, strict=True) if taken]


def judged_first(judged: Passages, passages: Passages) -> list[NodeWithScore]:
    """What a reranker judged, in its order, then the rest in theirs, below all of those."""
    ids = {each.node_id for each in judged}
    lowest = min((each.get_score() for each in judged), default=1.0)
    rest = [
        NodeWithScore(node=each.node, score=each.get_score() * lowest)
        for each in passages
        if each.node_id not in ids
    ]
    return [*descending(judged), *rest]


def beside(passages: Iterable[NodeWithScore]) -> dict[str, float]:
    """The ids of the chunks right before and after, with the best score that each is next to."""
    adjoining: dict[str, float] = {}
    own = set()
    for each in passages:
        own.add(each.node_id)
        for related in (each.node.prev_node, each.node.next_node):
            if related:
                adjoining.setdefault(related.node_id, each.get_score())
    return {node_id: score for node_id, score in adjoining.items() if node_id not in own}


def with_neighbours(hits: Passages, neighbours: Passages) -> list[NodeWithScore]:
    """The hits, then their neighbours as passages of their own, so that each cites its own place.

    Those of the best hit come first, in the order of their document, all scored below the hits.
    """
    if not neighbours:
        return list(hits)
    lowest = hits[-1].get_score()
    share = lowest / (hits[0].get_score() or 1.0)
    ordered = sorted(neighbours, key=lambda each: (-each.get_score(), each.node_id))
    below = (
        NodeWithScore(node=each.node, score=min(each.get_score() * share, lowest))
        for each in ordered
    )
    return [*hits, *below]
