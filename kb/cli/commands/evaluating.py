"""The command `kb eval`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kb.cli.language import gettext
from kb.cli.opening import open_knowledge_base
from kb.cli.options import AsJson, ConfigPath
from kb.cli.program import ExitCode
from kb.cli.rendering.progress import show_steps
from kb.cli.terminal import OUT, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kb.evaluation.search_evaluation import Plan
    from kb.evaluation.summary import Outcome


QuestionSet = Annotated[
    Path | None,
    typer.Argument(
        metavar="PATH",
        help="Labelled questions: a directory with queries.jsonl, corpus.jsonl and "
        "qrels/test.tsv, or a YAML file about the indexed documents; with --sql, a JSONL or "
        "YAML file of questions about the tables.",
    ),
]
Profiles = Annotated[
    list[str] | None,
    typer.Option(
        "--profile",
        metavar="NAME",
        help="A search profile; may be repeated.  [default: retrieval.profile of the "
        "configuration]",
    ),
]
Depth = Annotated[
    int, typer.Option("--k", metavar="N", min=1, max=1000, help="How deep rankings count.")
]
Limit = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="Ask at most N questions, evenly spread."),
]
Answers = Annotated[
    bool, typer.Option("--answers/--no-answers", help="Judge extracted answers as well.")
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Index the documents of the set again.")]
Save = Annotated[bool, typer.Option("--save/--no-save", help="Keep the results in the database.")]
Against = Annotated[
    int | None,
    typer.Option(metavar="RUN", min=1, help="Compare with an earlier run of the same set."),
]
History = Annotated[
    bool, typer.Option("--history", help="List earlier runs: all, or those of the set PATH.")
]
OfSQL = Annotated[
    bool, typer.Option("--sql", help="Score the SQL that the model writes about tables.include.")
]
Gold = Annotated[
    bool, typer.Option("--gold", help="With --sql: the known SQL in the model's place.")
]
Live = Annotated[
    bool,
    typer.Option("--live", help="Compare profiles by their use: ratings, clicks, citations."),
]
Days = Annotated[
    int, typer.Option(metavar="N", min=1, max=36_500, help="How far back --live looks.")
]


OfMarks = Annotated[
    bool,
    typer.Option("--marks", help="Ask the questions of which somebody marked the right documents."),
]
NoWorse = Annotated[
    bool,
    typer.Option(
        "--no-worse",
        help="Compare with the last run of the same set and profile; exit code 1 when nDCG fell.",
    ),
]


def evaluate(
    path: QuestionSet = None,
    profiles: Profiles = None,
    k: Depth = 10,
    limit: Limit = None,
    answers: Answers = True,
    fresh: Fresh = False,
    save: Save = True,
    against: Against = None,
    history: History = False,
    sql: OfSQL = False,
    gold: Gold = False,
    live: Live = False,
    marks: OfMarks = False,
    no_worse: NoWorse = False,
    days: Days = 30,
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
    kb eval --marks --no-worse              do searches still find what people marked as right?
    """
    if live:
        if path or history:
            raise typer.BadParameter(
                gettext("--live is about the log of searches: leave out PATH and --history")
            )
        _show_live(days, config, as_json=as_json)
        return
    if history:
        _show_history(path, config, as_json=as_json)
        return
    _check_set(path, sql=sql, gold=gold, marks=marks)
    if no_worse and (sql or against):
        raise typer.BadParameter(gettext("--no-worse goes without --sql and --against"))
    if sql:
        if profiles or against or fresh:
            raise typer.BadParameter(
                gettext("--sql takes neither --profile nor --against nor --fresh")
            )
        assert path  # noqa: S101 - checked above
        _evaluate_sql(path, config, gold=gold, limit=limit, save=save, as_json=as_json)
        return
    from kb.evaluation.search_evaluation import Plan

    plan = Plan(tuple(profiles or ()), k, limit, answers, fresh, save, against, no_worse)
    _evaluate_search(path, plan, config, as_json=as_json)


