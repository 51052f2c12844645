"""Two ranked lists become one."""

from stores.fusion import weighted


def test_each_leg_is_scaled_to_its_best() -> None:
    fused = dict(weighted({"a": 0.8, "b": 0.4}, {"a": 3.0, "b": 6.0}, 0.5))
    assert fused == {"a": 0.75, "b": 0.75}


def test_alpha_0_is_words_alone_and_alpha_1_vectors_alone() -> None:
    similarities, scores = {"a": 0.9, "b": 0.3}, {"b": 7.0}
    assert weighted(similarities, scores, 0) == [("b", 1.0), ("a", 0.0)]
    assert [each for each, _ in weighted(similarities, scores, 1)] == ["a", "b"]


def test_the_best_comes_first_and_ties_keep_the_order_of_the_vectors() -> None:
    fused = weighted({"a": 0.5, "b": 0.5, "c": 1.0}, {}, 0.5)
    assert [each for each, _ in fused] == ["c", "a", "b"]


def test_what_only_words_found_takes_part() -> None:
    fused = dict(weighted({"a": 0.8}, {"b": 5.0}, 0.4))
    assert fused == {"a": 0.4, "b": 0.6}


def test_similarities_below_zero_count_as_none() -> None:
    assert weighted({"a": -0.5, "b": -0.1}, {"a": 1.0}, 0.5) == [("a", 0.5), ("b", 0.0)]


def test_nothing_becomes_nothing() -> None:
    assert weighted({}, {}, 0.5) == []
