"""The command `kb bench models`."""

import sys
from dataclasses import asdict, astuple, fields
from pathlib import Path
from typing import Annotated

import typer

from kb.cli.language import gettext
from kb.cli.opening import open_knowledge_base
from kb.cli.options import AsJson, ConfigPath
from kb.cli.rendering.progress import show_steps
from kb.cli.terminal import OUT

bench = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@bench.callback()
def _measure() -> None:
    """Compare what is configured, by measuring it."""


@bench.command()
def models(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="PATH",
            help="Labelled questions about the indexed documents, as `kb eval` takes them.",
        ),
    ],
    limit: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Ask at most N questions, evenly spread.")
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Ask the same questions of llm and of each model of llm.fallback.

    \b
    kb bench models questions.yaml
    kb bench models questions.yaml --limit 20 --csv
    """
    from kb.cli.print_json import print_json
    from kb.cli.rendering.model_figures import show_model_figures
    from kb.csv_text import as_csv
    from kb.evaluation.model_benchmark import ModelFigures, compare_models
    from kb.evaluation.own_questions import read_own_questions

    if csv and as_json:
        raise typer.BadParameter(gettext("it goes without --json"), param_hint="'--csv'")
    labelled = read_own_questions(path)
    with open_knowledge_base(config) as knowledge_base, show_steps() as show:
        figures = compare_models(knowledge_base, labelled, limit, show)
    if as_json:
        print_json([asdict(one) for one in figures])
    elif csv:
        columns = [field.name for field in fields(ModelFigures)]
        sys.stdout.write(as_csv(columns, map(astuple, figures), escape_formulas=True))
    else:
        show_model_figures(OUT, labelled.name, figures)
