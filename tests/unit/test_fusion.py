"""Two ranked lists become one."""

from typing import get_args

import pytest

from stores.chunks.fusion import Fusion, Legs, Ranking, Strategy, fuse_legs, weighs_vectors

LEGS = Legs(
    by_vector=["a", "b"],
    by_words=["c", "b"],
    similarities={"a": 0.8, "b": 0.6, "c": 0.2},
    lexical_scores={"a": 0.1, "b": 0.3, "c": 0.9},
)


def ranked(strategy: Strategy, vector_weight: float = 0.5, **options: float) -> Ranking[str]:
    return fuse_legs(LEGS, Fusion(strategy, vector_weight, **options))  # type: ignore[arg-type]  # options of several types


def test_every_candidate_counts_on_both_legs() -> None:
    assert dict(ranked("weighted")) == pytest.approx(
        {"a": 0.5 + 0.05, "b": 0.5 * 0.75 + 0.15, "c": 0.5 * 0.25 + 0.45}
    )


def test_weight_0_is_words_alone_and_weight_1_vectors_alone() -> None:
    assert [each for each, _ in ranked("weighted", 0.0)] == ["c", "b", "a"]
    assert [each for each, _ in ranked("weighted", 1.0)] == ["a", "b", "c"]


def test_weak_evidence_of_words_does_not_bury_the_nearest() -> None:
    legs = Legs(["right"], ["wrong"], {"right": 0.5, "wrong": 0.1}, {"right": 0.0, "wrong": 0.06})
    assert fuse_legs(legs, Fusion(vector_weight=0.2))[0][0] == "right"


@pytest.mark.parametrize(
    ("best", "share"), [(0.5, 0.7), (0.2, 0.7), (0.175, 0.35), (0.15, 0.0), (0.1, 0.0)]
)
def test_words_without_evidence_yield_to_the_vectors(best: float, share: float) -> None:
    legs = Legs(["near"], ["far"], {"near": 0.8, "far": 0.4}, {"near": 0.0, "far": best})
    scores = dict(fuse_legs(legs, Fusion(vector_weight=0.3)))
    assert scores == pytest.approx({"near": 1 - share, "far": (1 - share) / 2 + share * best})
    kept = dict(fuse_legs(legs, Fusion(vector_weight=0.3, adaptive=False)))
    assert kept == pytest.approx({"near": 0.3, "far": 0.15 + 0.7 * best})


def test_reciprocal_ranks_count_by_their_legs_weight() -> None:
    scores = dict(ranked("rrf", 0.25))
    assert scores == pytest.approx(
        {"a": 0.25, "b": 0.25 * 61 / 62 + 0.75 * 61 / 62, "c": 0.75}, rel=1e-12
    )


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("text-then-vector", [("b", 0.6), ("c", 0.2)]),
        ("vector-then-text", [("b", 0.3), ("a", 0.1)]),
        ("intersection", [("b", 0.5 * 0.75 + 0.15)]),
    ],
)
def test_some_strategies_take_only_what_one_leg_or_both_brought(
    strategy: Strategy, expected: Ranking[str]
) -> None:
    assert ranked(strategy) == [(each, pytest.approx(score)) for each, score in expected]


def test_what_both_legs_brought_can_count_more() -> None:
    plain, boosted = dict(ranked("weighted")), dict(ranked("weighted", both_boost=0.25))
    assert boosted["b"] == pytest.approx(plain["b"])
    assert boosted["a"] == pytest.approx(plain["a"] / 1.25)


def test_scores_stay_within_0_and_1() -> None:
    legs = Legs(["a", "b"], ["a"], {"a": 1.0, "b": -0.5}, {"a": 1.0, "b": 0.0})
    for strategy in ("weighted", "rrf", "text-then-vector", "vector-then-text", "intersection"):
        for _, score in fuse_legs(legs, Fusion(strategy, both_boost=0.5)):
            assert 0 <= score <= 1


def test_nothing_becomes_nothing() -> None:
    assert fuse_legs(Legs([], [], {}, {}), Fusion()) == []


@pytest.mark.parametrize("strategy", get_args(Strategy))
def test_a_strategy_weighs_vectors_when_their_weight_changes_its_scores(strategy: Strategy) -> None:
    assert (ranked(strategy, 0.2) != ranked(strategy, 0.8)) == weighs_vectors(strategy)


def test_one_leg_alone_is_ranked_by_its_own_scores() -> None:
    assert ranked("vector") == [("a", 0.8), ("b", 0.6)]
    assert ranked("text") == [("c", 0.9), ("b", 0.3)]
