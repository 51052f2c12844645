"""Evaluations, as people and as programs read them."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from kb.cli.terminal import one_line
from kb.evaluation.labelled import LabelledSet
from kb.evaluation.summary import Comparison, Figures, Outcome
from stores.evaluations import StoredRun

_SIGNIFICANT = 0.05
_SHARES = {
    "ndcg": "nDCG@{k}",
    "recall": "recall@{k}",
    "mrr": "MRR@{k}",
    "hit@1": "hit@1",
    "hit@5": "hit@5",
    "answer@1": "answer in the first sentence",
    "answer@3": "answer in three sentences",
    "abstained": "unanswerable: not answered",
    "refused": "answerable: not answered",
}
_HISTORY = (
    *("Run", "When (UTC)", "Set", "Profile", "Model", "k", "Questions"),
    *("nDCG", "hit@5", "right"),
)
_TIMES = {"p50_ms": "search p50, ms", "p95_ms": "search p95, ms"}


def show_outcomes(
    console: Console, labelled: LabelledSet, k: int, outcomes: Sequence[Outcome]
) -> None:
    """The profiles side by side, then each language."""
    asked = outcomes[0].figures
    heading = f"{one_line(labelled.name)}: {asked['questions']} questions"
    if asked["unanswerable"]:
        heading += f", {asked['unanswerable']} without an answer"
    console.print(Text(heading, "bold"))
    table = _side_by_side(k, outcomes, [each.figures for each in outcomes])
    _add_comparisons(table, outcomes)
    _add_row(table, "stored as run", [str(each.run or "") for each in outcomes])
    console.print(table)
    for language in outcomes[0].by_language:
        of_language = [each.by_language[language] for each in outcomes]
        console.print()
        console.print(Text(f"{language}: {of_language[0]['questions']} questions", "bold"))
        console.print(_side_by_side(k, outcomes, of_language))


def _side_by_side(k: int, outcomes: Sequence[Outcome], figures: Sequence[Figures]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("")
    for each in outcomes:
        table.add_column(Text(one_line(each.profile)), justify="right")
    for names, digits in ((_SHARES, 3), (_TIMES, 1)):
        for name, label in names.items():
            _add_row(table, label.format(k=k), [_number(each[name], digits) for each in figures])
    return table


def _add_comparisons(table: Table, outcomes: Sequence[Outcome]) -> None:
    compared = [each.comparison for each in outcomes]
    against = next((each.against for each in compared if each), "")
    label = f"nDCG against {against}"
    _add_row(table, label, [f"{each.difference:+.3f}" if each else "" for each in compared])
    _add_row(table, "p (paired)", [_p_value(each) if each else "" for each in compared])


def _add_row(table: Table, label: str, cells: Sequence[str]) -> None:
    if any(cells):
        table.add_row(label, *cells)


def _p_value(comparison: Comparison) -> str:
    mark = "*" if comparison.p_value < _SIGNIFICANT else ""
    return f"{comparison.p_value:.4f}{mark}"


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def show_history(console: Console, runs: Iterable[StoredRun]) -> None:
    table = Table(*_HISTORY, box=None, header_style="bold", pad_edge=False)
    for each in runs:
        run = each.run
        table.add_row(
            str(each.number),
            each.created_at.isoformat(" ", "minutes"),
            Text(one_line(run.set_name)),
            Text(one_line(run.profile)),
            Text(one_line(run.settings.get("llm") or run.embedding_model)),
            str(run.cutoff or ""),
            str(run.metrics["questions"]),
            *(_number(run.metrics.get(name), 3) for name in ("ndcg", "hit@5", "share_right")),
        )
    console.print(table)


def outcome_values(
    labelled: LabelledSet, embedding_model: str, k: int, outcomes: Iterable[Outcome]
) -> dict[str, Any]:
    return {
        "set": labelled.name,
        "set_hash": labelled.digest,
        "embedding": embedding_model,
        "k": k,
        "profiles": [asdict(each) for each in outcomes],
    }


def history_values(runs: Iterable[StoredRun]) -> list[dict[str, Any]]:
    return [{"run": each.number, "created": each.created_at, **vars(each.run)} for each in runs]
