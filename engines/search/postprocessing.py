"""Choose the passages worth reading from those that were scored; scores stay in 0..1."""

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
from engines.vectors import normalize_vectors
from stores.text.tokens import fold

_NEARLY_ALL = 0.9  # of the pairs of adjacent words that two texts have
_OWN_WORDS = 2 * (1 - _NEARLY_ALL) / (1 + _NEARLY_ALL)  # what the rest can hold: a quick look
_WORD = re.compile(r"\w+")
_NAME = re.compile(r"\b[a-zß-ÿ_]*[^\W_a-zß-ÿ]\w*")  # a capital, a digit, or a letter without case
_DAY = 86_400  # seconds

Passages = Sequence[NodeWithScore]


def arrange_passages(
    passages: Passages, profile: Profile, now: datetime, phrases: Sequence[str] = ()
) -> Iterator[NodeWithScore]:
    """Yield the candidates that `profile` lets through, by its own idea of the best.

    `minimum_score` judges how well a passage matches, before anything favours it; what holds
    the `phrases` of the question word by word is favoured first.
    """
    kept: Iterable[NodeWithScore] = apply_preferences(
        favour_phrases(phrases, drop_below(profile.minimum_score, passages)), profile, now
    )
    if profile.deduplicate:
        kept = drop_repetitions(kept)
    if profile.per_document:
        kept = limit_per_document(kept, profile.per_document)
    return iter(kept)


def merge_results(
    one: VectorStoreQueryResult, other: VectorStoreQueryResult
) -> VectorStoreQueryResult:
    """Merge the nodes of two searches, each with the better of its scores."""
    best: dict[str, tuple[float, BaseNode]] = {}
    for result in (one, other):
        for node, score in zip(result.nodes or (), result.similarities or (), strict=True):
            if node.node_id not in best or score > best[node.node_id][0]:
                best[node.node_id] = (score, node)
    ranked = sorted(best.values(), key=lambda scored: -scored[0])
    return VectorStoreQueryResult(
        nodes=[node for _, node in ranked], similarities=[score for score, _ in ranked]
    )


def drop_below(score: float, passages: Passages) -> list[NodeWithScore]:
    """Leave out passages with a lower score."""
    return [passage for passage in passages if passage.get_score() >= score]


def favour_phrases(phrases: Sequence[str], passages: list[NodeWithScore]) -> list[NodeWithScore]:
    """Bring the score of a passage nearer to 1, at most half the way, by the phrases it holds."""
    patterns = [re.compile(r"\s+".join(map(re.escape, fold(phrase).split()))) for phrase in phrases]
    if not patterns:
        return passages

    def favour(passage: NodeWithScore) -> NodeWithScore:
        text, score = fold(text_below_headings(passage)), passage.get_score()
        share = sum(bool(pattern.search(text)) for pattern in patterns) / len(patterns)
        return NodeWithScore(node=passage.node, score=score + (1 - score) * share / 2)

    return sorted(map(favour, passages), key=lambda passage: -passage.get_score())


def apply_preferences(passages: Passages, profile: Profile, now: datetime) -> list[NodeWithScore]:
    """Change the scores by metadata, recency and popularity, as far as the profile says."""
    factors = [
        *(_boost_factors(passages, boost) for boost in profile.boosts),
        *([_recency_factors(passages, profile.recency, now)] if profile.recency else []),
        *([_popularity_factors(passages, profile.popularity)] if profile.popularity else []),
    ]
    return _multiply_scores(passages, factors) if factors else list(passages)


def _boost_factors(passages: Passages, boost: Boost) -> list[float]:
    wanted = str(boost.value).casefold()
    factors = []
    for passage in passages:
        found = passage.metadata.get(boost.key)
        values = found if isinstance(found, list) else [found]
        is_favoured = wanted in (str(value).casefold() for value in values)
        factors.append(boost.factor if is_favoured else 1.0)
    return factors


def _recency_factors(passages: Passages, recency: Recency, now: datetime) -> list[float]:
    def measure_freshness(metadata: Mapping[str, Any]) -> float | None:
        moment = _read_moment(metadata.get(recency.key))
        if moment is None:
            return None
        days = max((now - moment).total_seconds() / _DAY, 0.0)
        return float(0.5 ** (days / recency.half_life_days))

    shares = [measure_freshness(passage.metadata) for passage in passages]
    return _weigh_shares(recency.weight, shares)


def _read_moment(value: Any) -> datetime | None:
    """Read a date or time in ISO form, or a year or month as its beginning.

    It is in UTC when it names no zone.
    """
    text = str(value)
    if len(text) in (len("2024"), len("2024-05")):
        text += "0000-01-01"[len(text) :]
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _popularity_factors(passages: Passages, popularity: Popularity) -> list[float]:
    """Weigh the orders of magnitude: the second thousand says less than the first hundred."""
    numbers = [_read_magnitude(passage.metadata.get(popularity.key)) for passage in passages]
    most = max((number for number in numbers if number is not None), default=0.0) or 1.0
    shares = [None if number is None else number / most for number in numbers]
    return _weigh_shares(popularity.weight, shares)


