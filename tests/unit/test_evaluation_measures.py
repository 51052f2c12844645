"""Measures by hand-computed values and by what must hold for every ranking."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kb.evaluation.measures import (
    contains_answer,
    hit,
    ndcg,
    normalise_words,
    recall,
    reciprocal_rank,
)
from kb.evaluation.significance import paired_p_value
from kb.evaluation.summary import compare_scores, compute_figures

IDS = st.lists(st.sampled_from("abcdefghij"), unique=True)
GRADES = st.dictionaries(st.sampled_from("abcdefghij"), st.integers(1, 3), min_size=1)


def test_ndcg_discounts_by_rank_and_divides_by_the_best_order():
    # 2 / log2(3) + 1 / log2(5) over 2 / log2(2) + 1 / log2(3)
    value = ndcg(["x", "good", "y", "fair"], {"good": 2, "fair": 1}, 10)
    assert value == pytest.approx((1.261860 + 0.430677) / (2 + 0.630930), abs=1e-6)


def test_ndcg_counts_only_the_first_k():
    relevance = {"a": 1, "b": 1}
    assert ndcg(["x", "a", "b"], relevance, 2) == pytest.approx(0.630930 / 1.630930, abs=1e-6)
    assert ndcg(["a", "x", "b"], relevance, 1) == 1


def test_recall_reciprocal_rank_and_hit_by_hand():
    ranking, relevance = ["x", "a", "y", "b"], {"a": 1, "b": 3, "c": 1}
    assert recall(ranking, relevance, 3) == pytest.approx(1 / 3)
    assert recall(ranking, relevance, 4) == pytest.approx(2 / 3)
    assert reciprocal_rank(ranking, relevance, 4) == 0.5
    assert reciprocal_rank(ranking, relevance, 1) == 0
    assert (hit(ranking, relevance, 1), hit(ranking, relevance, 2)) == (0, 1)


def test_nothing_found_scores_nothing():
    assert [measure([], {"a": 1}, 5) for measure in (ndcg, recall, reciprocal_rank, hit)] == [0] * 4


@given(IDS, GRADES, st.integers(1, 12))
def test_measures_stay_in_their_bounds_and_agree_on_nothing_found(ranking, relevance, k):
    values = [measure(ranking, relevance, k) for measure in (ndcg, recall, reciprocal_rank, hit)]
    assert all(0 <= value <= 1 + 1e-12 for value in values)
    assert len({value > 0 for value in values}) == 1


@given(GRADES, st.integers(1, 12))
def test_the_order_of_the_grades_is_the_best(relevance, k):
    ideal = sorted(relevance, key=lambda each: -relevance[each])
    assert math.isclose(ndcg(ideal, relevance, k), 1)
    assert ndcg(ideal[::-1], relevance, k) <= 1 + 1e-12


@given(IDS, GRADES, st.integers(1, 10))
def test_a_right_document_that_moves_up_never_scores_less(ranking, relevance, k):
    for place in range(1, len(ranking)):
        if ranking[place] in relevance and ranking[place - 1] not in relevance:
            better = [*ranking]
            better[place - 1 : place + 1] = ranking[place], ranking[place - 1]
            for measure in (ndcg, recall, reciprocal_rank, hit):
                assert measure(better, relevance, k) >= measure(ranking, relevance, k)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Refunds take 30 Days.", "30 days"),
        ("Il habite à Angoulême.", "l'angouleme"),
        ("in the 10th and 11th centuries", "10th and the 11th centuries"),
        ("L\N{RIGHT SINGLE QUOTATION MARK}expiration du certificat", "expiration certificat"),
        ("It costs EUR 450,000 (net).", "EUR 450,000"),
        ("Grade A beans", "A"),
    ],
)
def test_an_answer_is_found_without_regard_to_case_accents_articles_and_punctuation(text, answer):
    assert contains_answer(text, ["something else", answer])


@pytest.mark.parametrize(
    ("text", "answer"),
    [("in 1980", "8"), ("ten days", "days ten"), ("Grade B beans", "A"), ("some words", "")],
)
def test_an_answer_is_whole_words_in_their_order(text, answer):
    assert not contains_answer(text, [answer])


@given(st.text())
def test_normalising_twice_changes_nothing(text):
    assert normalise_words(normalise_words(text)) == normalise_words(text)


def test_equal_scores_differ_by_chance_alone():
    assert paired_p_value([0.5, 1.0, 0.0], [0.5, 1.0, 0.0]) == 1


def test_the_p_value_is_the_share_of_as_large_differences():
    # Of the 2 ** 4 ways to toss four coins, two give a difference as large as 4 or -4.
    assert paired_p_value([1] * 4, [0] * 4) == pytest.approx(2 / 16, abs=0.01)
    # One of eight wins and one loss: 8, 6 or more in absolute value: (1 + 8) * 2 of 2 ** 8.
    assert paired_p_value([1] * 7 + [0], [0] * 7 + [1]) == pytest.approx(18 / 256, abs=0.01)


def test_the_p_value_is_the_same_in_every_run_and_in_both_directions():
    ours, theirs = np.random.default_rng(1).random((2, 200)).tolist()
    assert paired_p_value(ours, theirs) == paired_p_value(theirs, ours)
    assert paired_p_value(ours, theirs) == paired_p_value(ours, theirs)
    assert paired_p_value(ours, [each - 0.2 for each in ours]) < 0.001


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=20))
def test_a_p_value_is_a_probability(pairs):
    ours, theirs = [a for a, _ in pairs], [b for _, b in pairs]
    assert 0 < paired_p_value(ours, theirs) <= 1


def scored(ndcg, **others):
    return {"ndcg": ndcg, "ms": 10.0, **others}


def test_figures_are_means_over_the_questions_that_have_an_answer():
    scores = {
        "a": scored(1.0, refused=0.0, **{"answer@1": 1.0}),
        "b": scored(0.5, refused=1.0),
        "c": {"ms": 30.0, "refused": 1.0},
        "d": {"ms": 30.0, "refused": 0.0},
    }
    result = compute_figures(scores)
    assert (result["questions"], result["unanswerable"]) == (2, 2)
    assert (result["ndcg"], result["answer@1"], result["answer@3"]) == (0.75, 1.0, None)
    assert (result["abstained"], result["refused"]) == (0.5, 0.5)
    assert (result["p50_ms"], result["p95_ms"]) == (20.0, 30.0)


def test_runs_are_compared_over_the_questions_that_both_answered():
    ours = {"a": scored(1.0), "b": scored(1.0), "only here": scored(0.0), "none": {"ms": 1.0}}
    earlier = {"a": scored(0.5), "b": scored(0.5), "none": {"ms": 1.0}}
    comparison = compare_scores(ours, earlier, "run 1")
    assert (comparison.against, comparison.questions) == ("run 1", 2)
    assert comparison.difference == pytest.approx(0.5)
    assert compare_scores(ours, {"other": scored(1.0)}, "run 2") is None
