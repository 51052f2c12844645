"""Ranked lists of two legs -> one list; pure."""

from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

Id = TypeVar("Id", bound=Hashable)
Ranking = list[tuple[Id, float]]

Strategy = Literal[
    "weighted", "rrf", "text-then-vector", "vector-then-text", "intersection", "vector", "text"
]

_NO_EVIDENCE, _FULL_EVIDENCE = 0.15, 0.2
# A best similarity below this is none. Three of four questions of those sets have a nearer chunk;
# it costs none of the sets.
_NEAR = 0.5


@dataclass(frozen=True)
class Fusion:
    """How a hybrid search makes one ranking of its two legs; scores are in 0..1.

    - weighted: the sum of both scores, `vector_weight` parts vector. The best on labelled data.
    - rrf: reciprocal ranks with the constant `rrf_k`, for legs whose scores do not compare.
    - text-then-vector: what the words find, ordered by vector; vector-then-text: the reverse.
    - intersection: what both legs found, by weighted sum: few chunks, seldom wrong.
    - vector, text: one leg alone.

    `yielding`: where words say next to nothing, as in a question that shares none with its answer,
    their share goes to the vectors.

    `candidates` are the chunks that each leg brings, unless `word_candidates` says how many the
    words bring. `both_boost` is how much more, as a part of
    its score, a chunk counts that both legs brought.
    """

    strategy: Strategy = "weighted"
    vector_weight: float = 0.3
    candidates: int = 50
    word_candidates: int | None = None
    both_boost: float = 0.0
    rrf_k: int = 60
    yielding: bool = True


@dataclass(frozen=True)
class Legs(Generic[Id]):
    """What the legs brought, best first, and what every candidate scores on each leg."""

    by_vector: Collection[Id]
    by_words: Collection[Id]
    similarities: Mapping[Id, float]
    coverages: Mapping[Id, float]

    @property
    def both(self) -> set[Id]:
        return set(self.by_vector) & set(self.by_words)

    @property
    def either(self) -> list[Id]:
        return list(dict.fromkeys([*self.by_words, *self.by_vector]))


def fused(legs: Legs[Id], fusion: Fusion) -> Ranking[Id]:
    """The candidates of the strategy, best first."""
    match fusion.strategy:
        case "rrf":
            scores = _reciprocal(legs, fusion)
        case "text-then-vector":
            scores = {each: max(legs.similarities[each], 0.0) for each in legs.by_words}
        case "vector-then-text":
            scores = {each: legs.coverages[each] for each in legs.by_vector}
        case "intersection":
            scores = _weighted(legs, fusion, [each for each in legs.either if each in legs.both])
        case _:
            scores = _weighted(legs, fusion, legs.either)
    both = legs.both
    boosted = {
        each: score * (1 + fusion.both_boost * (each in both)) / (1 + fusion.both_boost)
        for each, score in scores.items()
    }
    return sorted(boosted.items(), key=lambda item: -item[1])


def _weighted(legs: Legs[Id], fusion: Fusion, candidates: Collection[Id]) -> dict[Id, float]:
    """Similarities count by the best one, as a model's cosines have a level of their own."""
    best = max([_NEAR, *legs.similarities.values()])
    words_share = (1 - fusion.vector_weight) * (_evidence(legs) if fusion.yielding else 1.0)
    weight = (1 - words_share) / best
    return {
        each: weight * max(legs.similarities[each], 0.0) + words_share * legs.coverages[each]
        for each in candidates
    }


def _evidence(legs: Legs[Id]) -> float:
    """How far the words are to be believed, by what the best chunk has of the question.

    That is above .24 for nine of ten questions of SciFact and SQuAD, and below .16 for three of
    four that share no content word with their answer.
    """
    best = max(legs.coverages.values(), default=0.0)
    return min(max((best - _NO_EVIDENCE) / (_FULL_EVIDENCE - _NO_EVIDENCE), 0.0), 1.0)


def _reciprocal(legs: Legs[Id], fusion: Fusion) -> dict[Id, float]:
    """Cormack, Clarke and Büttcher (2009), weighted, over its highest value."""
    scores = dict.fromkeys(legs.either, 0.0)
    shares = fusion.vector_weight, 1 - fusion.vector_weight
    for share, ranking in zip(shares, (legs.by_vector, legs.by_words), strict=True):
        for rank, each in enumerate(ranking, start=1):
            scores[each] += share * (fusion.rrf_k + 1) / (fusion.rrf_k + rank)
    return scores
