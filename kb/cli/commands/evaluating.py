"""`kb eval`."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from kb.cli.opening import opened
from kb.cli.options import AsJson, ConfigPath
from kb.cli.rendering.progress import SECONDS_BETWEEN_LINES
from kb.cli.terminal import ERR, OUT, say

if TYPE_CHECKING:
    from kb.evaluation.corpus import OnProgress
    from kb.evaluation.search_evaluation import Plan


def evaluate(
    path: Annotated[
        Path | None,
        typer.Argument(
            metavar="PATH",
            help="Labelled questions: a directory with queries.jsonl, corpus.jsonl and "
            "qrels/test.tsv, or a YAML file about the indexed documents; with --sql, a JSONL or "
            "YAML file of questions about the tables.",
        ),
    ] = None,
    profiles: Annotated[
        list[str] | None,
        typer.Option(
            "--profile",
            metavar="NAME",
            help="A search profile; may be repeated.  [default: retrieval.profile of the "
            "configuration]",
        ),
    ] = None,
    k: Annotated[
        int, typer.Option("--k", metavar="N", min=1, max=1000, help="How deep rankings count.")
    ] = 10,
    limit: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Ask at most N questions, evenly spread."),
    ] = None,
    answers: Annotated[
        bool, typer.Option("--answers/--no-answers", help="Judge extracted answers as well.")
    ] = True,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Index the documents of the set again.")
    ] = False,
    save: Annotated[
        bool, typer.Option("--save/--no-save", help="Keep the results in the database.")
    ] = True,
    against: Annotated[
        int | None,
        typer.Option(metavar="RUN", min=1, help="Compare with an earlier run of the same set."),
    ] = None,
    history: Annotated[
        bool, typer.Option("--history", help="List earlier runs: all, or those of the set PATH.")
    ] = False,
    sql: Annotated[
        bool,
        typer.Option("--sql", help="Score the SQL that the model writes about tables.include."),
    ] = False,
    gold: Annotated[
        bool, typer.Option("--gold", help="With --sql: the known SQL in the model's place.")
    ] = False,
    live: Annotated[
        bool,
        typer.Option("--live", help="Compare profiles by their use: ratings, clicks, citations."),
    ] = False,
    days: Annotated[
        int, typer.Option(metavar="N", min=1, max=36_500, help="How far back --live looks.")
    ] = 30,
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Measure answers and SQL on labelled questions, or in use.

    \b
    kb eval questions.yaml
    kb eval ./scifact --profile default --profile semantic
    kb eval ./scifact --against 12          what changed since run 12
    kb eval --history scifact
    kb eval --sql questions.yaml            does the model find what is in the tables?
    kb eval --live --days 7                 what users made of their searches
    """
    if live and (path or history):
        raise typer.BadParameter(
            "--live is about the log of searches: leave out PATH and --history"
        )
    if live:
        _show_live(days, config, as_json=as_json)
        return
    if history:
        _show_history(path, config, as_json=as_json)
        return
    if path is None or not path.exists():
        raise typer.BadParameter(f"there is no {path}" if path else "name labelled questions")
    if gold and not sql:
        raise typer.BadParameter("--gold goes with --sql")
    if sql:
        if profiles or against or fresh:
            raise typer.BadParameter("--sql takes neither --profile nor --against nor --fresh")
        _measure_sql(path, config, gold=gold, limit=limit, save=save, as_json=as_json)
        return
    from kb.evaluation.search_evaluation import Plan

    plan = Plan(tuple(profiles or ()), k, limit, answers, fresh, save, against)
    _measure(path, plan, config, as_json=as_json)


def _measure(path: Path, plan: "Plan", config: Path | None, *, as_json: bool) -> None:
    from kb.cli.print_json import print_json
    from kb.cli.rendering.evaluations import outcome_values, show_outcomes
    from kb.evaluation.search_evaluation import evaluate, read_questions

    labelled = read_questions(path)
    with opened(config) as knowledge_base, _progress() as show:
        outcomes = evaluate(knowledge_base, labelled, plan, show)
    if as_json:
        model = knowledge_base.components.collection.embedding_model
        print_json(outcome_values(labelled, model, plan.k, outcomes))
    else:
        show_outcomes(OUT, labelled, plan.k, outcomes)


def _measure_sql(
    path: Path, config: Path | None, *, gold: bool, limit: int | None, save: bool, as_json: bool
) -> None:
    from kb.cli.print_json import print_json
    from kb.cli.rendering.sql_evaluations import show_sql_outcome, sql_outcome_values
    from kb.evaluation.sql_evaluation import SQLPlan, evaluate_sql
    from kb.evaluation.sql_questions import read_sql_questions

    asked = read_sql_questions(path)
    with opened(config) as knowledge_base, _progress() as show:
        outcome = evaluate_sql(knowledge_base, asked, SQLPlan(gold, limit, save), show)
    if as_json:
        print_json(sql_outcome_values(asked, outcome))
    else:
        show_sql_outcome(OUT, asked, outcome)


def _show_history(path: Path | None, config: Path | None, *, as_json: bool) -> None:
    from kb.cli.print_json import print_json
    from kb.cli.rendering.evaluations import history_values, show_history
    from stores.evaluations import Evaluations

    with opened(config) as knowledge_base:
        runs = Evaluations(knowledge_base.components.engine).list_runs(
            _set_name(path) if path else None
        )
    if as_json:
        print_json(history_values(runs))
    else:
        show_history(OUT, runs)


def _show_live(days: int, config: Path | None, *, as_json: bool) -> None:
    from dataclasses import asdict

    from kb.assembly.experiments import live_report
    from kb.cli.print_json import print_json
    from kb.cli.rendering.profiles_in_use import show_live

    with opened(config) as knowledge_base:
        report = live_report(knowledge_base.components.engine, days)
    if as_json:
        print_json(asdict(report))
    else:
        show_live(OUT, report)


def _set_name(path: Path) -> str:
    return path.stem if path.suffix in {".yaml", ".yml", ".jsonl"} else path.name


def _progress() -> AbstractContextManager["OnProgress"]:
    return _bars() if ERR.is_terminal else nullcontext(_lines())


@contextmanager
def _bars() -> Iterator["OnProgress"]:
    """One for each thing that is done."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=ERR, transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done)

        yield show


def _lines() -> "OnProgress":
    last = time.monotonic()

    def show(what: str, done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            say(f"{what}: {done} of {total}")

    return show
