"""The commands `kb documents list`, `show`, `groups`, `remove`, `retry` and `forget`."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kb.cli.commands.indexing import keep_what_was_indexed
from kb.cli.language import gettext, ngettext
from kb.cli.opening import open_knowledge_base, open_only_database
from kb.cli.options import AsJson, ConfigPath
from kb.cli.program import ExitCode
from kb.cli.terminal import ERR, OUT, fit_on_one_line, say

if TYPE_CHECKING:
    from kb.catalogue import Catalogue

documents = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="List, show, remove and retry what is indexed, and for whom.",
)
_MOST = 1_000_000

Root = Annotated[
    str | None, typer.Option("--root", metavar="NAME", help="Only those of this root.")
]
Name = Annotated[
    str, typer.Argument(metavar="DOCUMENT", help="As it is listed: handbook/policies/returns.md")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@documents.command("list")
def list_documents(
    root: Root = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="Only those that could not be read.")
    ] = False,
    search: Annotated[
        str | None,
        typer.Option(metavar="WORDS", help="Only those with this in the path or the title."),
    ] = None,
    limit: Annotated[
        int, typer.Option(metavar="N", min=1, max=_MOST, help="At most so many.")
    ] = 100,
    offset: Annotated[
        int, typer.Option(metavar="N", min=0, max=10**9, help="Leave out so many before them.")
    ] = 0,
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """List the documents by their names, with what went wrong.

    \b
    kb documents list
    kb documents list --root handbook --failed
    """
    with open_only_database(config) as (engine, _):
        from stores.registry.document_list import DocumentList

        page, total = DocumentList(engine).list_page(
            status="failed" if failed else None,
            roots=None if root is None else [root],
            search=search,
            offset=offset,
            limit=limit,
        )
    if as_json:
        from kb.cli.print_json import print_json

        listed = [asdict(document) for document in page]
        print_json({"documents": listed, "total": total, "offset": offset})
    else:
        from kb.cli.rendering.documents import show_documents

        show_documents(OUT, page, total, offset)


@documents.command()
def show(name: Name, as_json: AsJson = False, config: ConfigPath = None) -> None:
    """Show what is known of a document, and its passages as they are searched."""
    with _open_catalogue(config) as catalogue:
        shown = catalogue.show_document(name)
    if as_json:
        from kb.cli.print_json import print_json

        print_json(shown.values())
    else:
        from kb.cli.rendering.documents import show_document

        show_document(OUT, shown)


@documents.command()
def groups(
    name: Name,
    given: Annotated[
        list[str] | None,
        typer.Argument(metavar="[GROUP]...", help="For whom it is.  [default: show them]"),
    ] = None,
    none: Annotated[
        bool, typer.Option("--none", help="Take back the groups that it was given.")
    ] = False,
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Give a document groups, or show those that it was given.

    Whoever sees it is in one of them, and in those that `access` and its own text name.

    \b
    kb documents groups uploads/plan.pdf hr board
    kb documents groups uploads/plan.pdf
    """
    if given and none:
        raise typer.BadParameter(gettext("name groups, or --none"))
    with _open_catalogue(config) as catalogue:
        document = catalogue.documents.find(name)
        if given or none:
            catalogue.registry.give_groups(document.id, given or [])
        groups = catalogue.registry.read_groups(document.id)
    if as_json:
        from kb.cli.print_json import print_json

        print_json({"root": document.root, "path": document.path, "groups": groups})
    else:
        OUT.print(", ".join(map(fit_on_one_line, groups)) or gettext("It was given no groups."))


@documents.command()
def remove(
    names: Annotated[list[str], typer.Argument(metavar="DOCUMENT...", help="As they are listed.")],
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Take documents out of the index now.

    Files stay where they are, and the next run over their directory indexes them again: delete
    them, or name them in .kbignore. The file of an upload is deleted.
    """
    with _open_catalogue(config) as catalogue:
        found = [catalogue.documents.find(name) for name in dict.fromkeys(names)]
        removed = [(document, catalogue.remove_document(document)) for document in found]
        left = [document for document, deleted in removed if catalogue.find_file(document)]
    values = [
        {"root": document.root, "path": document.path, "file_deleted": deleted}
        for document, deleted in removed
    ]
    if as_json:
        from kb.cli.print_json import print_json

        print_json({"removed": values})
        return
    for document, deleted in removed:
        gone = gettext("Removed, with its file: {name}") if deleted else gettext("Removed: {name}")
        named = fit_on_one_line(f"{document.root}/{document.path}")
        OUT.print(gone.format(name=named), soft_wrap=True)
    if left:
        say(gettext("The next run over its directory indexes what is still there."))


@documents.command()
def retry(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[DOCUMENT]...", help="As they are listed.  [default: all failed]"),
    ] = None,
    root: Root = None,
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Read again what could not be read, though it is unchanged.

    \b
    kb documents retry
    kb documents retry handbook/broken.pdf
    """
    if names and root:
        raise typer.BadParameter(gettext("name documents, or a root"))
    from kb.answer_json import report_to_values
    from kb.cli.print_json import print_json
    from kb.cli.rendering.progress import show_index_progress
    from kb.cli.rendering.state import show_report

    with (
        open_knowledge_base(config) as knowledge_base,
        keep_what_was_indexed(),
        show_index_progress(ERR) as show_progress,
    ):
        reports = knowledge_base.retry_documents(
            names, root=root, on_progress=show_progress, say=say
        )
    if as_json:
        print_json([report_to_values(report) for report in reports])
    elif not reports:
        OUT.print(gettext("Nothing has failed."))
    for report in () if as_json else reports:
        OUT.print(fit_on_one_line(report.root), style="bold")
        show_report(OUT, report)
    if any(report.failed for report in reports):
        raise typer.Exit(ExitCode.PARTLY_DONE)


@documents.command()
def forget(
    root: Annotated[str, typer.Argument(metavar="ROOT", help="The name of a root.")],
    yes: Yes = False,
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Take all documents of a root out of the index, and its name.

    Files stay where they are, but for those that were uploaded, which are deleted.

    \b
    kb documents forget handbook
    """
    with _open_catalogue(config) as catalogue:
        count = catalogue.count_root(root)
        if not yes:
            typer.confirm(_ask_to_forget(root, count), abort=True, err=True)
        from kb.cli.rendering.progress import show_steps

        with show_steps() as show_step:
            removed = catalogue.forget_root(
                root,
                on_removed=lambda done: show_step(gettext("Documents"), done, max(count, done)),
                say=say,
            )
    if as_json:
        from kb.cli.print_json import print_json

        print_json({"root": root, "removed": removed})
    else:
        forgotten = ngettext(
            "{root} is forgotten, with {n} document.",
            "{root} is forgotten, with {n} documents.",
            removed,
        )
        OUT.print(forgotten.format(root=fit_on_one_line(root), n=removed), soft_wrap=True)


def _ask_to_forget(root: str, count: int) -> str:
    from kb.catalogue import UPLOADS

    ask = ngettext(
        "Forget {root} with {n} document?", "Forget {root} with {n} documents?", count
    ).format(root=fit_on_one_line(root), n=count)
    if root == UPLOADS:
        ask += " " + gettext("Their uploaded files are deleted.")
    return ask


@contextmanager
def _open_catalogue(config: Path | None) -> Iterator["Catalogue"]:
    from kb.catalogue import open_catalogue

    with open_only_database(config) as (engine, loaded):
        yield open_catalogue(engine, loaded)
