"""The command `kb chat`, on a terminal and with piped questions."""

import secrets
import shlex
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from engines.answer import answer_of
from kb.assembly.answer_sources import Source
from kb.cli.commands.session import check_session_id
from kb.cli.language import gettext, ngettext
from kb.cli.opening import Expected, open_knowledge_base
from kb.cli.options import AsJson, ConfigPath, Filters, ModelChoice, Profile
from kb.cli.program import ExitCode
from kb.cli.terminal import OUT, fit_on_one_line, say
from kb.filter_options import metadata_filters
from stores.errors import ConfigError, KBError

if TYPE_CHECKING:
    from kb.app import KnowledgeBase
    from kb.cli.chat_terminal import Conversation


def chat(
    session: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            callback=check_session_id,
            help="Continue this session, or name a new one.",
        ),
    ] = None,
    last: Annotated[bool, typer.Option("--last", help="Continue the last used session.")] = False,
    source: Annotated[Source, typer.Option(help="Where the answers are.")] = "auto",
    profile: Profile = None,
    model: ModelChoice = None,
    filters: Filters = None,
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Ask one question after another; what was said is remembered.

    Commands such as /sources and /sql are listed by /help. Questions may be piped in, a line each;
    with --json each is answered by a line of JSON, and commands are refused.

    \b
    kb chat
    kb chat --last
    kb chat --session planning --source database
    """
    if session is not None and last:
        raise typer.BadParameter(gettext("give --session or --last, not both"))
    expects: Expected = "documents" if source == "documents" else "sources"
    opening = open_knowledge_base(config, profile=profile, model=model, expects=expects)
    with opening as knowledge_base:
        from kb.cli.chat_terminal import Conversation

        conversation = Conversation(
            knowledge_base,
            _find_last_used_session(knowledge_base) if last else session or secrets.token_hex(4),
            source,
            profile,
            model,
            metadata_filters(filters or []),
        )
        is_typed = OUT.is_terminal and sys.stdin.isatty() and not as_json
        ending = (
            _chat_on_terminal(conversation)
            if is_typed
            else _answer_piped_lines(conversation, as_json)
        )
    raise typer.Exit(ending)


def _find_last_used_session(knowledge_base: "KnowledgeBase") -> str:
    sessions = knowledge_base.components.session_store.list_sessions(everybody=False, limit=1)
    if not sessions:
        raise ConfigError(gettext("There is no session to continue. `kb chat` begins one."))
    return sessions[0].id


def _chat_on_terminal(conversation: "Conversation") -> ExitCode:
    """Answer typed questions until Ctrl-D; what goes wrong is said, and the chat goes on."""
    from engines.search.profiles import READY
    from kb.cli.chat_commands import list_commands_with_values
    from kb.cli.chat_input import read_typed_lines

    _show_welcome(conversation)
    config = conversation.knowledge_base.config
    commands = list_commands_with_values({**READY, **config.profiles}, config.llm.choices)
    for line in filter(str.strip, read_typed_lines(commands)):
        OUT.print()
        try:
            if not _run_or_ask(conversation, line):
                break
        except KeyboardInterrupt:
            say(gettext("Stopped."), "yellow")
        except KBError as error:
            say(gettext("Error: {reason}").format(reason=error), "red")
        OUT.print()
    further = gettext("Continue with: kb chat --session {id}")
    say(further.format(id=shlex.quote(conversation.session_id)), "dim")
    return ExitCode.DONE


def _answer_piped_lines(conversation: "Conversation", as_json: bool) -> ExitCode:
    """Answer every line of standard input; the exit code says whether all were answered."""
    from kb.cli.chat_input import read_piped_lines

    ending = ExitCode.DONE
    say(_describe_session(conversation))
    for line in filter(str.strip, read_piped_lines(sys.stdin)):
        try:
            if as_json:
                _print_answer(conversation, line)
            elif not _run_or_ask(conversation, line, after_answer="\n"):
                break
        except KBError as error:
            ending = ExitCode.FAILED
            if as_json:
                _print_error(conversation, line, error)
            else:
                say(gettext("Error: {reason}").format(reason=error), "red")
    lacks_source = ending is ExitCode.DONE and conversation.lacks_source
    return ExitCode.PARTLY_DONE if lacks_source else ending


def _run_or_ask(conversation: "Conversation", line: str, after_answer: str = "") -> bool:
    """Run a command or ask a question, and return whether the chat goes on."""
    from kb.cli.chat_commands import is_command, run_command

    if is_command(line):
        return run_command(conversation, line)
    conversation.show_answer(line)
    OUT.print(end=after_answer)
    return True


def _print_answer(conversation: "Conversation", question: str) -> None:
    from kb.answer_json import answer_to_values
    from kb.cli.chat_commands import is_command
    from kb.cli.print_json import print_json

    if is_command(question):
        raise ConfigError("With --json each line is a question; commands are for a terminal.")
    turn_id = secrets.token_hex(8)
    answer = answer_of(conversation.engine.chat(question, turn_id=turn_id))
    conversation.lacks_source = conversation.lacks_source or bool(answer.errors)
    turn = {"session": conversation.session_id, "turn": turn_id, "question": question}
    standalone = answer.chat_turn.standalone if answer.chat_turn else None
    values = {**turn, "standalone": standalone, **answer_to_values(answer)}
    print_json(values, indent=None)


def _print_error(conversation: "Conversation", question: str, error: KBError) -> None:
    from kb.cli.print_json import print_json

    values = {"session": conversation.session_id, "question": question, "error": str(error)}
    print_json(values, indent=None)


def _show_welcome(conversation: "Conversation") -> None:
    """Show where an earlier chat stopped, and which session this is."""
    from kb.cli.rendering.chat_sessions import show_question_and_answer

    last = next(conversation.read_turns_newest_first(), None)
    if last:
        show_question_and_answer(OUT, last)
        OUT.print()
    commands = gettext("/help lists the commands.")
    say(f"{_describe_session(conversation)} {commands}", "dim")
    OUT.print()


def _describe_session(conversation: "Conversation") -> str:
    """Describe the session, which shows whether its name was mistyped: then it is new."""
    last = next(conversation.read_turns_newest_first(), None)
    session_id = fit_on_one_line(conversation.session_id)
    if last is None:
        return gettext("Session {id}, new.").format(id=session_id)
    asked = ngettext("Session {id}, {n} question.", "Session {id}, {n} questions.", last.number)
    return asked.format(id=session_id, n=last.number)
