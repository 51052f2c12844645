"""Scores of questions -> the figures of a run, and how two runs compare."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kb.evaluation.labelled import Question
from kb.evaluation.significance import paired_p_value
from stores.evaluations import Scores

_MEANS = ("ndcg", "recall", "mrr", "hit@1", "hit@5", "answer@1", "answer@3")
_SMALLEST_LANGUAGE = 0.05  # of the questions; below that, a language was probably misjudged

Figures = dict[str, float | int | None]


@dataclass(frozen=True)
class Comparison:
    """The difference in nDCG to another run over the questions that both answered."""

    against: str
    difference: float
    p_value: float
    questions: int


@dataclass(frozen=True)
class Outcome:
    """What one profile was worth; `run` is its number when it was stored."""

    profile: str
    figures: Figures
    by_language: Mapping[str, Figures]
    comparison: Comparison | None
    run: int | None = None


def figures(scores: Scores) -> Figures:
    """Means over the answerable questions, abstention over the others; None if not measured."""
    answerable = [each for each in scores.values() if "ndcg" in each]
    others = [each for each in scores.values() if "ndcg" not in each]
    means = {name: _mean(each.get(name) for each in answerable) for name in _MEANS}
    return {
        "questions": len(answerable),
        "unanswerable": len(others),
        **means,
        "abstained": _mean(each.get("refused") for each in others),
        "refused": _mean(each.get("refused") for each in answerable),
        "p50_ms": _percentile(scores, 50),
        "p95_ms": _percentile(scores, 95),
    }


def figures_by_language(scores: Scores, questions: Sequence[Question]) -> dict[str, Figures]:
    """The figures for each language of the questions, when there are several."""
    counts = Counter(each.language for each in questions if each.language)
    enough = _SMALLEST_LANGUAGE * len(questions)
    languages = [language for language, count in counts.most_common() if count >= enough]
    if len(languages) < 2:  # noqa: PLR2004 - several
        return {}
    return {
        language: figures(
            {each.id: scores[each.id] for each in questions if each.language == language}
        )
        for language in languages
    }


def compared(scores: Scores, earlier: Scores, against: str) -> Comparison | None:
    """None when the two have no answerable question in common."""
    both = [name for name in scores if "ndcg" in scores[name] and "ndcg" in earlier.get(name, {})]
    if not both:
        return None
    ours = [scores[name]["ndcg"] for name in both]
    theirs = [earlier[name]["ndcg"] for name in both]
    difference = float(np.mean(ours) - np.mean(theirs))
    return Comparison(against, difference, paired_p_value(ours, theirs), len(both))


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _percentile(scores: Mapping[str, Mapping[str, float]], percent: int) -> float | None:
    return float(np.percentile([each["ms"] for each in scores.values()], percent))
