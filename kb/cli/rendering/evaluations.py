"""Evaluations, as people and as programs read them."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from kb.cli.language import gettext
from kb.cli.rendering.layout import format_p_value, make_table
from kb.cli.terminal import fit_on_one_line
from kb.evaluation.labelled import LabelledSet
from kb.evaluation.summary import Figures, Outcome
from stores.evaluations import StoredRun
from stores.text.translations import gettext_noop

_SHARES = {
    "ndcg": gettext_noop("nDCG@{k}"),
    "recall": gettext_noop("recall@{k}"),
    "mrr": gettext_noop("MRR@{k}"),
    "hit@1": gettext_noop("hit@1"),
    "hit@5": gettext_noop("hit@5"),
    "answer@1": gettext_noop("answer in the first sentence"),
    "answer@3": gettext_noop("answer in three sentences"),
    "abstained": gettext_noop("unanswerable: not answered"),
    "refused": gettext_noop("answerable: not answered"),
}
_TIMES = {"p50_ms": gettext_noop("search p50, ms"), "p95_ms": gettext_noop("search p95, ms")}


def show_outcomes(
    console: Console, labelled: LabelledSet, k: int, outcomes: Sequence[Outcome]
) -> None:
    """Show the profiles side by side for all questions, then for each language."""
    asked = outcomes[0].figures
    name, questions = fit_on_one_line(labelled.name), asked["questions"]
    if unanswerable := asked["unanswerable"]:
        heading = gettext("{name}: {questions} questions, {n} without an answer").format(
            name=name, questions=questions, n=unanswerable
        )
    else:
        heading = gettext("{name}: {questions} questions").format(name=name, questions=questions)
    console.print(Text(heading, "bold"))
    table = _make_comparison_table(k, outcomes, [outcome.figures for outcome in outcomes])
    _add_comparisons(table, outcomes)
    _add_row(table, gettext("stored as run"), [str(outcome.run or "") for outcome in outcomes])
    console.print(table)
    for language in outcomes[0].by_language:
        of_language = [outcome.by_language[language] for outcome in outcomes]
        console.print()
        heading = gettext("{name}: {questions} questions").format(
            name=language, questions=of_language[0]["questions"]
        )
        console.print(Text(heading, "bold"))
        console.print(_make_comparison_table(k, outcomes, of_language))


def _make_comparison_table(
    k: int, outcomes: Sequence[Outcome], figures: Sequence[Figures]
) -> Table:
    table = make_table()
    table.add_column("")
    for outcome in outcomes:
        table.add_column(Text(fit_on_one_line(outcome.profile)), justify="right")
    for names, digits in ((_SHARES, 3), (_TIMES, 1)):
        for name in names:
            _add_row(
                table,
                gettext(names[name]).format(k=k),
                [_format_figure(outcome[name], digits) for outcome in figures],
            )
    return table


def _add_comparisons(table: Table, outcomes: Sequence[Outcome]) -> None:
    against = next((outcome.comparison.against for outcome in outcomes if outcome.comparison), "")
    differences, p_values = [], []
    for outcome in outcomes:
        comparison = outcome.comparison
        differences.append(f"{comparison.difference:+.3f}" if comparison else "")
        p_values.append(format_p_value(comparison.p_value) if comparison else "")
    _add_row(table, gettext("nDCG against {other}").format(other=against), differences)
    _add_row(table, gettext("p (paired)"), p_values)


def _add_row(table: Table, label: str, cells: Sequence[str]) -> None:
    if any(cells):
        table.add_row(label, *cells)


def _format_figure(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def show_runs(console: Console, runs: Iterable[StoredRun]) -> None:
    table = make_table(
        gettext("Run"),
        gettext("When (UTC)"),
        gettext("Set"),
        gettext("Profile"),
        gettext("Model"),
        "k",
        gettext("Questions"),
        "nDCG",
        gettext("hit@5"),
        gettext("right"),
    )
    for stored in runs:
        run = stored.run
        table.add_row(
            str(stored.number),
            stored.created_at.isoformat(" ", "minutes"),
            Text(fit_on_one_line(run.set_name)),
            Text(fit_on_one_line(run.profile)),
            Text(fit_on_one_line(run.settings.get("llm") or run.embedding_model)),
            str(run.cutoff or ""),
            str(run.metrics["questions"]),
            *(
                _format_figure(run.metrics.get(name), 3)
                for name in ("ndcg", "hit@5", "share_right")
            ),
        )
    console.print(table)


def outcomes_to_json(
    labelled: LabelledSet, embedding_model: str, k: int, outcomes: Iterable[Outcome]
) -> dict[str, Any]:
    return {
        "set": labelled.name,
        "set_hash": labelled.digest,
        "embedding": embedding_model,
        "k": k,
        "profiles": [asdict(outcome) for outcome in outcomes],
    }


def runs_to_json(runs: Iterable[StoredRun]) -> list[dict[str, Any]]:
    return [
        {"run": stored.number, "created": stored.created_at, **vars(stored.run)} for stored in runs
    ]
