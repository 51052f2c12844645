"""Ranked lists of two legs -> one list; pure."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

Id = TypeVar("Id", bound=Hashable)

Strategy = Literal[
    "weighted", "rrf", "text-then-vector", "vector-then-text", "intersection", "vector", "text"
]


@dataclass(frozen=True)
class Fusion:
    """How a hybrid search makes one ranking of its two legs.

    `vector_weight` is the vector leg's share, the rest is the words'; `candidates` are the chunks
    that each leg brings. A chunk that both legs brought scores `both_boost` more, as a part of its
    score. `rrf_k` is reciprocal rank fusion's constant.
    """

    strategy: Strategy = "weighted"
    vector_weight: float = 0.5
    candidates: int = 50
    both_boost: float = 0.0
    rrf_k: int = 60


def weighted(
    similarities: Mapping[Id, float], scores: Mapping[Id, float], alpha: float
) -> list[tuple[Id, float]]:
    """Best first: `alpha` parts vector and 1 - `alpha` parts text, each leg scaled to its best.

    `similarities` must hold every candidate, also those that only their words found: a true
    similarity that is missing would count as none at all.
    """
    dense, lexical = _scaled(similarities), _scaled(scores)
    fused = {
        each: alpha * dense.get(each, 0.0) + (1 - alpha) * lexical.get(each, 0.0)
        for each in {**similarities, **scores}
    }
    return sorted(fused.items(), key=lambda item: -item[1])


def _scaled(scores: Mapping[Id, float]) -> dict[Id, float]:
    best = max(scores.values(), default=0.0)
    if best <= 0:
        return dict.fromkeys(scores, 0.0)
    return {each: max(score, 0.0) / best for each, score in scores.items()}
