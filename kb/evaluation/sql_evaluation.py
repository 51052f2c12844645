"""Evaluating the SQL for questions: what it finds, against what the gold SQL finds."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, get_args

import numpy as np
from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.llms.llm import LLM

from engines.answer import Answer, Attempt, answer_of
from engines.elapsed import milliseconds_since
from engines.tables.guarded_database import GuardedDatabase
from engines.tables.query_result import QueryResult
from engines.tables.tables_engine import DatabaseQueryEngine
from kb.app import KnowledgeBase
from kb.evaluation.gold_model import GOLD, GoldModel
from kb.evaluation.labelled import BadQuestions, OnProgress
from kb.evaluation.sql_questions import SQLQuestion, SQLSet
from kb.evaluation.sql_results import Expected, Judgement, expect_result, judge_result
from stores.errors import ConfigError, ModelUnavailable, QueryFailed, UnsafeQuery
from stores.evaluations import EvaluationRun, Evaluations
from stores.text.translations import Message

Verdict = Literal[Judgement, "refused", "failed", "no_answer"]
VERDICTS: Final[tuple[Verdict, ...]] = get_args(Verdict)
PROFILE: Final = "sql"  # among runs that are named by the profile of their search


@dataclass(frozen=True)
class SQLPlan:
    """A plan of what to ask; with `gold`, the accepted statements stand in for a model's."""

    gold: bool = False
    limit: int | None = None
    save: bool = True


@dataclass(frozen=True)
class SQLAnswer:
    """A judged answer; `sql` ran or was tried last, `ms` is from the question to the rows."""

    id: str
    question: str
    verdict: Verdict
    sql: str | None
    error: str | None
    repairs: int
    ms: float


@dataclass(frozen=True)
class SQLOutcome:
    """The result of an evaluation; `run` is its number when it was stored."""

    model: str
    figures: Mapping[str, float]
    answers: Sequence[SQLAnswer]
    run: int | None = None


def evaluate_sql(
    knowledge_base: KnowledgeBase,
    asked: SQLSet,
    plan: SQLPlan,
    on_progress: OnProgress = lambda *_: None,
) -> SQLOutcome:
    """Ask each question of the configured tables, one after the other, and judge the rows.

    Raises BadQuestions, ConfigError, ModelUnavailable, StoreError.
    """
    questions = asked.sample_questions(plan.limit)
    model = GOLD if plan.gold else _require_model(knowledge_base).metadata.model_name
    accepted = {
        question.gold: _run_gold_statements(knowledge_base.components.tables, question, plan)
        for question in questions
    }
    answers: list[SQLAnswer] = []
    cases = list(_make_cases(knowledge_base, questions, plan))
    for question, engine in cases:
        on_progress(Message("Asking the tables"), len(answers), len(cases))
        asker = _SQLAsker(knowledge_base.components.tables, engine, accepted[question.gold])
        answers.append(asker.ask_question(question, must_answer=not answers))
    outcome = SQLOutcome(model, _summarise_answers(answers), answers)
    return (
        replace(outcome, run=_store_run(knowledge_base, asked, outcome)) if plan.save else outcome
    )


def _require_model(knowledge_base: KnowledgeBase) -> LLM:
    llm = knowledge_base.components.llm_for("sql")
    if llm is None:
        raise ConfigError(
            "Scoring a model's SQL takes a language model, and llm.provider is none. Set "
            "llm.provider and llm.model in config.yaml, or check the rest with --gold."
        )
    return llm


def _make_cases(
    knowledge_base: KnowledgeBase, questions: Sequence[SQLQuestion], plan: SQLPlan
) -> Iterator[tuple[SQLQuestion, BaseQueryEngine]]:
    if not plan.gold:
        engine = _make_engine(knowledge_base, _require_model(knowledge_base))
        yield from ((question, engine) for question in questions)
        return
    for question in questions:
        for number, statement in enumerate(question.gold, start=1):
            case = replace(question, id=f"{question.id}/{number}")
            yield case, _make_engine(knowledge_base, GoldModel(statement=statement))


