"""Ranked lists of two legs -> one list; pure."""

from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar, assert_never

Id = TypeVar("Id", bound=Hashable)
Ranking = list[tuple[Id, float]]

Strategy = Literal[
    "weighted", "rrf", "text-then-vector", "vector-then-text", "intersection", "vector", "text"
]

# What the best chunk has of a question, by its words: up to the first they say nothing, from the
# second on they count in full. One question of twenty of SQuAD reaches less than .27, of those with
# words of their passage in benchmarks/handbook .32, of PIAF .14.
EVIDENCE, LITTLE_EVIDENCE = (0.15, 0.2), (0.1, 0.15)
# A best similarity below this is none. Three of four questions of SciFact and SQuAD have a nearer
# chunk; the bound costs neither set anything.
_NEAR = 0.5


@dataclass(frozen=True)
class Fusion:
    """How a hybrid search makes one ranking of its two legs; scores are in 0..1.

    - weighted: the sum of both scores, `vector_weight` parts vector. The best on labelled data.
    - rrf: reciprocal ranks with the constant `rrf_k`, for legs whose scores do not compare.
    - text-then-vector: what the words find, ordered by vector; vector-then-text: the reverse.
    - intersection: what both legs found, by weighted sum: few chunks, seldom wrong.
    - vector, text: one leg alone.

    With `adaptive`, where words say next to nothing, as in a question that shares none with its
    answer, their share goes to the vectors: all of it up to the first bound of `evidence`, none
    from the second on.

    `candidates` are the chunks that each leg brings, unless `word_candidates` says how many the
    words bring. `both_boost` is how much more, as a part of its score, a chunk counts that both
    legs brought.
    """

    strategy: Strategy = "weighted"
    vector_weight: float = 0.3
    candidates: int = 50
    word_candidates: int | None = None
    both_boost: float = 0.0
    rrf_k: int = 60
    adaptive: bool = True
    evidence: tuple[float, float] = EVIDENCE


@dataclass(frozen=True)
class Legs(Generic[Id]):
    """What the legs brought, best first, and what every candidate scores on each leg."""

    by_vector: Collection[Id]
    by_words: Collection[Id]
    similarities: Mapping[Id, float]
    lexical_scores: Mapping[Id, float]

    @property
    def both(self) -> set[Id]:
        return set(self.by_vector) & set(self.by_words)

    @property
    def either(self) -> list[Id]:
        return list(dict.fromkeys([*self.by_words, *self.by_vector]))


def weighs_vectors(strategy: Strategy) -> bool:
    """Whether the vector weight of a fusion changes the ranking of this strategy."""
    match strategy:
        case "weighted" | "rrf" | "intersection":
            return True
        case "text-then-vector" | "vector-then-text" | "vector" | "text":
            return False
        case _:
            assert_never(strategy)


def fuse_legs(legs: Legs[Id], fusion: Fusion) -> Ranking[Id]:
    """Make one ranking of the candidates that the strategy takes, best first."""
    match fusion.strategy:
        case "weighted":
            scores = _sum_weighted(legs, fusion, legs.either)
        case "rrf":
            scores = _sum_reciprocal_ranks(legs, fusion)
        case "text-then-vector":
            scores = {chunk: max(legs.similarities[chunk], 0.0) for chunk in legs.by_words}
        case "vector-then-text":
            scores = {chunk: legs.lexical_scores[chunk] for chunk in legs.by_vector}
        case "intersection":
            common = [chunk for chunk in legs.either if chunk in legs.both]
            scores = _sum_weighted(legs, fusion, common)
        case "vector":
            scores = {chunk: max(legs.similarities[chunk], 0.0) for chunk in legs.by_vector}
        case "text":
            scores = {chunk: legs.lexical_scores[chunk] for chunk in legs.by_words}
        case _:
            assert_never(fusion.strategy)
    both = legs.both
    boosted = {
        chunk: score * (1 + fusion.both_boost * (chunk in both)) / (1 + fusion.both_boost)
        for chunk, score in scores.items()
    }
    return sorted(boosted.items(), key=lambda item: -item[1])


def _sum_weighted(legs: Legs[Id], fusion: Fusion, candidates: Collection[Id]) -> dict[Id, float]:
    """Add up similarities and scores by words, each with its weight.

    Similarities count by the best one, as a model's cosines have a level of their own.
    """
    best = max([_NEAR, *legs.similarities.values()])
    words_share = (1 - fusion.vector_weight) * _trust_words(legs, fusion)
    weight = (1 - words_share) / best
    return {
        chunk: weight * max(legs.similarities[chunk], 0.0)
        + words_share * legs.lexical_scores[chunk]
        for chunk in candidates
    }


def _trust_words(legs: Legs[Id], fusion: Fusion) -> float:
    """Say how far the words are to be believed, by what the best chunk has of the question.

    That is above .24 for nine of ten questions of SciFact and SQuAD, and below .16 for three of
    four that share no content word with their answer.
    """
    if not fusion.adaptive:
        return 1.0
    nothing, enough = fusion.evidence
    best = max(legs.lexical_scores.values(), default=0.0)
    return min(max((best - nothing) / (enough - nothing), 0.0), 1.0)


def _sum_reciprocal_ranks(legs: Legs[Id], fusion: Fusion) -> dict[Id, float]:
    """Add up weighted reciprocal ranks, over the highest possible sum.

    The method is that of Cormack, Clarke and Büttcher (2009).
    """
    scores = dict.fromkeys(legs.either, 0.0)
    shares = fusion.vector_weight, 1 - fusion.vector_weight
    for share, ranking in zip(shares, (legs.by_vector, legs.by_words), strict=True):
        for rank, chunk in enumerate(ranking, start=1):
            scores[chunk] += share * (fusion.rrf_k + 1) / (fusion.rrf_k + rank)
    return scores
