"""Options that several commands take."""

from pathlib import Path
from typing import Annotated

import typer

from kb.filter_options import parsed


def _chosen_config(context: typer.Context, path: Path | None) -> Path | None:
    """The file named after the command, or else before it."""
    before: Path | None = context.find_root().params.get("config")
    return path or before


def _checked_filters(filters: list[str] | None) -> list[str]:
    for each in filters or []:
        if parsed(each) is None:
            raise typer.BadParameter(
                f"{each!r} is not KEY=VALUE, KEY!=VALUE, KEY>=VALUE or KEY~TEXT"
            )
    return filters or []


def _not_blank(question: str) -> str:
    if not question.strip():
        raise typer.BadParameter("it is empty")
    return question


ConfigPath = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="PATH",
        callback=_chosen_config,
        help="The configuration.  [default: ./config.yaml]",
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print JSON on standard output, and nothing else there.")
]
Question = Annotated[str, typer.Argument(metavar="QUESTION", callback=_not_blank)]
TopK = Annotated[
    int | None,
    typer.Option(
        "--top-k",
        metavar="N",
        min=1,
        help="How many passages.  [default: retrieval.top_k of the configuration]",
    ),
]
Profile = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="NAME",
        help="The search profile.  [default: retrieval.profile of the configuration]",
    ),
]
Explain = Annotated[
    bool, typer.Option("--explain", help="Show how the question was understood and searched for.")
]
Filters = Annotated[
    list[str] | None,
    typer.Option(
        "--filter",
        metavar="KEY=VALUE",
        callback=_checked_filters,
        help="Only passages whose metadata match; also !=, >=, <=, >, < and KEY~TEXT for a part "
        "of a text. May be repeated.",
    ),
]
