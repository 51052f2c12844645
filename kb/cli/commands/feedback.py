"""The command `kb feedback`."""

from typing import TYPE_CHECKING, Annotated

import typer

from kb.cli.language import gettext
from kb.cli.opening import open_knowledge_base
from kb.cli.options import AsJson, ConfigPath
from kb.cli.terminal import OUT, fit_on_one_line

if TYPE_CHECKING:
    from stores.searches.search_log import KnownSearch, Rating


def feedback(
    search: Annotated[str, typer.Argument(metavar="SEARCH", help="The id of a search, or `last`.")],
    up: Annotated[
        bool | None, typer.Option("--up/--down", help="Whether it helped.", show_default=False)
    ] = None,
    comment: Annotated[str, typer.Option(metavar="TEXT", help="Why.", show_default=False)] = "",
    clicked: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="The number of the passage that was opened."),
    ] = None,
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Say whether a search or an answer helped.

    `kb eval --live` shows what people say, profile by profile.

    \b
    kb feedback last --up
    kb feedback 4f2a90c1d7b3 --down --comment "the old price list"
    kb feedback last --clicked 2
    """
    if up is None and not comment and clicked is None:
        raise typer.BadParameter(gettext("say --up, --down, --comment or --clicked"))
    rating: Rating | None = None if up is None else 1 if up else -1
    with open_knowledge_base(config) as knowledge_base:
        from stores.searches.search_log import SearchLog

        log = SearchLog(knowledge_base.components.engine)
        known = log.find_last() if search == "last" else log.find(search)
        knowledge_base.feedback(known.id, rating=rating, comment=comment, clicked=clicked)
    values = {"search": known.id, "rating": rating, "comment": comment, "clicked": clicked}
    if as_json:
        from kb.cli.print_json import print_json

        print_json({**values, "profile": known.profile})
    else:
        OUT.print(_describe_noted_search(known), soft_wrap=True)


def _describe_noted_search(search: "KnownSearch") -> str:
    noted = (
        gettext("Noted for search {id} of {when} UTC, “{question}”, profile {profile}.")
        if search.question
        else gettext("Noted for search {id} of {when} UTC, profile {profile}.")
    )
    return noted.format(
        id=search.id,
        when=search.searched_at.isoformat(" ", "seconds"),
        question=fit_on_one_line(search.question or ""),
        profile=search.profile,
    )
