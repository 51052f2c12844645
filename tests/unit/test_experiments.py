"""Sessions keep their profile, shares have honest bounds, and chance is told from difference."""

import io
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from kb.assembly.experiments import assign_profile, report_profiles, wilson_interval
from kb.cli.rendering.profiles_in_use import show_live
from stores.searches.search_log import Outcome

SESSIONS = [f"session {number}" for number in range(4000)]


def outcome(profile: str = "default", session: str | None = None, **fields: object) -> Outcome:
    values = {"milliseconds": 10.0, "rating": None, "clicked_rank": None, "cited_rank": None}
    return Outcome(profile, session, **{**values, **fields})  # type: ignore[arg-type]  # fields are of any type


def rated(profile: str, ups: int, downs: int) -> list[Outcome]:
    """One search a session."""
    ratings = [1] * ups + [-1] * downs
    return [
        outcome(profile, f"{profile} {number}", rating=rating)
        for number, rating in enumerate(ratings)
    ]


def of_sessions(profile: str, sessions: int, rating: int) -> list[Outcome]:
    """Ten searches a session, all rated alike."""
    return [
        outcome(profile, f"{profile} {session} {rating}", rating=rating)
        for session in range(sessions)
        for _ in range(10)
    ]


# Assignment ---------------------------------------------------------------------------------------


def test_sessions_are_split_by_weight():
    counts = Counter(
        assign_profile(session, {"default": 3, "precision": 1}) for session in SESSIONS
    )
    assert 2900 < counts["default"] < 3100
    assert counts["precision"] == 4000 - counts["default"]


def test_a_session_keeps_its_profile_in_every_process_and_every_order():
    split = [assign_profile(f"s{number}", {"a": 50, "b": 50}) for number in range(8)]
    assert split == [assign_profile(f"s{number}", {"b": 50, "a": 50}) for number in range(8)]
    assert "".join(split) == "abbaaaba"


def test_a_weight_that_grows_moves_sessions_only_to_its_profile():
    before = {session: assign_profile(session, {"a": 50, "b": 50}) for session in SESSIONS}
    after = {session: assign_profile(session, {"a": 50, "b": 80, "c": 20}) for session in SESSIONS}
    moves = Counter((before[session], after[session]) for session in SESSIONS)
    assert moves["a", "b"] > 100
    assert moves["a", "c"] > 100
    assert moves["b", "a"] == 0


@given(st.text(), st.floats(min_value=1e-6, max_value=1e6))
def test_a_profile_without_weight_gets_no_session(session, weight):
    assert assign_profile(session, {"on": weight, "off": 0}) == "on"


# The report ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hits", "total", "interval"),
    [(0, 10, (0.0, 0.2775)), (8, 10, (0.4902, 0.9433)), (10, 10, (0.7225, 1.0))],
)
def test_the_interval_of_a_share_is_wilsons(hits, total, interval):
    assert wilson_interval(hits, total) == pytest.approx(interval, abs=5e-5)


def test_a_profile_is_counted_rated_and_timed():
    outcomes = [
        outcome(session="s1", rating=1, clicked_rank=2, cited_rank=1, milliseconds=10.0),
        outcome(session="s1", rating=-1, cited_rank=4, milliseconds=20.0),
        outcome(session="s2", milliseconds=60.0),
        outcome(milliseconds=30.0),
    ]
    [profile] = report_profiles(outcomes, 7).profiles
    assert (profile.profile, profile.searches, profile.sessions) == ("default", 4, 2)
    assert (profile.thumbs_up.hits, profile.thumbs_up.total, profile.thumbs_up.rate) == (1, 2, 0.5)
    assert (profile.clicked.hits, profile.clicked.total, profile.clicked.rate) == (1, 4, 0.25)
    assert profile.judged == 2
    assert profile.mrr == pytest.approx((1 / 2 + 1 / 4) / 2), "a click counts before a citation"
    assert (profile.p50_ms, profile.p95_ms) == (25.0, pytest.approx(55.5))


def test_what_nobody_rated_has_no_rate():
    [profile] = report_profiles([outcome()], 7).profiles
    assert profile.thumbs_up.rate is profile.thumbs_up.low is profile.mrr is None


@pytest.mark.parametrize(
    ("ours", "theirs", "exact"),
    [
        ((8, 2), (1, 5), 0.0350),
        ((3, 1), (1, 3), 0.4857),
        ((5, 5), (5, 5), 1.0),
        ((30, 20), (18, 32), 0.0272),
    ],
)
def test_a_difference_of_single_ratings_is_as_likely_as_fishers_exact_test_says(
    ours, theirs, exact
):
    comparisons = report_profiles(rated("a", *ours) + rated("b", *theirs), 7).comparisons
    thumbs = next(each for each in comparisons if each.measure == "thumbs up")
    assert thumbs.p_value == pytest.approx(exact, abs=0.02)
    assert thumbs.difference == pytest.approx(ours[0] / sum(ours) - theirs[0] / sum(theirs))


def test_many_searches_of_few_sessions_prove_nothing():
    few = [*of_sessions("a", 2, 1), *of_sessions("b", 1, 1), *of_sessions("b", 1, -1)]
    many = [*of_sessions("a", 40, 1), *of_sessions("b", 20, 1), *of_sessions("b", 20, -1)]
    p_values = [
        next(each.p_value for each in report_profiles(outcomes, 7).comparisons)
        for outcomes in (few, many)
    ]  # fmt: skip
    assert p_values[0] > 0.3
    assert p_values[1] < 0.001


def test_searches_without_a_session_are_counted_and_not_compared():
    alone = [outcome("a", rating=1)] * 40 + [outcome("b", rating=-1)] * 40
    live = report_profiles(alone, 7)
    assert [each.searches for each in live.profiles] == [40, 40]
    assert not live.comparisons


def test_every_two_profiles_are_compared_in_what_both_have():
    outcomes = [*rated("a", 2, 1), *rated("b", 1, 1), outcome("c", "c 1", clicked_rank=1)]
    compared = [
        (each.profile, each.other, each.measure)
        for each in report_profiles(outcomes, 7).comparisons
    ]
    assert compared == [
        ("a", "b", "thumbs up"), ("a", "b", "clicked"), ("a", "c", "clicked"), ("b", "c", "clicked")
    ]  # fmt: skip


def shown(outcomes: list[Outcome]) -> str:
    console = Console(width=120, file=io.StringIO())
    with console.capture() as capture:
        show_live(console, report_profiles(outcomes, 7))
    return capture.get()


def test_the_report_is_shown_side_by_side():
    text = shown([*rated("default", 8, 2), *rated("precision", 1, 5), outcome(clicked_rank=2)])
    assert text.startswith("Searches of the last 7 days\n")
    assert "8 of 10: 80% (49% to 94%)" in text
    assert "thumbs up, default against precision: +0.633, p = 0.03" in text
    assert shown([]) == "No search of the last 7 days is in the log.\n"
