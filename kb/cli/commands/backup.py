"""The commands `kb backup` and `kb restore`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kb.cli.language import gettext, ngettext
from kb.cli.options import AsJson, ConfigPath
from kb.cli.program import ExitCode
from kb.cli.terminal import OUT, fit_on_one_line, say

if TYPE_CHECKING:
    from stores.backup.archive import Manifest

_MEGABYTE = 2**20
_MOST_NAMED = 5


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write.")],
    force: Annotated[
        bool, typer.Option("--force", help="Replace a file that is there already.")
    ] = False,
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Save the whole database and the uploaded files in one file.

    It holds everything as of one moment, while others go on searching, writing and indexing, and is
    read again before it gets its name. Nothing of the configuration is in it. The exit code is 3
    when something could not be taken along, which is named.

    \b
    kb backup ~/kb-2026-11-22.zip
    """
    from kb.assembly.open_database import open_database
    from kb.backups import back_up
    from kb.cli.print_json import print_json
    from kb.cli.rendering.progress import show_steps
    from kb.config.loading import load_config

    loaded = load_config(config)
    engine = open_database(loaded, say)
    try:
        with show_steps() as show:
            report = back_up(engine, loaded, file, force=force, on_progress=show)
    finally:
        engine.dispose()
    if as_json:
        facts = {"missing": report.missing, "changed": report.changed, "bytes": report.bytes}
        print_json({**report.manifest.model_dump(), **facts})
    else:
        size = gettext("{file}: {size:.1f} MB, {contents}.")
        contents = _describe_contents(report.manifest)
        OUT.print(
            size.format(file=file, size=report.bytes / _MEGABYTE, contents=contents),
            soft_wrap=True,
        )
    _name_all(gettext("Not in it, as it holds tables alone: {names}"), report.manifest.left_out)
    _name_all(gettext("Not in it, as their files are gone: {names}"), report.missing)
    _name_all(gettext("Newer than what is indexed of them: {names}"), report.changed)
    if not report.is_whole:
        raise typer.Exit(ExitCode.PARTLY_DONE)


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `kb backup` has written.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace the tables and uploaded files there are.")
    ] = False,
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Restore a backup into the database of the configuration.

    The database is to be empty; with --replace its tables are replaced. All is loaded beside them
    and compared with the backup first, so that nothing changes when the restore fails. Stop the
    servers of kb before.

    \b
    kb restore ~/kb-2026-11-22.zip
    """
    from kb.backups import restore as restore_file
    from kb.cli.print_json import print_json
    from kb.cli.rendering.progress import show_steps

    with show_steps() as show:
        report = restore_file(file, config, replace=replace, on_progress=show, say=say)
    if as_json:
        facts = {"kept": report.kept, "replaced": report.replaced}
        print_json({**report.manifest.model_dump(), **facts})
    else:
        restored = gettext("Restored {contents}, and compared all of it with the backup.")
        OUT.print(restored.format(contents=_describe_contents(report.manifest)), soft_wrap=True)
    _name_all(gettext("Left as they are, being in no backup: {names}"), report.kept)


def _describe_contents(manifest: "Manifest") -> str:
    rows = sum(table.rows for table in manifest.tables)
    tables = ngettext("{rows} rows of {n} table", "{rows} rows of {n} tables", len(manifest.tables))
    files = ngettext("{n} uploaded file", "{n} uploaded files", len(manifest.uploads))
    return ", ".join(
        (
            tables.format(rows=rows, n=len(manifest.tables)),
            files.format(n=len(manifest.uploads)),
        )
    )


def _name_all(text: str, names: Sequence[str]) -> None:
    """Say what is to be known of some things, if there are any."""
    if names:
        named = ", ".join(map(fit_on_one_line, names[:_MOST_NAMED]))
        say(text.format(names=named + (", …" if len(names) > _MOST_NAMED else "")), "yellow")
