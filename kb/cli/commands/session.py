"""`kb session list|show|rename|delete|export|prune`."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from kb.cli.opening import opened
from kb.cli.options import AsJson, ConfigPath
from kb.cli.terminal import OUT, counted, one_line, printable, say
from stores.errors import ConfigError, StoreError

session = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="List, show, export and delete chats."
)
_SEARCH_WORDS = 10  # stores.chats.session_search compares no more
_MOST = 1_000_000


def checked_id(session_id: str | None) -> str | None:
    """The id, or a usage error for what can be none."""
    from stores.chats.chat_messages import check_id

    if session_id is not None:
        try:
            check_id("session", session_id)
        except StoreError as error:
            raise typer.BadParameter(str(error)) from error
    return session_id


def _checked_text(text: str | None) -> str | None:
    try:
        (text or "").encode()
    except UnicodeEncodeError as error:
        raise typer.BadParameter(f"{text!r} is no UTF-8 text") from error
    return text


def _checked_search(search: str | None) -> str | None:
    words = len((search or "").split())
    if words > _SEARCH_WORDS:
        raise typer.BadParameter(f"it has {words} words; at most {_SEARCH_WORDS} are searched for")
    return _checked_text(search)


SessionId = Annotated[
    str,
    typer.Argument(metavar="SESSION", callback=checked_id, help="The id of a chat session."),
]


@session.command("list")
def list_sessions(
    search: Annotated[
        str | None,
        typer.Option(
            metavar="WORDS",
            callback=_checked_search,
            help="Only those whose title or one of whose messages holds all of these.",
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option(metavar="N", min=1, max=_MOST, help="At most so many.")
    ] = 100,
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """List the chat sessions, the last used first.

    \b
    kb session list
    kb session list --search "return days"
    """
    with opened(config) as knowledge_base:
        sessions = knowledge_base.components.session_store.all(search=search, limit=limit)
    if as_json:
        from kb.cli.print_json import print_json
        from kb.transcript import info_values

        print_json([info_values(each) for each in sessions])
    else:
        from kb.cli.rendering.chat_sessions import show_sessions

        show_sessions(OUT, sessions)


@session.command()
def show(session_id: SessionId, as_json: AsJson = False, config: ConfigPath = None) -> None:
    """Show a session: questions, answers and where they come from."""
    with opened(config) as knowledge_base:
        info = knowledge_base.components.session_store.one(session_id)
        turns = knowledge_base.components.session_store.list_turns(session_id)
    if as_json:
        from kb.cli.print_json import print_json
        from kb.transcript import session_values

        print_json(session_values(info, turns))
    else:
        from kb.cli.rendering.chat_sessions import show_session

        show_session(OUT, info, turns)


@session.command()
def rename(
    session_id: SessionId,
    title: Annotated[str, typer.Argument(metavar="TITLE", callback=_checked_text)],
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Give a session a title; the first one is its first question."""
    with opened(config) as knowledge_base:
        knowledge_base.rename_session(session_id, title)
        renamed = knowledge_base.components.session_store.one(session_id)
    if as_json:
        from kb.cli.print_json import print_json
        from kb.transcript import info_values

        print_json(info_values(renamed))
    else:
        OUT.print(f"The session is named “{one_line(renamed.title)}”.", soft_wrap=True)


@session.command()
def delete(
    session_id: SessionId,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Delete everything of a session: words, memory, feedback and logged searches."""
    with opened(config) as knowledge_base:
        info = knowledge_base.components.session_store.one(session_id)
        if not yes:
            turns = counted(info.turns, "turn")
            typer.confirm(f"Delete “{one_line(info.title)}” with {turns}?", abort=True, err=True)
        knowledge_base.delete_session(session_id)
    if as_json:
        from kb.cli.print_json import print_json

        print_json({"deleted": session_id})
    else:
        OUT.print("The session is deleted.")


@session.command()
def export(
    session_id: SessionId,
    format: Annotated[  # noqa: A002 - the name of the option
        Literal["markdown", "json"], typer.Option(help="How it is written.")
    ] = "markdown",
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A new file.  [default: standard output]"),
    ] = None,
    config: ConfigPath = None,
) -> None:
    """Write a session as Markdown or JSON, with its sources and SQL.

    \b
    kb session export 4f2a90c1 > chat.md
    kb session export 4f2a90c1 --format json --output chat.json
    """
    with opened(config) as knowledge_base:
        text = knowledge_base.export_session(session_id, format)
    if output is None:
        print_text(text)
    else:
        write_new(output, text)
        say(f"Written to {output}.")


@session.command()
def prune(
    days: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            max=_MOST,
            help="[default: chat.retention_days of the configuration]",
        ),
    ] = None,
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Delete the sessions that nobody used for some days."""
    with opened(config) as knowledge_base:
        days = days or knowledge_base.config.chat.retention_days
        if days is None:
            raise ConfigError("Name an age with --days, or set chat.retention_days in config.yaml.")
        removed = knowledge_base.components.session_store.remove_older_than(days)
    if as_json:
        from kb.cli.print_json import print_json

        print_json({"days": days, "deleted": removed})
    else:
        OUT.print(f"Deleted: {counted(removed, 'session')}, not used for {counted(days, 'day')}.")


def print_text(text: str) -> None:
    """A document as it is, in UTF-8 whatever the locale; a terminal gets no control characters."""
    shown = printable(text) if OUT.is_terminal else text
    sys.stdout.buffer.write(shown.encode())
    sys.stdout.buffer.flush()


def write_new(file: Path, text: str) -> None:
    """Raises ConfigError when it is there already, or cannot be written."""
    try:
        with file.expanduser().open("x", encoding="utf-8", newline="") as written:
            written.write(text)
    except FileExistsError as error:
        raise ConfigError(f"{file} is there already. Name a new file.") from error
    except (OSError, RuntimeError, ValueError) as error:  # the last two: no path at all
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"{str(file)!r} cannot be written: {reason}.") from error
