"""What language models were worth, side by side, as people read it."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from kb.cli.language import gettext, ngettext
from kb.cli.terminal import fit_on_one_line
from kb.evaluation.model_benchmark import ModelFigures


def show_model_figures(console: Console, name: str, figures: Sequence[ModelFigures]) -> None:
    """Show a column for each model; what is not known is a dash."""
    asked = figures[0].questions
    heading = ngettext("{name}: {n} question", "{name}: {n} questions", asked)
    console.print(Text(heading.format(name=fit_on_one_line(name), n=asked), "bold"))
    rows = {
        gettext("right"): ("right", ".3f"),
        gettext("cites a right document"): ("cited", ".3f"),
        gettext("unanswerable: nothing cited"): ("refused", ".3f"),
        gettext("failed"): ("failed", "d"),
        gettext("cold start, s"): ("cold_start", ".1f"),
        gettext("first word p50, s"): ("first_word", ".2f"),
        gettext("whole answer p50, s"): ("whole_answer", ".2f"),
        gettext("tokens a second"): ("tokens_per_second", ".1f"),
        gettext("tokens of prompts"): ("prompt_tokens", "d"),
        gettext("tokens of answers"): ("completion_tokens", "d"),
        gettext("memory, MB"): ("memory", ".0f"),
        gettext("cost"): ("cost", ".4f"),
    }
    table = Table(box=None, pad_edge=False)
    table.add_column()
    for one in figures:
        table.add_column(fit_on_one_line(one.model), justify="right")
    for label, (field, form) in rows.items():
        values = (getattr(one, field) for one in figures)
        table.add_row(label, *("-" if value is None else format(value, form) for value in values))
    console.print(table)
