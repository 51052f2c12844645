"""The command line: every command, and the options before it."""

import os
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer

from kb.cli.commands.asking import ask, search
from kb.cli.commands.auditing import audit
from kb.cli.commands.backup import backup, restore
from kb.cli.commands.benchmarking import bench
from kb.cli.commands.caching import cache
from kb.cli.commands.chat import chat
from kb.cli.commands.checking import doctor, status
from kb.cli.commands.db import db
from kb.cli.commands.demonstration import demo
from kb.cli.commands.documents import documents
from kb.cli.commands.embeddings import embeddings
from kb.cli.commands.evaluating import evaluate
from kb.cli.commands.feedback import feedback
from kb.cli.commands.import_from import import_from
from kb.cli.commands.indexing import index
from kb.cli.commands.mcp import mcp
from kb.cli.commands.moving import export, import_
from kb.cli.commands.reviewing import review
from kb.cli.commands.serving import key, serve
from kb.cli.commands.session import session
from kb.cli.commands.sql import sql
from kb.cli.commands.starting import init, setup
from kb.cli.commands.statistics import cost, stats
from kb.cli.commands.working import worker
from kb.cli.program import Program

app = typer.Typer(
    name="kb",
    cls=Program,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (demo, init, setup, index, search, ask, chat, sql, feedback, status, doctor):
    app.command()(command)
app.command()(stats)
app.command()(cost)
app.command()(audit)
app.add_typer(review, name="review")
app.add_typer(documents, name="documents")
app.command("eval")(evaluate)
app.add_typer(bench, name="bench")
app.command()(backup)
app.command()(restore)
app.command()(export)
app.command("import")(import_)
app.add_typer(import_from, name="import-from")
app.add_typer(embeddings, name="embeddings")
app.add_typer(cache, name="cache")
app.add_typer(session, name="session")
app.command()(serve)
app.command()(worker)
app.command()(mcp)
app.add_typer(key, name="key")
app.add_typer(db, name="db")


def _show_version(wanted: bool) -> None:
    if wanted:
        from kb import __version__

        typer.echo(f"kb {__version__}")
        raise typer.Exit


@app.callback()
def kb(
    config: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="The configuration.  [default: ./config.yaml]"),
    ] = None,
    debug: Annotated[
        bool, typer.Option("--debug", envvar="KB_DEBUG", help="Show the traceback of an error.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    """Ask your documents and your database, in one MariaDB.

    \b
    kb demo                          see it work, on sample data
    kb init                          begin with your own: writes config.yaml
    kb index ~/handbook              make documents answer
    kb ask "How do I reset it?"      an answer with its sources
    """


def main() -> None:
    """Run the command line, the entry point of the program `kb`."""
    try:
        app(prog_name="kb")
    except SystemExit as end:
        _exit_without_late_branches(end)
        raise


def _exit_without_late_branches(end: SystemExit) -> None:
    """Exit at once when a source is still being asked that came too late for the answer.

    Nobody then waits for its thread at a prompt.
    """
    if threading.active_count() == 1:
        return
    from engines.both.deadline import has_late_branches

    if has_late_branches():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(end.code if isinstance(end.code, int) else int(end.code is not None))
