"""The commands `kb session list`, `show`, `rename`, `delete`, `export` and `prune`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from kb.cli.document_output import print_document, write_new_file
from kb.cli.language import gettext, ngettext
from kb.cli.opening import open_knowledge_base, open_only_database
from kb.cli.options import AsJson, ConfigPath
from kb.cli.terminal import OUT, fit_on_one_line, say
from stores.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from stores.chats.session_list import SessionInfo

session = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="List, show, export and delete chats."
)
_SEARCH_WORDS = 10  # stores.chats.session_search compares no more
_MOST = 1_000_000


def check_session_id(session_id: str | None) -> str | None:
    """Return the id of a session. Raises BadParameter for what can be none."""
    from stores.chats.chat_messages import check_id

    if session_id is not None:
        try:
            check_id("session", session_id)
        except StoreError as error:
            raise typer.BadParameter(str(error)) from error
    return session_id


def _check_text(text: str | None) -> str | None:
    try:
        (text or "").encode()
    except UnicodeEncodeError as error:
        wrong = gettext("{text!r} is no UTF-8 text")
        raise typer.BadParameter(wrong.format(text=text)) from error
    return text


def _check_search_words(search: str | None) -> str | None:
    words = len((search or "").split())
    if words > _SEARCH_WORDS:
        many = gettext("it has {words} words; at most {most} are searched for")
        raise typer.BadParameter(many.format(words=words, most=_SEARCH_WORDS))
    return _check_text(search)


SessionId = Annotated[
    str,
    typer.Argument(metavar="SESSION", callback=check_session_id, help="The id of a chat session."),
]


@session.command("list")
def list_sessions(
    search: Annotated[
        str | None,
        typer.Option(
            metavar="WORDS",
            callback=_check_search_words,
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
    sessions = _list_stored_sessions(config, search, limit)
    if as_json:
        from kb.cli.print_json import print_json
        from kb.session_values import info_values

        print_json([info_values(info) for info in sessions])
    else:
        from kb.cli.rendering.session_list import show_sessions

        show_sessions(OUT, sessions)


def _list_stored_sessions(
    config: Path | None, search: str | None, limit: int
) -> list["SessionInfo"]:
    """List sessions without LlamaIndex, unless the old ones have to be deleted first."""
    from stores.chats.session_list import list_sessions as list_stored

    with open_only_database(config) as (engine, loaded):
        if loaded.chat.retention_days is None:
            return list_stored(engine, search=search, limit=limit)
    with open_knowledge_base(config) as knowledge_base:
        return knowledge_base.components.session_store.list_sessions(search=search, limit=limit)


@session.command()
def show(session_id: SessionId, as_json: AsJson = False, config: ConfigPath = None) -> None:
    """Show a session: questions, answers and where they come from."""
    with open_knowledge_base(config) as knowledge_base:
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
    title: Annotated[str, typer.Argument(metavar="TITLE", callback=_check_text)],
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Give a session a title; the first one is its first question."""
    with open_knowledge_base(config) as knowledge_base:
        knowledge_base.rename_session(session_id, title)
        renamed = knowledge_base.components.session_store.one(session_id)
    if as_json:
        from kb.cli.print_json import print_json
        from kb.session_values import info_values

        print_json(info_values(renamed))
    else:
        named = gettext("The session is named “{title}”.")
        OUT.print(named.format(title=fit_on_one_line(renamed.title)), soft_wrap=True)


@session.command()
def delete(
    session_id: SessionId,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Delete everything of a session: words, memory, feedback and logged searches."""
    with open_knowledge_base(config) as knowledge_base:
        info = knowledge_base.components.session_store.one(session_id)
        if not yes:
            ask = ngettext(
                "Delete “{title}” with {n} turn?", "Delete “{title}” with {n} turns?", info.turns
            )
            title = fit_on_one_line(info.title)
            typer.confirm(ask.format(title=title, n=info.turns), abort=True, err=True)
        knowledge_base.delete_session(session_id)
    if as_json:
        from kb.cli.print_json import print_json

        print_json({"deleted": session_id})
    else:
        OUT.print(gettext("The session is deleted."))


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
    with open_knowledge_base(config) as knowledge_base:
        text = knowledge_base.export_session(session_id, format)
    if output is None:
        print_document(text)
    else:
        write_new_file(output, text)
        say(gettext("Written to {file}.").format(file=output))


@session.command()
def adopt(
    key: Annotated[str, typer.Argument(metavar="KEY", help="The name of a key.")],
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Give the chats that are nobody's, those of before the first key, to a key.

    \b
    kb session adopt ana
    """
    with open_only_database(config) as (engine, _):
        from stores.api_keys import ApiKeys
        from stores.chats.chat_sessions import SessionStore

        if key not in {known.name for known in ApiKeys(engine).list_keys()}:
            raise ConfigError(
                gettext("There is no key {key!r}. `kb key list` shows all.").format(key=key)
            )
        adopted = SessionStore(engine).adopt(key)
    if as_json:
        from kb.cli.print_json import print_json

        print_json({"key": key, "adopted": adopted})
    else:
        sessions = ngettext("{n} session", "{n} sessions", adopted).format(n=adopted)
        OUT.print(
            gettext("{sessions} belong to the key {key} now.").format(sessions=sessions, key=key)
        )


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
    with open_knowledge_base(config) as knowledge_base:
        days = days or knowledge_base.config.chat.retention_days
        if days is None:
            raise ConfigError(
                gettext("Name an age with --days, or set chat.retention_days in config.yaml.")
            )
        removed = knowledge_base.components.session_store.remove_older_than(days)
    if as_json:
        from kb.cli.print_json import print_json

        print_json({"days": days, "deleted": removed})
    else:
        sessions = ngettext("{n} session", "{n} sessions", removed).format(n=removed)
        age = ngettext(
            "Deleted: {sessions}, not used for {n} day.",
            "Deleted: {sessions}, not used for {n} days.",
            days,
        )
        OUT.print(age.format(sessions=sessions, n=days))
