"""Experiments in use: sessions split between search profiles, and what came of their searches."""

import hashlib
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from stores.searches.search_log import Outcome, SearchLog

_Z = NormalDist().inv_cdf(0.975)
_ROUNDS = 5_000

Rows = npt.NDArray[np.float64]  # of (sum, count), one a session
Judge = Callable[[Outcome], float | None]


@dataclass(frozen=True)
class Share:
    """`hits` of `total`, with the bounds of the 95 % interval; None of nothing."""

    hits: int
    total: int
    rate: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class ProfileReport:
    """A profile in use; `mrr` is over the `judged` searches: something was clicked or cited."""

    profile: str
    searches: int
    sessions: int
    thumbs_up: Share
    clicked: Share
    mrr: float | None
    judged: int
    p50_ms: float
    p95_ms: float


@dataclass(frozen=True)
class Comparison:
    """How much more of a measure `profile` has than `other`, and how likely that is by chance."""

    measure: str
    profile: str
    other: str
    difference: float
    p_value: float


@dataclass(frozen=True)
class LiveReport:
    days: int
    profiles: Sequence[ProfileReport]
    comparisons: Sequence[Comparison]


def assign_profile(session_id: str, weights: Mapping[str, float]) -> str:
    """Return the profile of a session: always the same, and in the long run by weight.

    Weighted rendezvous hashing: a weight that changes, or a profile that joins or leaves, moves no
    session between the others.
    """
    shares = {name: weight for name, weight in weights.items() if weight > 0}
    return max(shares, key=lambda name: (_draw_share(session_id, name, shares[name]), name))


def _draw_share(session_id: str, profile: str, weight: float) -> float:
    digest = hashlib.sha256(f"{profile}\0{session_id}".encode(errors="replace")).digest()
    uniform = (int.from_bytes(digest[:8]) + 0.5) / 2**64  # inside 0..1
    return -weight / math.log(uniform)


def live_report(engine: sa.Engine, days: int) -> LiveReport:
    """Report what came of the searches of the last days, by profile."""
    return report_profiles(SearchLog(engine).list_outcomes(days), days)


def report_profiles(outcomes: Iterable[Outcome], days: int) -> LiveReport:
    """Report what came of searches by profile, and how the profiles compare."""
    by_profile: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_profile[outcome.profile].append(outcome)
    profiles = sorted(by_profile)
    return LiveReport(
        days,
        [_report_profile(name, by_profile[name]) for name in profiles],
        [
            comparison
            for profile, other in combinations(profiles, 2)
            for comparison in _compare_measures(by_profile[profile], by_profile[other])
        ],
    )


def _report_profile(profile: str, outcomes: Sequence[Outcome]) -> ProfileReport:
    reciprocal_ranks = _judge_all(_reciprocal_rank, outcomes)
    p50, p95 = np.percentile([outcome.milliseconds for outcome in outcomes], [50, 95])
    return ProfileReport(
        profile,
        len(outcomes),
        len({outcome.session_id for outcome in outcomes} - {None}),
        _make_share(_judge_all(_is_up, outcomes)),
        _make_share(_judge_all(_is_clicked, outcomes)),
        float(np.mean(reciprocal_ranks)) if reciprocal_ranks else None,
        len(reciprocal_ranks),
        float(p50),
        float(p95),
    )


def _is_up(outcome: Outcome) -> float | None:
    return None if outcome.rating is None else float(outcome.rating > 0)


def _is_clicked(outcome: Outcome) -> float | None:
    return float(outcome.clicked_rank is not None)


def _reciprocal_rank(outcome: Outcome) -> float | None:
    """Judge a search by what people opened, or else by what the answer cites."""
    rank = outcome.clicked_rank or outcome.cited_rank
    return 1 / rank if rank else None


_MEASURES: dict[str, Judge] = {
    "thumbs up": _is_up, "clicked": _is_clicked, "MRR": _reciprocal_rank
}  # fmt: skip


def _judge_all(judge: Judge, outcomes: Iterable[Outcome]) -> list[float]:
    return [value for outcome in outcomes if (value := judge(outcome)) is not None]


def _make_share(values: Sequence[float]) -> Share:
    hits, total = int(sum(values)), len(values)
    if not total:
        return Share(0, 0, None, None, None)
    return Share(hits, total, hits / total, *wilson_interval(hits, total))


def wilson_interval(hits: int, total: int) -> tuple[float, float]:
    """Return the 95 % interval of a proportion.

    Wilson, JASA 22 (1927), without continuity correction.
    """
    rate, spread = hits / total, _Z**2 / total
    middle = (rate + spread / 2) / (1 + spread)
    half = _Z * math.sqrt(rate * (1 - rate) / total + spread / total / 4) / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)


def _compare_measures(ours: Sequence[Outcome], theirs: Sequence[Outcome]) -> Iterable[Comparison]:
    for measure, judge in _MEASURES.items():
        one, other = _sum_by_session(judge, ours), _sum_by_session(judge, theirs)
        if len(one) and len(other):
            yield Comparison(
                measure,
                ours[0].profile,
                theirs[0].profile,
                _mean_rate(one) - _mean_rate(other),
                p_value(one, other),
            )


def _sum_by_session(judge: Judge, outcomes: Iterable[Outcome]) -> Rows:
    """Sum a measure by session; searches without one were not dealt to a profile."""
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for outcome in outcomes:
        if outcome.session_id is not None and (value := judge(outcome)) is not None:
            total = sums[outcome.session_id]
            total[0] += value
            total[1] += 1
    return np.array(list(sums.values()))


def _mean_rate(sessions: Rows) -> float:
    total, count = sessions.sum(axis=0)
    return float(total / count)


def p_value(ours: Rows, theirs: Rows) -> float:
    """Return the two-sided p-value of the difference of two means over sessions.

    A randomisation test (Fisher, The Design of Experiments, 1935): how often the difference is as
    large when the sessions, which are what was split, are dealt to the profiles anew. So searches
    of one session need not be independent, and small numbers are no trouble. The same deals in
    every run.
    """
    # Sums in another order differ a little.
    observed = abs(_mean_rate(ours) - _mean_rate(theirs)) - 1e-9
    sessions, counts = np.unique(np.concatenate([ours, theirs]), axis=0, return_counts=True)
    hands = np.random.default_rng(0).multivariate_hypergeometric(counts, len(ours), _ROUNDS)
    dealt, rest = hands @ sessions, (counts - hands) @ sessions
    differences = dealt[:, 0] / dealt[:, 1] - rest[:, 0] / rest[:, 1]
    as_large = np.count_nonzero(np.abs(differences) >= observed)
    return float((as_large + 1) / (_ROUNDS + 1))
