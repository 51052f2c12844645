"""The commands `kb import-from langchain`, `llamaindex` and `haystack`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kb.cli.language import gettext
from kb.cli.opening import open_knowledge_base
from kb.cli.options import AsJson, ConfigPath
from kb.cli.program import ExitCode
from kb.cli.terminal import ERR, OUT, say

if TYPE_CHECKING:
    from stores.moves.foreign_tables import Framework

import_from = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Take in the tables of other frameworks' MariaDB integrations.",
)
Url = Annotated[
    str,
    typer.Argument(
        metavar="URL",
        envvar="KB_IMPORT_URL",
        show_envvar=False,
        help="The database of the table; else that of KB_IMPORT_URL, which no list of processes "
        "shows.",
    ),
]
Root = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="The root of its documents.  [default: the name of the table]"
    ),
]
SameModel = Annotated[
    bool,
    typer.Option(
        "--same-model", help="Keep the vectors, which are of the embedding model of config.yaml."
    ),
]
EmbedAgain = Annotated[
    bool, typer.Option("--embed-again", help="Embed all texts with the model of config.yaml.")
]


@import_from.command()
def langchain(
    url: Url,
    table: Annotated[
        str, typer.Option(metavar="NAME", help="The table of its embeddings.")
    ] = "langchain_embedding",
    collection: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Which of its collections.  [default: the only one there is]"
        ),
    ] = None,
    collections: Annotated[
        str, typer.Option(metavar="NAME", help="The table of its collections.")
    ] = "langchain_collection",
    root: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="The root of its documents.  [default: the name of the collection]"
        ),
    ] = None,
    same_model: SameModel = False,
    embed_again: EmbedAgain = False,
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Take in a collection of langchain-mariadb, whose rows with one source are one document.

    Its tables are only read. What is there already is left, so that it can run again.

    \b
    kb import-from langchain mariadb+mariadbconnector://reader:secret@host/app --same-model
    kb import-from langchain mariadb+mariadbconnector://host/app --collection b --embed-again
    """
    _take_in_table("langchain", url, table, root, same_model, embed_again, as_json, config,
            collection, collections)  # fmt: skip


@import_from.command()
def llamaindex(
    url: Url,
    table: Annotated[
        str, typer.Option(metavar="NAME", help="The table of its nodes.")
    ] = "llamaindex",
    root: Root = None,
    same_model: SameModel = False,
    embed_again: EmbedAgain = False,
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Take in a table of llama-index-vector-stores-mariadb, whose nodes of one document are one.

    Its table is only read. What is there already is left, so that it can run again.

    \b
    kb import-from llamaindex mariadb+mariadbconnector://reader:secret@host/app --same-model
    """
    _take_in_table("llamaindex", url, table, root, same_model, embed_again, as_json, config)


@import_from.command()
def haystack(
    url: Url,
    table: Annotated[
        str, typer.Option(metavar="NAME", help="The table of its documents.")
    ] = "haystack_documents",
    root: Root = None,
    same_model: SameModel = False,
    embed_again: EmbedAgain = False,
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Take in a table of mariadb-haystack, whose pieces of one document are one.

    Its table is only read. What is there already is left, so that it can run again.

    \b
    kb import-from haystack mariadb+mariadbconnector://reader:secret@host/app --same-model
    """
    _take_in_table("haystack", url, table, root, same_model, embed_again, as_json, config)


def _take_in_table(
    framework: "Framework",
    url: str,
    table: str,
    root: str | None,
    same_model: bool,
    embed_again: bool,
    as_json: bool,
    config: Path | None,
    collection: str | None = None,
    collections: str = "",
) -> None:
    if same_model == embed_again:
        raise typer.BadParameter(
            gettext(
                "say with which model the texts are found: --same-model keeps the vectors of the "
                "table, --embed-again makes them anew"
            )
        )
    from kb.answer_json import report_to_values
    from kb.cli.commands.indexing import keep_what_was_indexed
    from kb.cli.print_json import print_json
    from kb.cli.rendering.progress import show_index_progress
    from kb.cli.rendering.state import show_report
    from stores.moves.foreign_tables import open_foreign_table

    foreign = open_foreign_table(
        url, framework, table, collection=collection, collections_table=collections
    )
    try:
        with (
            open_knowledge_base(config) as knowledge_base,
            keep_what_was_indexed(),
            show_index_progress(ERR) as show,
        ):
            report = knowledge_base.add_rows(
                foreign, root=root, same_model=same_model, on_progress=show, say=say
            )
    finally:
        foreign.engine.dispose()
    if as_json:
        print_json(report_to_values(report))
    else:
        show_report(OUT, report)
    if report.has_new_failures:
        raise typer.Exit(ExitCode.PARTLY_DONE)
