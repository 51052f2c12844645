"""The commands `kb stats` and `kb cost`."""

import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from kb.cli.language import gettext
from kb.cli.opening import open_only_database
from kb.cli.options import AsJson, ConfigPath
from kb.cli.terminal import OUT

_COLUMNS: Final = (
    *("day", "key", "purpose", "kind", "model", "calls", "unpriced", "estimated"),
    *("prompt_tokens", "completion_tokens", "cached_tokens", "milliseconds", "cost", "currency"),
)
Days = Annotated[
    int, typer.Option(metavar="N", min=1, max=3_650, help="How many days, today included.")
]


def stats(days: Days = 7, as_json: AsJson = False, config: ConfigPath = None) -> None:
    """Show how quick answers were, and what failed.

    \b
    kb stats
    kb stats --days 30 --json
    """
    from kb.cli.print_json import print_json
    from kb.cli.rendering.statistics import show_statistics
    from kb.statistics import read_statistics

    with open_only_database(config) as (engine, _):
        told = read_statistics(engine, days)
    if as_json:
        print_json(told)
    else:
        show_statistics(OUT, told, days)


def cost(
    days: Days = 31,
    csv: Annotated[
        bool, typer.Option("--csv", help="Print each day, key and model as CSV.")
    ] = False,
    estimate: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="What N questions would cost instead, if they are as those of these days.",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="With --estimate: by this language model, by its price."),
    ] = None,
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Show what models took and cost, by day, model and key.

    Prices are those of the file that cost.prices names. Models that kb runs itself cost nothing; of
    any other without a price, the cost is unknown.

    \b
    kb cost
    kb cost --days 90 --csv
    kb cost --estimate 10000 --model gpt-4.1
    """
    from kb.cli.print_json import print_json
    from kb.cli.rendering.statistics import show_costs
    from kb.csv_text import as_csv
    from kb.statistics import read_costs

    if csv and as_json:
        raise typer.BadParameter(gettext("it goes without --json"), param_hint="'--csv'")
    if model and not estimate:
        raise typer.BadParameter(gettext("it goes with --estimate"), param_hint="'--model'")
    if estimate:
        if csv:
            raise typer.BadParameter(gettext("it goes without --estimate"), param_hint="'--csv'")
        _estimate(estimate, days, model, config, as_json=as_json)
        return
    with open_only_database(config) as (engine, loaded):
        told = read_costs(engine, loaded, days)
    if as_json:
        print_json(told)
    elif csv:
        rows = ([use[column] for column in _COLUMNS] for use in told["uses"])
        sys.stdout.write(as_csv(_COLUMNS, rows, escape_formulas=True))
    else:
        show_costs(OUT, told)


def _estimate(
    questions: int, days: int, model: str | None, config: Path | None, *, as_json: bool
) -> None:
    from kb.cli.print_json import print_json
    from kb.cli.rendering.statistics import show_estimate
    from kb.statistics import estimate_costs

    with open_only_database(config) as (engine, loaded):
        told = estimate_costs(engine, loaded, questions, days, model)
    if as_json:
        print_json(told)
    else:
        show_estimate(OUT, told)
