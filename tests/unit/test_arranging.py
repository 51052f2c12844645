"""What a profile makes of scored passages: each option does its work and no other."""

from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llama_index.core.schema import NodeRelationship, NodeWithScore, RelatedNodeInfo, TextNode

from engines.search.postprocessing import (
    apply_reranking,
    arrange_passages,
    choose_diverse,
    find_neighbour_ids,
    with_neighbours,
)
from engines.search.profiles import Boost, Popularity, Profile, Recency

NOW = datetime(2026, 11, 21, tzinfo=UTC)
PLAIN = Profile(deduplicate=False)
PARAGRAPH = "the machine is cleaned once a week with warm water and a soft cloth, never with soap, "
PARAGRAPH += "and its tank is left open over night so that the air dries it before the next use"


def passage(name: str, score: float, text: str = "", **metadata: Any) -> NodeWithScore:
    node = TextNode(id_=name, text=text or name, metadata=metadata)
    return NodeWithScore(node=node, score=score)


def of_document(document: str, name: str, score: float) -> NodeWithScore:
    found = passage(name, score)
    found.node.relationships[NodeRelationship.SOURCE] = RelatedNodeInfo(node_id=document)
    return found


def order(*passages: NodeWithScore, profile: Profile) -> list[str]:
    return [each.node_id for each in arrange_passages(passages, profile, NOW)]


def scores(*passages: NodeWithScore, profile: Profile) -> dict[str, float]:
    return {each.node_id: each.get_score() for each in arrange_passages(passages, profile, NOW)}


def test_a_plain_profile_changes_nothing():
    passages = [passage("a", 0.9, "same"), passage("b", 0.9, "same"), passage("c", 0.0)]
    assert list(arrange_passages(passages, PLAIN, NOW)) == passages


# Favour -------------------------------------------------------------------------------------------


def test_a_boost_multiplies_the_score_of_what_holds_its_value():
    profile = PLAIN.model_copy(update={"boosts": (Boost(key="kind", value="guide", factor=1.5),)})
    found = scores(
        passage("a", 0.5), passage("b", 0.4, kind="Guide"), passage("c", 0.3, kind="note"),
        profile=profile,
    )  # fmt: skip
    assert list(found) == ["b", "a", "c"]
    assert found == pytest.approx({"b": 0.6, "a": 0.5, "c": 0.3})


@pytest.mark.parametrize(
    ("held", "wanted"), [(["red", "blue"], "blue"), (True, True), (2026, 2026), ("2026", 2026)]
)
def test_a_boost_finds_its_value_in_a_list_and_in_other_types(held, wanted):
    profile = PLAIN.model_copy(update={"boosts": (Boost(key="k", value=wanted, factor=2),)})
    assert order(passage("a", 0.5), passage("b", 0.4, k=held), profile=profile) == ["b", "a"]


def test_a_boost_below_one_demotes():
    profile = PLAIN.model_copy(update={"boosts": (Boost(key="old", value=True, factor=0.5),)})
    assert order(passage("a", 0.5, old=True), passage("b", 0.4), profile=profile) == ["b", "a"]


def test_favour_keeps_scores_within_one_and_their_proportions():
    profile = PLAIN.model_copy(update={"boosts": (Boost(key="k", value=1, factor=4),)})
    found = scores(
        passage("a", 0.8, k=1), passage("b", 0.4, k=1), passage("c", 0.8), profile=profile
    )
    assert found == pytest.approx({"a": 1.0, "b": 0.5, "c": 0.25})


def test_the_weight_of_recency_halves_with_the_half_life():
    profile = PLAIN.model_copy(update={"recency": Recency(half_life_days=10, weight=0.5)})
    found = scores(
        passage("new", 0.5, modified="2026-11-21"),
        passage("old", 0.5, modified="2026-11-11T00:00:00"),
        passage("older", 0.5, modified="2026-11-01T01:00:00+01:00"),
        profile=profile,
    )
    assert found == pytest.approx({"new": 0.5, "old": 0.375, "older": 0.3125})


def test_a_date_to_come_is_as_new_as_today():
    profile = PLAIN.model_copy(update={"recency": Recency(key="date", weight=1)})
    assert scores(passage("a", 0.5, date="2030-01-01"), profile=profile) == {"a": 0.5}


