"""Evaluating search profiles on a labelled set: asked, judged, compared and stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kb.app import KnowledgeBase
from kb.evaluation.ask_questions import make_question_asker
from kb.evaluation.beir import read_beir
from kb.evaluation.corpus import with_corpus
from kb.evaluation.labelled import BadQuestions, LabelledSet, OnProgress, Question
from kb.evaluation.own_questions import read_own_questions
from kb.evaluation.summary import (
    Outcome,
    compare_scores,
    compute_figures,
    compute_figures_by_language,
)
from stores.errors import ConfigError
from stores.evaluations import EvaluationRun, Evaluations, Scores


@dataclass(frozen=True)
class Plan:
    """A plan of what to measure: rankings to the depth `k`, by default of the configured profile.

    `against` is the number of an earlier run; with `no_worse` each profile is compared with its
    last run of the set, as far as their questions are the same.
    """

    profiles: tuple[str, ...] = ()
    k: int = 10
    limit: int | None = None
    answers: bool = True
    fresh: bool = False
    save: bool = True
    against: int | None = None
    no_worse: bool = False


def read_questions(path: Path) -> LabelledSet:
    """Read a directory in the BEIR layout, or a YAML file about the user's own documents.

    Raises BadQuestions.
    """
    labelled = read_beir(path) if path.is_dir() else read_own_questions(path)
    for question in labelled.questions:
        if not question.text.strip():
            raise BadQuestions(f"{path}: the question {question.id!r} is empty.")
    return labelled


def evaluate_profiles(
    knowledge_base: KnowledgeBase,
    labelled: LabelledSet,
    plan: Plan,
    on_progress: OnProgress = lambda *_: None,
) -> list[Outcome]:
    """Measure each profile, and compare it with the earlier run, or else with the first profile.

    Raises BadQuestions, ConfigError, ModelUnavailable or StoreError.
    """
    profiles = plan.profiles or (knowledge_base.config.retrieval.profile,)
    config = knowledge_base.config
    settings = {name: config.profile(name).model_dump(mode="json") for name in profiles}
    evaluations = Evaluations(knowledge_base.components.engine)
    baseline = _earlier_scores(evaluations, labelled, plan)
    _check_documents(knowledge_base, labelled)
    over_corpus = with_corpus(knowledge_base, labelled, fresh=plan.fresh, on_progress=on_progress)
    answers = plan.answers and labelled.has_answers
    asker = make_question_asker(over_corpus, plan.k, answers=answers, on_progress=on_progress)
    questions = labelled.sample_questions(plan.limit)
    outcomes = []
    for profile, profile_settings in settings.items():
        if plan.no_worse:
            baseline = _last_scores(evaluations, labelled, profile, plan.k)
        scores = asker.score_questions(questions, profile)
        outcome = _summarise_scores(profile, scores, questions, baseline)
        if plan.save:
            run = _outcome_to_run(labelled, plan.k, outcome, profile_settings, knowledge_base)
            outcome = replace(outcome, run=evaluations.add(run, scores))
        outcomes.append(outcome)
        baseline = baseline or (profile, scores)
    return outcomes


def _earlier_scores(
    evaluations: Evaluations, labelled: LabelledSet, plan: Plan
) -> tuple[str, Scores] | None:
    if plan.against is None:
        return None
    earlier = evaluations.find_run(plan.against)
    if (earlier.run.set_hash, earlier.run.cutoff) != (labelled.digest, plan.k):
        raise ConfigError(
            f"Run {plan.against} was over {earlier.run.set_name} to the depth "
            f"{earlier.run.cutoff}; this one is over {labelled.name} to {plan.k}, or its "
            "questions have changed. Only the same questions compare."
        )
    return f"run {plan.against}", earlier.scores


def _last_scores(
    evaluations: Evaluations, labelled: LabelledSet, profile: str, k: int
) -> tuple[str, Scores] | None:
    """Find the last run of a profile; of a set with a corpus of its own over the very same."""
    for stored in evaluations.list_runs(labelled.name):
        is_same = labelled.corpus is None or stored.run.set_hash == labelled.digest
        if is_same and (stored.run.profile, stored.run.cutoff) == (profile, k):
            return f"run {stored.number}", evaluations.find_run(stored.number).scores
    return None


def _check_documents(knowledge_base: KnowledgeBase, labelled: LabelledSet) -> None:
    if labelled.corpus is not None:
        return
    registry = knowledge_base.components.registry
    indexed = {path for root in registry.list_roots() for path in registry.find_known(root["name"])}
    named = {path for question in labelled.questions for path in question.relevant}
    if missing := sorted(named - indexed):
        raise BadQuestions(
            f"{labelled.name} names {missing[0]}, which is not indexed ({len(missing)} of its "
            f"{len(named)} documents are not). Paths are relative to the directory that was "
            "indexed; `kb index PATH` adds documents."
        )


def _summarise_scores(
    profile: str,
    scores: Scores,
    questions: Sequence[Question],
    baseline: tuple[str, Scores] | None,
) -> Outcome:
    comparison = compare_scores(scores, baseline[1], baseline[0]) if baseline else None
    by_language = compute_figures_by_language(scores, questions)
    return Outcome(profile, compute_figures(scores), by_language, comparison)


def _outcome_to_run(
    labelled: LabelledSet,
    k: int,
    outcome: Outcome,
    settings: Mapping[str, Any],
    knowledge_base: KnowledgeBase,
) -> EvaluationRun:
    return EvaluationRun(
        set_name=labelled.name,
        set_hash=labelled.digest,
        cutoff=k,
        profile=outcome.profile,
        settings=settings,
        embedding_model=knowledge_base.components.collection.embedding_model,
        metrics={**outcome.figures, "by_language": outcome.by_language},
    )