def _make_engine(knowledge_base: KnowledgeBase, llm: LLM) -> BaseQueryEngine:
    """Make an engine without written answers, and without verified queries.

    Their SQL is not the model's.
    """
    return DatabaseQueryEngine(
        knowledge_base.components.tables,
        llm=llm,
        embed_model=knowledge_base.components.embed_model,
        entities=knowledge_base.components.entities,
        synthesize_response=False,
    )


def _run_gold_statements(
    tables: GuardedDatabase, question: SQLQuestion, plan: SQLPlan
) -> list[Expected]:
    """Return what the gold statements find; those that do not run are left out."""
    found, reason = [], ""
    for sql in question.gold:
        try:
            result = tables.run(sql)
        except (UnsafeQuery, QueryFailed) as error:
            reason = str(error)
            continue
        if result.truncated:
            raise BadQuestions(
                f"The gold SQL of {question.id} finds more than {len(result.rows)} rows, which "
                "cannot be compared. Raise tables.row_limit."
            )
        found.append(expect_result(sql, result))
    if not found and not plan.gold:
        raise BadQuestions(f"No gold SQL of {question.id} runs on these tables: {reason}")
    return found


@dataclass(frozen=True)
class _SQLAsker:
    """What asks a question, and judges the rows by the accepted results."""

    tables: GuardedDatabase
    engine: BaseQueryEngine
    accepted: Sequence[Expected]

    def ask_question(self, question: SQLQuestion, *, must_answer: bool) -> SQLAnswer:
        """Ask a question; a model that fails gets it wrong.

        ModelUnavailable is raised for a question that `must_answer`.
        """
        since = time.perf_counter()
        try:
            found = answer_of(self.engine.query(question.text))
        except ModelUnavailable as error:
            if must_answer:
                raise
            found = Answer(errors={"model": str(error)})
        attempts = found.tables.attempts or ()
        return SQLAnswer(
            id=question.id,
            question=question.text,
            verdict=self._judge_answer(found, attempts),
            sql=found.tables.sql or (attempts[-1].sql if attempts else None),
            error=next(iter(found.errors.values()), None),
            repairs=len(attempts) - bool(found.errors and attempts),
            ms=milliseconds_since(since),
        )

    def _judge_answer(self, found: Answer, attempts: Sequence[Attempt]) -> Verdict:
        if found.errors:
            refused = attempts and self._is_refused(attempts[-1].sql)
            return "refused" if refused else "failed"
        tables = found.tables
        if not tables.sql:
            return "no_answer"
        rows = [tuple(row) for row in tables.rows]
        result = QueryResult(tuple(tables.columns), rows, tables.truncated)
        verdicts = [judge_result(result, accepted) for accepted in self.accepted]
        return min(verdicts, key=VERDICTS.index, default="wrong")

    def _is_refused(self, sql: str) -> bool:
        try:
            self.tables.check(sql)
        except UnsafeQuery:
            return True
        return False


def _summarise_answers(answers: Sequence[SQLAnswer]) -> dict[str, float]:
    counts = Counter(answer.verdict for answer in answers)
    times = [answer.ms for answer in answers]
    return {
        "questions": len(answers),
        **{verdict: counts[verdict] for verdict in VERDICTS},
        "share_right": counts["right"] / len(answers),
        "repairs": sum(answer.repairs for answer in answers),
        "p50_ms": float(np.percentile(times, 50)),
        "p95_ms": float(np.percentile(times, 95)),
    }


def _store_run(knowledge_base: KnowledgeBase, asked: SQLSet, outcome: SQLOutcome) -> int:
    scores = {
        answer.id: {answer.verdict: 1.0, "repairs": float(answer.repairs), "ms": answer.ms}
        for answer in outcome.answers
    }
    run = EvaluationRun(
        set_name=asked.name,
        set_hash=asked.digest,
        cutoff=0,
        profile=PROFILE,
        settings={"llm": outcome.model, "tables": list(knowledge_base.config.tables.include)},
        embedding_model=knowledge_base.components.collection.embedding_model,
        metrics=outcome.figures,
    )
    return Evaluations(knowledge_base.components.engine).add(run, scores)
