"""The figures of a run, from the scores of its questions, and how two runs compare."""

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
    """The result of one profile; `run` is its number when it was stored."""

    profile: str
    figures: Figures
    by_language: Mapping[str, Figures]
    comparison: Comparison | None
    run: int | None = None

    @property
    def difference(self) -> float | None:
        """The difference in nDCG to what this was compared with, None without that."""
        return self.comparison.difference if self.comparison else None


def compute_figures(scores: Scores) -> Figures:
    """Compute means over the answerable questions, and abstention over the others.

    A figure that was not measured is None.
    """
    answerable = [
        question_scores for question_scores in scores.values() if "ndcg" in question_scores
    ]
    others = [
        question_scores for question_scores in scores.values() if "ndcg" not in question_scores
    ]
    means = {
        name: _mean_of_known(question_scores.get(name) for question_scores in answerable)
        for name in _MEANS
    }
    return {
        "questions": len(answerable),
        "unanswerable": len(others),
        **means,
        "abstained": _mean_of_known(question_scores.get("refused") for question_scores in others),
        "refused": _mean_of_known(question_scores.get("refused") for question_scores in answerable),
        "p50_ms": _time_percentile(scores, 50),
        "p95_ms": _time_percentile(scores, 95),
    }


def compute_figures_by_language(
    scores: Scores, questions: Sequence[Question]
) -> dict[str, Figures]:
    """Compute the figures for each language of the questions, when there are several."""
    counts = Counter(question.language for question in questions if question.language)
    enough = _SMALLEST_LANGUAGE * len(questions)
    languages = [language for language, count in counts.most_common() if count >= enough]
    if len(languages) < 2:  # noqa: PLR2004 - several
        return {}
    return {
        language: compute_figures(
            {
                question.id: scores[question.id]
                for question in questions
                if question.language == language
            }
        )
        for language in languages
    }


def compare_scores(scores: Scores, earlier: Scores, against: str) -> Comparison | None:
    """Compare two runs; None when they have no answerable question in common."""
    both = [name for name in scores if "ndcg" in scores[name] and "ndcg" in earlier.get(name, {})]
    if not both:
        return None
    ours = [scores[name]["ndcg"] for name in both]
    theirs = [earlier[name]["ndcg"] for name in both]
    difference = float(np.mean(ours) - np.mean(theirs))
    return Comparison(against, difference, paired_p_value(ours, theirs), len(both))


def _mean_of_known(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _time_percentile(scores: Mapping[str, Mapping[str, float]], percent: int) -> float | None:
    return float(
        np.percentile([question_scores["ms"] for question_scores in scores.values()], percent)
    )