def _check_set(path: Path | None, *, sql: bool, gold: bool, marks: bool) -> None:
    if marks and (path or sql):
        raise typer.BadParameter(gettext("--marks goes without PATH and --sql"))
    if path is None and not marks:
        raise typer.BadParameter(gettext("name labelled questions"))
    if path and not path.exists():
        raise typer.BadParameter(gettext("there is no {path}").format(path=path))
    if gold and not sql:
        raise typer.BadParameter(gettext("--gold goes with --sql"))


def _evaluate_search(
    path: Path | None, plan: "Plan", config: Path | None, *, as_json: bool
) -> None:
    """Measure a set, or without a path the marked questions."""
    from kb.cli.print_json import print_json
    from kb.cli.rendering.evaluations import outcomes_to_json, show_outcomes
    from kb.evaluation.marked_questions import read_marked_questions
    from kb.evaluation.search_evaluation import evaluate_profiles, read_questions

    read = read_questions(path) if path else None
    with open_knowledge_base(config) as knowledge_base, show_steps() as show:
        used = knowledge_base.components
        labelled = read or read_marked_questions(used.engine, used.registry)
        outcomes = evaluate_profiles(knowledge_base, labelled, plan, show)
    if as_json:
        model = knowledge_base.components.collection.embedding_model
        print_json(outcomes_to_json(labelled, model, plan.k, outcomes))
    else:
        show_outcomes(OUT, labelled, plan.k, outcomes)
    if plan.no_worse:
        _exit_if_worse(outcomes)


def _exit_if_worse(outcomes: "Sequence[Outcome]") -> None:
    """End with an exit code when a profile finds less than in its last run."""
    fallen = [outcome for outcome in outcomes if (outcome.difference or 0) < 0]
    for outcome in fallen:
        assert outcome.comparison  # noqa: S101 - of which the difference is
        told = gettext("{profile} finds less than in {run}: nDCG {difference:+.3f} ({n} questions)")
        words = told.format(
            profile=outcome.profile,
            run=outcome.comparison.against,
            difference=outcome.comparison.difference,
            n=outcome.comparison.questions,
        )
        say(words, "red")
    if fallen:
        raise typer.Exit(ExitCode.FAILED)


def _evaluate_sql(
    path: Path, config: Path | None, *, gold: bool, limit: int | None, save: bool, as_json: bool
) -> None:
    from kb.cli.print_json import print_json
    from kb.cli.rendering.sql_evaluations import show_sql_outcome, sql_outcome_to_json
    from kb.evaluation.sql_evaluation import SQLPlan, evaluate_sql
    from kb.evaluation.sql_questions import read_sql_questions

    asked = read_sql_questions(path)
    with open_knowledge_base(config) as knowledge_base, show_steps() as show:
        outcome = evaluate_sql(knowledge_base, asked, SQLPlan(gold, limit, save), show)
    if as_json:
        print_json(sql_outcome_to_json(asked, outcome))
    else:
        show_sql_outcome(OUT, asked, outcome)


def _show_history(path: Path | None, config: Path | None, *, as_json: bool) -> None:
    from kb.cli.print_json import print_json
    from kb.cli.rendering.evaluations import runs_to_json, show_runs
    from stores.evaluations import Evaluations

    set_name = None
    if path:
        set_name = path.stem if path.suffix in {".yaml", ".yml", ".jsonl"} else path.name
    with open_knowledge_base(config) as knowledge_base:
        runs = Evaluations(knowledge_base.components.engine).list_runs(set_name)
    if as_json:
        print_json(runs_to_json(runs))
    else:
        show_runs(OUT, runs)


def _show_live(days: int, config: Path | None, *, as_json: bool) -> None:
    from dataclasses import asdict

    from kb.assembly.experiments import live_report
    from kb.cli.print_json import print_json
    from kb.cli.rendering.profiles_in_use import show_live

    with open_knowledge_base(config) as knowledge_base:
        report = live_report(knowledge_base.components.engine, days)
    if as_json:
        print_json(asdict(report))
    else:
        show_live(OUT, report)