def _read_magnitude(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return math.log1p(max(value, 0))


def _weigh_shares(weight: float, shares: Sequence[float | None]) -> list[float]:
    """Make factors that follow shares by `weight`; without a share, the mean one counts."""
    known = [share for share in shares if share is not None]
    neutral = sum(known) / len(known) if known else 1.0
    return [1 - weight + weight * (neutral if share is None else share) for share in shares]


def _multiply_scores(passages: Passages, factors: Iterable[Sequence[float]]) -> list[NodeWithScore]:
    scores = [
        passage.get_score() * math.prod(own)
        for passage, own in zip(passages, zip(*factors, strict=True), strict=True)
    ]
    best = max([*scores, 1.0])
    return sort_by_score(
        NodeWithScore(node=passage.node, score=score / best)
        for passage, score in zip(passages, scores, strict=True)
    )


def sort_by_score(passages: Iterable[NodeWithScore]) -> list[NodeWithScore]:
    return sorted(passages, key=lambda passage: -passage.get_score())


def drop_repetitions(passages: Iterable[NodeWithScore]) -> Iterator[NodeWithScore]:
    """Leave out what says the same as a better passage in the same or nearly the same words.

    Texts that differ in a name or a number say different things, however alike they are.
    """
    seen: list[_Wording] = []
    for passage in passages:
        wording = _Wording(passage)
        if not any(wording.repeats(other) for other in seen):
            seen.append(wording)
            yield passage


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
    def word_pairs(self) -> Counter[tuple[str, str]]:
        return Counter(pairwise(self.words))

    def repeats(self, other: "_Wording") -> bool:
        if self.words == other.words:
            return True
        own_words = len(self.vocabulary ^ other.vocabulary)
        if own_words > _OWN_WORDS * (len(self.words) + len(other.words)):
            return False
        if self.names != other.names:
            return False
        common = (self.word_pairs & other.word_pairs).total()
        return common >= _NEARLY_ALL * (self.word_pairs | other.word_pairs).total() > 0


def limit_per_document(passages: Iterable[NodeWithScore], few: int) -> Iterator[NodeWithScore]:
    """Yield at most `few` passages of one document, the best ones."""
    taken: Counter[str] = Counter()
    for passage in passages:
        document = passage.node.ref_doc_id or passage.node_id
        if taken[document] < few:
            taken[document] += 1
            yield passage


def choose_diverse(
    passages: Passages, embeddings: Mapping[str, Sequence[float]], count: int, diversity: float
) -> list[NodeWithScore]:
    """Choose the `count` passages of the largest marginal relevance, and keep their order.

    A passage's relevance is its score as a part of the best one's, so that it weighs against its
    cosine with the nearest of all that are chosen already; LlamaIndex's function looks at the last
    one only, and so takes up what an earlier one says. `diversity` 0 is relevance alone.
    """
    if not passages:
        return []
    scores = np.asarray([passage.get_score() for passage in passages])
    relevance = scores / (scores.max() or 1.0)
    vectors = normalize_vectors([embeddings[passage.node_id] for passage in passages])
    nearest, chosen = np.zeros(len(passages)), np.zeros(len(passages), bool)
    for _ in range(min(count, len(passages))):
        gain = (1 - diversity) * relevance - diversity * nearest
        place = np.where(chosen, -np.inf, gain).argmax()
        chosen[place] = True
        nearest = np.maximum(nearest, vectors @ vectors[place])
    return [passage for passage, taken in zip(passages, chosen, strict=True) if taken]


def apply_reranking(judged: Passages, passages: Passages) -> list[NodeWithScore]:
    """Put what a reranker judged first, then the rest in its order, scored below all of those."""
    ids = {passage.node_id for passage in judged}
    lowest = min((passage.get_score() for passage in judged), default=1.0)
    rest = [
        NodeWithScore(node=passage.node, score=passage.get_score() * lowest)
        for passage in passages
        if passage.node_id not in ids
    ]
    return [*sort_by_score(judged), *rest]


def find_neighbour_ids(passages: Iterable[NodeWithScore]) -> dict[str, float]:
    """Find the chunks right before and after passages, with the best score each is next to."""
    adjoining: dict[str, float] = {}
    own = set()
    for passage in passages:
        own.add(passage.node_id)
        for related in (passage.node.prev_node, passage.node.next_node):
            if related:
                adjoining.setdefault(related.node_id, passage.get_score())
    return {node_id: score for node_id, score in adjoining.items() if node_id not in own}


def with_neighbours(hits: Passages, neighbours: Passages) -> list[NodeWithScore]:
    """Put the neighbours behind the hits as passages of their own, so that each cites its place.

    Those of the best hit come first, in the order of their document, all scored below the hits.
    """
    if not neighbours:
        return list(hits)
    lowest = hits[-1].get_score()
    share = lowest / (hits[0].get_score() or 1.0)
    ordered = sorted(neighbours, key=lambda passage: (-passage.get_score(), passage.node_id))
    below = (
        NodeWithScore(node=passage.node, score=min(passage.get_score() * share, lowest))
        for passage in ordered
    )
    return [*hits, *below]
