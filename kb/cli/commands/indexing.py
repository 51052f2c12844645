"""The command `kb index`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kb.cli.language import gettext
from kb.cli.opening import open_knowledge_base
from kb.cli.options import AsJson, ConfigPath
from kb.cli.program import ExitCode
from kb.cli.terminal import ERR, OUT, say

if TYPE_CHECKING:
    from kb.app import KnowledgeBase
    from kb.indexing.report import IndexReport


def index(
    path: Annotated[
        Path | None,
        typer.Argument(
            metavar="PATH",
            exists=True,
            help="A directory or a file.  [default: documents.path of the configuration]",
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="What to call the directory.  [default: its own name]"),
    ] = None,
    prune: Annotated[
        bool, typer.Option("--prune/--no-prune", help="Remove documents whose files are gone.")
    ] = False,
    retry: Annotated[
        bool,
        typer.Option("--retry/--no-retry", help="Read what failed before, though it is unchanged."),
    ] = False,
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Index a directory: what is new or changed, and nothing twice.

    A file that cannot be read never stops the run: it is listed at the end with its reason, read
    again when it has changed, and the exit code is 3, unless an earlier run has told the same.
    Files that hold keys or passwords, as the configuration does, are passed over, and so are
    pictures, programs and folders that tools make.

    \b
    kb index ~/handbook
    kb index ~/handbook --prune         also forget files that are gone
    kb index ~/work/docs --name work    when two directories have the same name
    """
    from kb.answer_json import report_values
    from kb.cli.print_json import print_json
    from kb.cli.rendering.state import show_report

    with open_knowledge_base(config) as knowledge_base:
        report = index_with_progress(knowledge_base, path, name=name, prune=prune, retry=retry)
    if as_json:
        print_json(report_values(report))
    else:
        show_report(OUT, report)
    if report.has_new_failures:
        raise typer.Exit(ExitCode.PARTLY_DONE)


def index_with_progress(
    knowledge_base: "KnowledgeBase",
    path: Path | None = None,
    *,
    name: str | None = None,
    prune: bool = False,
    retry: bool = False,
) -> "IndexReport":
    """Index a directory, by default that of the configuration, and show how far it is."""
    from kb.cli.rendering.progress import show_index_progress
    from kb.indexing.indexing_run import Scope

    if directory := path or knowledge_base.config.documents.path:
        say(gettext("Indexing {directory}").format(directory=directory))
    try:
        with show_index_progress(ERR) as show:
            return knowledge_base.index(
                path,
                name=name,
                prune=prune,
                scope=Scope(retry=retry),
                on_progress=show,
                say=say,
            )
    except KeyboardInterrupt:
        say(gettext("What was indexed so far is kept; the next run goes on from there."))
        raise
