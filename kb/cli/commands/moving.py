"""The commands `kb export` and `kb import`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kb.cli.language import gettext, ngettext, translate_message
from kb.cli.opening import open_only_database
from kb.cli.options import AsJson, ConfigPath
from kb.cli.program import ExitCode
from kb.cli.terminal import OUT, fit_on_one_line, say

if TYPE_CHECKING:
    from stores.moves.move_file import Part
    from stores.moves.take_in import ImportReport

_MEGABYTE = 2**20
_MOST_NAMED = 20

OnlyDocuments = Annotated[
    bool, typer.Option("--documents", help="Documents with their chunks, vectors and uploads.")
]
OnlySessions = Annotated[
    bool, typer.Option("--sessions", help="Chat sessions with their turns and memory.")
]
OnlyVerified = Annotated[bool, typer.Option("--verified", help="Verified queries that were saved.")]


def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write.")],
    documents: OnlyDocuments = False,
    sessions: OnlySessions = False,
    verified: OnlyVerified = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a file that is there already.")
    ] = False,
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Write documents, sessions, verified queries for another base.

    Without options all three. Vectors go along, so that nothing is embedded again; keys do not. It
    is of one moment, while others go on. The exit code is 3 when uploaded files are gone.

    \b
    kb export ~/handbook.zip
    kb export ~/chats.zip --sessions
    """
    with open_only_database(config) as (engine, loaded):
        from kb.cli.rendering.progress import show_steps
        from kb.exports import export_base

        parts = _choose_parts(documents, sessions, verified)
        with show_steps() as show:
            report = export_base(engine, loaded, file, parts, force=force, on_progress=show)
    if as_json:
        from kb.cli.print_json import print_json

        facts = {"missing": report.missing, "bytes": report.bytes}
        print_json({**report.manifest.model_dump(exclude={"uploads"}), **facts})
    else:
        number = sum(root.documents for root in report.manifest.roots)
        written = ngettext(
            "{file}: {size:.1f} MB, {n} document", "{file}: {size:.1f} MB, {n} documents", number
        )
        size = report.bytes / _MEGABYTE
        OUT.print(written.format(file=file, size=size, n=number), soft_wrap=True)
    if report.missing:
        gone = gettext("Not in it, as their files are gone: {names}")
        say(gone.format(names=_name_some(report.missing)), "yellow")
        raise typer.Exit(ExitCode.PARTLY_DONE)


def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `kb export` has written.")],
    documents: OnlyDocuments = False,
    sessions: OnlySessions = False,
    verified: OnlyVerified = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace what is there in another content.")
    ] = False,
    rename: Annotated[
        list[str] | None,
        typer.Option(metavar="ROOT=NAME", help="Give a root another name. May be repeated."),
    ] = None,
    directory: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ROOT=PATH", help="Where a root's directory is here. May be repeated."
        ),
    ] = None,
    embed_again: Annotated[
        bool, typer.Option("--embed-again", help="Embed all texts with another embedding model.")
    ] = False,
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Take in what `kb export` has written, beside what is there.

    All of the file is checked before anything changes. What is there already is left, so that an
    import that was broken off can run again; what is there in another content is left, too, and
    named, and the exit code is 3.

    \b
    kb import ~/handbook.zip
    kb import ~/handbook.zip --rename handbook=old-handbook
    """
    names = _read_pairs(rename)
    directories = {name: str(Path(path).resolve()) for name, path in _read_pairs(directory).items()}
    for path in directories.values():
        if not Path(path).is_dir():
            raise typer.BadParameter(gettext("there is no directory {path}").format(path=path))
    from kb.cli.print_json import print_json
    from kb.cli.rendering.progress import show_steps
    from kb.config.loading import load_config
    from kb.imports import import_base
    from stores.moves.take_in import Choices

    choices = Choices(_choose_parts(documents, sessions, verified), replace, names, directories)
    loaded = load_config(config)
    with show_steps() as show:
        report = import_base(
            file, loaded, choices, embed_again=embed_again, on_progress=show, say=say
        )
    if as_json:
        print_json(vars(report))
    else:
        _show_import(report)
    if report.refused:
        raise typer.Exit(ExitCode.PARTLY_DONE)


def _choose_parts(documents: bool, sessions: bool, verified: bool) -> "Sequence[Part]":
    chosen: dict[Part, bool] = {
        "documents": documents,
        "sessions": sessions,
        "verified": verified,
    }
    return [part for part, wanted in chosen.items() if wanted or not any(chosen.values())]


def _read_pairs(texts: Sequence[str] | None) -> dict[str, str]:
    pairs = {}
    for text in texts or ():
        name, separator, value = text.partition("=")
        if not (name and separator and value):
            raise typer.BadParameter(gettext("{text!r} is not ROOT=…").format(text=text))
        pairs[name] = value
    return pairs


def _show_import(report: "ImportReport") -> None:
    taken = gettext(
        "Taken in: {documents} documents, {uploads} uploaded files, {sessions} sessions, "
        "{verified} verified queries. There already: {left}."
    )
    OUT.print(taken.format(**vars(report)), soft_wrap=True)
    if report.refused:
        other = gettext("Left as it is here, in another content (--replace replaces it): {names}")
        say(other.format(names=_name_some(list(map(translate_message, report.refused)))), "yellow")


def _name_some(names: Sequence[str]) -> str:
    named = ", ".join(map(fit_on_one_line, names[:_MOST_NAMED]))
    return named + (", …" if len(names) > _MOST_NAMED else "")
