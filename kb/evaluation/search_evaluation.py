"""A labelled set through every named profile, judged, compared and kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kb.app import KnowledgeBase
from kb.evaluation.ask_questions import asking
from kb.evaluation.beir import read_beir
from kb.evaluation.corpus import OnProgress, with_corpus
from kb.evaluation.labelled import BadQuestions, LabelledSet, Question
from kb.evaluation.own_questions import read_own_questions
from kb.evaluation.summary import Outcome, compared, figures, figures_by_language
from stores.errors import ConfigError
from stores.evaluations import EvaluationRun, Evaluations, Scores


@dataclass(frozen=True)
class Plan:
    """What to measure: rankings to the depth `k`, with the configured profile if none is named.

    `against` is the number of an earlier run.
    """

    profiles: tuple[str, ...] = ()
    k: int = 10
    limit: int | None = None
    answers: bool = True
    fresh: bool = False
    save: bool = True
    against: int | None = None


def read_questions(path: Path) -> LabelledSet:
    """A directory in the BEIR layout, or a YAML file about the user's own documents.

    Raises BadQuestions.
    """
    labelled = read_beir(path) if path.is_dir() else read_own_questions(path)
    for question in labelled.questions:
        if not question.text.strip():
            raise BadQuestions(f"{path}: the question {question.id!r} is empty.")
    return labelled


def evaluate(
    knowledge_base: KnowledgeBase,
    labelled: LabelledSet,
    plan: Plan,
    on_progress: OnProgress = lambda *_: None,
) -> list[Outcome]:
    """One outcome a profile, compared with the earlier run, or else with the first profile.

    Raises BadQuestions, ConfigError, ModelUnavailable or StoreError.
    """
    profiles = plan.profiles or (knowledge_base.config.retrieval.profile,)
    settings = {name: _settings(knowledge_base, name) for name in profiles}
    evaluations = Evaluations(knowledge_base.components.engine)
    baseline = _earlier_scores(evaluations, labelled, plan)
    _check_documents(knowledge_base, labelled)
    over_corpus = with_corpus(knowledge_base, labelled, fresh=plan.fresh, on_progress=on_progress)
    answers = plan.answers and labelled.has_answers
    ask = asking(over_corpus, plan.k, answers=answers, on_progress=on_progress)
    questions = labelled.sample(plan.limit)
    outcomes = []
    for profile, profile_settings in settings.items():
        scores = ask.scores(questions, profile)
        outcome = _outcome(profile, scores, questions, baseline)
        if plan.save:
            run = _run(labelled, plan.k, outcome, profile_settings, knowledge_base)
            outcome = replace(outcome, run=evaluations.add(run, scores))
        outcomes.append(outcome)
        baseline = baseline or (profile, scores)
    return outcomes


def _settings(knowledge_base: KnowledgeBase, profile: str) -> dict[str, Any]:
    """What the profile says today."""
    return knowledge_base.config.profile(profile).model_dump(mode="json")


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


def _outcome(
    profile: str,
    scores: Scores,
    questions: Sequence[Question],
    baseline: tuple[str, Scores] | None,
) -> Outcome:
    comparison = compared(scores, baseline[1], baseline[0]) if baseline else None
    by_language = figures_by_language(scores, questions)
    return Outcome(profile, figures(scores), by_language, comparison)


def _run(
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
