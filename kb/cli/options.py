"""The options that several commands take."""

from pathlib import Path
from typing import Annotated

import typer

from kb.cli.language import gettext
from kb.filter_options import parse_filter


def _choose_config(context: typer.Context, path: Path | None) -> Path | None:
    """Return the file that --config names after the command, or else before it."""
    return path or context.find_root().params.get("config")


def _check_filters(filters: list[str] | None) -> list[str]:
    for text in filters or []:
        if parse_filter(text) is None:
            wrong = gettext("{text!r} is not KEY=VALUE, KEY!=VALUE, KEY>=VALUE or KEY~TEXT")
            raise typer.BadParameter(wrong.format(text=text))
    return filters or []


def _check_not_blank(question: str) -> str:
    if not question.strip():
        raise typer.BadParameter(gettext("it is empty"))
    return question


ConfigPath = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="PATH",
        callback=_choose_config,
        help="The configuration.  [default: ./config.yaml]",
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print JSON on standard output, and nothing else there.")
]
Question = Annotated[str, typer.Argument(metavar="QUESTION", callback=_check_not_blank)]
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
ModelChoice = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="NAME",
        help="The language model, by its name in llm.choices.  [default: that of llm]",
    ),
]
Exact = Annotated[
    bool,
    typer.Option(
        "--exact/--no-exact",
        help="Whether passages must hold what is quoted, or are only favoured for it.",
    ),
]
NoCache = Annotated[
    bool,
    typer.Option("--no-cache", help="Make everything anew, and nothing from what was kept."),
]
Explain = Annotated[
    bool, typer.Option("--explain", help="Show how the question was understood and searched for.")
]
Filters = Annotated[
    list[str] | None,
    typer.Option(
        "--filter",
        metavar="KEY=VALUE",
        callback=_check_filters,
        help="Only passages whose metadata match; also !=, >=, <=, >, < and KEY~TEXT for a part "
        "of a text. May be repeated.",
    ),
]