@pytest.mark.parametrize("value", ["2026-11", 2026, "2026-11-01T00:00:00+00:00"])
def test_a_date_may_be_a_year_or_a_month(value):
    profile = PLAIN.model_copy(update={"recency": Recency(key="date", weight=1)})
    dated = passage("a", 0.5, date=value), passage("b", 0.5, date="2025-12-31")
    found = scores(*dated, profile=profile)
    assert found["b"] < found["a"] < 0.5


@pytest.mark.parametrize("undated", [{}, {"modified": "last spring"}, {"modified": None}])
def test_what_has_no_date_stands_between_the_new_and_the_old(undated):
    profile = PLAIN.model_copy(update={"recency": Recency(half_life_days=10, weight=0.5)})
    passages = [
        passage("old", 0.5, modified="2020-01-01"),
        passage("undated", 0.5, **undated),
        passage("new", 0.5, modified="2026-11-20"),
    ]
    assert order(*passages, profile=profile) == ["new", "undated", "old"]


def test_without_any_date_recency_changes_nothing():
    profile = PLAIN.model_copy(update={"recency": Recency(weight=1)})
    assert scores(passage("a", 0.5), passage("b", 0.4), profile=profile) == {"a": 0.5, "b": 0.4}


def test_popularity_counts_by_magnitude_among_the_candidates():
    profile = PLAIN.model_copy(update={"popularity": Popularity(key="views", weight=0.5)})
    found = scores(
        passage("none", 0.5, views=0), passage("some", 0.5, views=30),
        passage("many", 0.5, views=960), passage("odd", 0.5, views="lots"),
        profile=profile,
    )  # fmt: skip
    assert list(found) == ["many", "some", "odd", "none"]
    assert found["many"] == pytest.approx(0.5)
    assert found["some"] == pytest.approx(0.375, abs=1e-3)
    assert found["none"] == pytest.approx(0.25)


def test_popularity_never_outweighs_a_much_better_match():
    profile = PLAIN.model_copy(update={"popularity": Popularity(key="views", weight=0.1)})
    passages = passage("match", 0.6, views=0), passage("hit", 0.5, views=10**9)
    assert order(*passages, profile=profile) == ["match", "hit"]


@given(
    st.lists(st.tuples(st.floats(0, 1), st.none() | st.integers(-5, 10**12)), max_size=8),
    st.floats(0.01, 100),
)
def test_whatever_is_favoured_scores_stay_in_order_and_within_one(drawn, factor):
    profile = Profile(
        boosts=(Boost(key="views", value=3, factor=factor),),
        recency=Recency(weight=0.7),
        popularity=Popularity(key="views", weight=0.7),
    )
    passages = [
        passage(str(place), score, views=views) for place, (score, views) in enumerate(drawn)
    ]
    found = [each.get_score() for each in arrange_passages(passages, profile, NOW)]
    assert found == sorted(found, reverse=True)
    assert all(0 <= score <= 1 for score in found)


# Selection ----------------------------------------------------------------------------------------


def test_a_minimum_score_judges_the_match_and_not_the_favour():
    profile = Profile(minimum_score=0.3, boosts=(Boost(key="k", value=1, factor=9),))
    passages = [passage("a", 0.3), passage("b", 0.29, k=1), passage("c", 0.31, k=1)]
    assert order(*passages, profile=profile) == ["c", "a"]


@pytest.mark.parametrize(
    "repeated",
    [
        PARAGRAPH,
        f"**{PARAGRAPH.upper()}**\n",
        PARAGRAPH.replace("and its", "and also its"),
    ],
)
def test_what_repeats_a_better_passage_is_left_out(repeated):
    passages = [passage("a", 0.9, PARAGRAPH), passage("b", 0.8, repeated), passage("c", 0.7)]
    assert order(*passages, profile=Profile()) == ["a", "c"]
    assert order(*passages, profile=PLAIN) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (f"{PARAGRAPH} for 14 days", f"{PARAGRAPH} for 30 days"),
        (f"Galet: {PARAGRAPH}", f"Brume: {PARAGRAPH}"),
        (PARAGRAPH, f"{PARAGRAPH}, and all of this holds for the smaller model too"),
        ("yes", "no"),
        ("", "x"),
    ],
)
def test_a_text_that_says_something_else_stays(one, other):
    passages = [passage("a", 0.9, one), passage("b", 0.8, other)]
    assert order(*passages, profile=Profile()) == ["a", "b"]


