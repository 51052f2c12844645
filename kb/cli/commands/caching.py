"""The commands `kb cache show` and `clear`."""

from dataclasses import asdict
from typing import Annotated

import typer

from kb.cli.language import gettext
from kb.cli.opening import open_only_database
from kb.cli.options import AsJson, ConfigPath
from kb.cli.terminal import OUT, say

cache = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="See and empty what is kept for the next time.",
)


@cache.command("show")
def show_caches(as_json: AsJson = False, config: ConfigPath = None) -> None:
    """Show what is kept, where, and how much of it there is.

    What each process keeps for itself, `GET /api/caches` of a server says, with the lookups.

    \b
    kb cache show
    kb cache show --json
    """
    from kb.assembly.caching import describe_caches, open_caches
    from kb.cli.print_json import print_json
    from kb.cli.rendering.caches import show_descriptions

    with open_only_database(config) as (engine, loaded):
        caches = open_caches(engine, loaded.caches)
        described = [asdict(each) for each in describe_caches(caches, loaded.caches)]
        caches.close()
    for each in described:
        if each["place"] == "process":
            each["values"] = each["bytes"] = None
        del each["hits"], each["misses"]
    if as_json:
        print_json(described)
    else:
        show_descriptions(OUT, described)


@cache.command("clear")
def clear_caches(
    kinds: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KIND", help="embeddings, results, replies or rows.  [default: all]"
        ),
    ] = None,
    config: ConfigPath = None,
) -> None:
    """Forget what is kept in the database or in Redis; the next who asks has it made anew.

    \b
    kb cache clear
    kb cache clear replies
    """
    from kb.assembly.caching import open_caches

    with open_only_database(config) as (engine, loaded):
        caches = open_caches(engine, loaded.caches)
        known = {each.kind: each for each in caches}
        if unknown := sorted({*(kinds or ())} - known.keys()):
            message = gettext("{kind} is not kept here; {known} are.")
            raise typer.BadParameter(
                message.format(kind=unknown[0], known=", ".join(known) or "-"), param_hint="'KIND'"
            )
        for kind in kinds or known:
            if known[kind].place.name == "process":
                text = gettext("{kind}: each process keeps its own, until it ends.")
            else:
                known[kind].place.clear()
                text = gettext("{kind}: nothing is kept any more.")
            say(text.format(kind=kind))
        caches.close()
