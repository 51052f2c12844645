"""What the SQL of a model was worth, as people and as programs read it."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from kb.cli.terminal import fit_on_one_line
from kb.evaluation.sql_evaluation import SQLAnswer, SQLOutcome
from kb.evaluation.sql_questions import SQLSet

_LABELS = {
    "right": "right",
    "order": "right, in another order",
    "subset": "right, with more columns",
    "wrong": "wrong",
    "refused": "refused by the guard",
    "failed": "failed",
    "no_answer": "no SQL",
}


def show_sql_outcome(console: Console, asked: SQLSet, outcome: SQLOutcome) -> None:
    figures = outcome.figures
    heading = f"{fit_on_one_line(asked.name)}: {figures['questions']} questions, {outcome.model}"
    console.print(Text(heading, "bold"))
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column()
    table.add_column(justify="right")
    for name, label in _LABELS.items():
        table.add_row(label, str(figures[name]))
    table.add_row("share right", f"{figures['share_right']:.3f}")
    table.add_row("repairs", str(figures["repairs"]))
    table.add_row("p50, ms", f"{figures['p50_ms']:.1f}")
    table.add_row("p95, ms", f"{figures['p95_ms']:.1f}")
    if outcome.run:
        table.add_row("stored as run", str(outcome.run))
    console.print(table)
    _show_misses(console, [answer for answer in outcome.answers if answer.verdict != "right"])


def _show_misses(console: Console, misses: Sequence[SQLAnswer]) -> None:
    for miss in misses:
        console.print()
        console.print(Text(f"{miss.id}: {_LABELS[miss.verdict]}", "bold"))
        for line in (miss.question, miss.sql, miss.error):
            if line:
                console.print(Text(fit_on_one_line(line)), soft_wrap=True)


def sql_outcome_to_json(asked: SQLSet, outcome: SQLOutcome) -> dict[str, Any]:
    return {"set": asked.name, "set_hash": asked.digest, **asdict(outcome)}