def test_one_text_under_two_titles_says_two_things():
    passages = [
        passage("a", 0.9, "Two years.", title="Galet", headings="Warranty"),
        passage("b", 0.8, "Two years.", title="Brume", headings="Warranty"),
    ]
    assert order(*passages, profile=Profile()) == ["a", "b"]


def test_a_document_gives_its_best_passages_only():
    passages = [of_document(name[0], name, 0.5) for name in ("a1", "a2", "b1", "a3", "b2")]
    limited = PLAIN.model_copy(update={"per_document": 1})
    assert order(*passages, profile=limited) == ["a1", "b1"]
    limited = PLAIN.model_copy(update={"per_document": 2})
    assert order(*passages, profile=limited) == ["a1", "a2", "b1", "b2"]


def test_passages_without_a_document_are_each_their_own():
    limited = PLAIN.model_copy(update={"per_document": 1})
    assert order(passage("a", 0.5), passage("b", 0.4), profile=limited) == ["a", "b"]


# Diversity ----------------------------------------------------------------------------------------

VIEWS = {"a": [1.0, 0, 0], "a'": [2.0, 0.1, 0], "b": [0, 1.0, 0], "c": [0, 0, 3.0]}
ALIKE = [passage("a", 0.9), passage("a'", 0.8), passage("b", 0.5), passage("c", 0.1)]


@pytest.mark.parametrize(
    ("diversity", "chosen"), [(0.0, ["a", "a'"]), (0.2, ["a", "a'"]), (0.5, ["a", "b"])]
)
def test_diversity_prefers_what_is_unlike_the_better_ones(diversity, chosen):
    found = choose_diverse(ALIKE, VIEWS, 2, diversity)
    assert [each.node_id for each in found] == chosen


def test_diverse_passages_are_unlike_all_better_ones_and_keep_score_and_order():
    found = choose_diverse(ALIKE, VIEWS, 3, 0.7)
    assert [(each.node_id, each.score) for each in found] == [("a", 0.9), ("b", 0.5), ("c", 0.1)]


def test_diversity_bears_scores_of_zero_and_nothing_at_all():
    zero = [passage("a", 0.0), passage("b", 0.0)]
    assert {each.node_id for each in choose_diverse(zero, VIEWS, 2, 0.5)} == {"a", "b"}
    assert choose_diverse([], {}, 2, 0.5) == []


# Reranked, and neighbours -------------------------------------------------------------------------


def test_what_a_reranker_judged_stands_before_the_rest():
    passages = [passage("a", 0.9), passage("b", 0.8), passage("c", 0.5)]
    found = apply_reranking([passage("c", 0.4), passage("b", 0.6)], passages)
    assert [each.node_id for each in found] == ["b", "c", "a"]
    assert [each.score for each in found] == pytest.approx([0.6, 0.4, 0.36])
    assert apply_reranking([], passages) == passages


def chain(*names: str) -> dict[str, NodeWithScore]:
    linked = {name: passage(name, 0.5) for name in names}
    for left, right in pairwise(names):
        linked[left].node.relationships[NodeRelationship.NEXT] = RelatedNodeInfo(node_id=right)
        linked[right].node.relationships[NodeRelationship.PREVIOUS] = RelatedNodeInfo(node_id=left)
    return linked


def test_the_chunks_beside_are_those_that_are_not_found_yet():
    linked = chain("1", "2", "3", "4", "5")
    linked["4"].score = 0.3
    found = find_neighbour_ids([linked["2"], linked["3"], passage("alone", 0.1)])
    assert found == {"1": 0.5, "4": 0.5}
    assert find_neighbour_ids([linked["2"], linked["4"]]) == {"1": 0.5, "3": 0.5, "5": 0.3}


def test_neighbours_follow_the_hits_in_the_order_of_their_document():
    hits = [passage("x:2", 0.8), passage("y:2", 0.4)]
    around = [passage("y:3", 0.4), passage("x:3", 0.8), passage("x:1", 0.8)]
    found = with_neighbours(hits, around)
    assert [each.node_id for each in found] == ["x:2", "y:2", "x:1", "x:3", "y:3"]
    assert [each.score for each in found] == pytest.approx([0.8, 0.4, 0.4, 0.4, 0.2])
    assert with_neighbours(hits, []) == hits
