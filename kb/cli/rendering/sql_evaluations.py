"""What the SQL of a model was worth, as people and as programs read it."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from kb.cli.language import gettext, translate_message
from kb.cli.terminal import fit_on_one_line
from kb.evaluation.sql_evaluation import SQLAnswer, SQLOutcome
from kb.evaluation.sql_questions import SQLSet
from stores.text.translations import Message

_LABELS = {
    "right": Message("right"),
    "order": Message("right, in another order"),
    "subset": Message("right, with more columns"),
    "wrong": Message("wrong"),
    "refused": Message("refused by the guard"),
    "failed": Message("failed"),
    "no_answer": Message("no SQL"),
}


def show_sql_outcome(console: Console, asked: SQLSet, outcome: SQLOutcome) -> None:
    figures = outcome.figures
    heading = gettext("{name}: {questions} questions, {model}").format(
        name=fit_on_one_line(asked.name), questions=figures["questions"], model=outcome.model
    )
    console.print(Text(heading, "bold"))
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column()
    table.add_column(justify="right")
    for name, label in _LABELS.items():
        table.add_row(translate_message(label), str(figures[name]))
    table.add_row(gettext("share right"), f"{figures['share_right']:.3f}")
    table.add_row(gettext("repairs"), str(figures["repairs"]))
    table.add_row(gettext("p50, ms"), f"{figures['p50_ms']:.1f}")
    table.add_row(gettext("p95, ms"), f"{figures['p95_ms']:.1f}")
    if outcome.run:
        table.add_row(gettext("stored as run"), str(outcome.run))
    console.print(table)
    _show_misses(console, [answer for answer in outcome.answers if answer.verdict != "right"])


def _show_misses(console: Console, misses: Sequence[SQLAnswer]) -> None:
    for miss in misses:
        verdict = translate_message(_LABELS[miss.verdict])
        console.print()
        console.print(Text(f"{miss.id}: {verdict}", "bold"))
        for line in (miss.question, miss.sql, miss.error):
            if line:
                console.print(Text(fit_on_one_line(line)), soft_wrap=True)


def sql_outcome_to_json(asked: SQLSet, outcome: SQLOutcome) -> dict[str, Any]:
    return {"set": asked.name, "set_hash": asked.digest, **asdict(outcome)}
