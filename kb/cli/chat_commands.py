"""The commands that may be typed in a chat besides questions."""

import difflib
import re
import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

from rich.text import Text

from engines.answer import Answer
from kb.assembly.answer_sources import Source
from kb.cli.chat_terminal import Conversation
from kb.cli.document_output import print_document, write_new_file
from kb.cli.language import gettext, translate_message
from kb.cli.rendering.answers import show_sources
from kb.cli.rendering.chat_sessions import show_history
from kb.cli.rendering.rows import show_rows
from kb.cli.terminal import OUT, fit_on_one_line, make_printable
from stores.errors import ConfigError
from stores.text.translations import Message

if TYPE_CHECKING:
    from stores.searches.search_log import Rating

_LINE = 60  # columns of a narrow terminal
_COMMAND = re.compile(r"/[^\W\d_]*")


@dataclass(frozen=True)
class Command:
    """A command of the chat: how it is typed, its purpose and its function; None ends the chat."""

    usage: str
    purpose: Message
    run: Callable[[Conversation, str], None] | None

    @property
    def name(self) -> str:
        return self.usage.split()[0]


def is_command(line: str) -> bool:
    """Tell whether a line is a command: it begins with /word, which is no path."""
    return bool(_COMMAND.fullmatch(line.split(maxsplit=1)[0]))


def run_command(conversation: Conversation, line: str) -> bool:
    """Run the command of a line, and return whether the chat goes on.

    Raises ConfigError for what is no command, and KBError for one that fails.
    """
    name, *argument = line.split(maxsplit=1)
    command = _COMMANDS_BY_NAME.get(name.lower())
    if command is None:
        near = difflib.get_close_matches(name.lower(), _COMMANDS_BY_NAME, n=1)
        wrong = (
            gettext("There is no command {name}. Did you mean {near}? There are:\n{known}")
            if near
            else gettext("There is no command {name}. There are:\n{known}")
        )
        known = textwrap.fill(", ".join(_COMMANDS_BY_NAME), _LINE)
        raise ConfigError(wrong.format(name=name, near="".join(near), known=known))
    if command.run is None:
        return False
    command.run(conversation, "".join(argument).strip())
    return True


def list_commands_with_values(
    profiles: Iterable[str], models: Iterable[str]
) -> dict[str, tuple[str, ...]]:
    """Return the names of the commands, with the values that may follow them."""
    values = {"/source": get_args(Source), "/profile": tuple(profiles), "/model": tuple(models)}
    return {name: values.get(name, ()) for name in _COMMANDS_BY_NAME}


def _show_help(_: Conversation, __: str) -> None:
    usages = [translate_message(command.usage) for command in COMMANDS]
    width = max(map(len, usages)) + 2
    for command, usage in zip(COMMANDS, usages, strict=True):
        purpose = translate_message(command.purpose)
        OUT.print(Text.assemble((usage.ljust(width), "bold cyan"), purpose), soft_wrap=True)
    OUT.print(Text(gettext("Ctrl-C stops an answer, Ctrl-D ends the chat."), "dim"))


def _show_last_sources(conversation: Conversation, _: str) -> None:
    citations = Answer.from_metadata(conversation.require_last_turn().evidence).citations
    if not citations:
        raise ConfigError(gettext("The last answer cites no passages."))
    show_sources(OUT, citations)


def _show_last_sql(conversation: Conversation, _: str) -> None:
    answers = (
        Answer.from_metadata(turn.evidence) for turn in conversation.read_turns_newest_first()
    )
    found = next((answer.tables for answer in answers if answer.tables.sql), None)
    if found is None:
        raise ConfigError(gettext("No answer of this session came from the tables."))
    show_rows(OUT, found, in_words=True)


def _choose_source(conversation: Conversation, name: str) -> None:
    known = get_args(Source)
    if name and name not in known:
        wrong = gettext("There is no source {name!r}; there are {known}.")
        raise ConfigError(wrong.format(name=name, known=", ".join(known)))
    if name:
        conversation.ask_from(cast("Source", name), conversation.profile, conversation.model)
    OUT.print(gettext("Questions go to: {source}.").format(source=conversation.source))


def _choose_profile(conversation: Conversation, name: str) -> None:
    config = conversation.knowledge_base.config
    if name:
        config.profile(name)
        conversation.ask_from(conversation.source, name, conversation.model)
    profile = conversation.profile or config.retrieval.profile
    OUT.print(gettext("Search profile: {name}.").format(name=profile))


def _choose_model(conversation: Conversation, name: str) -> None:
    if name:
        conversation.ask_from(conversation.source, conversation.profile, name)
    components = conversation.knowledge_base.components.with_model(conversation.model)
    model = components.llm.metadata.model_name if components.llm else "-"
    OUT.print(Text(gettext("Language model: {name}.").format(name=make_printable(model))))


def _forget_session(conversation: Conversation, _: str) -> None:
    conversation.engine.reset()
    OUT.print(gettext("Forgotten. The session begins anew."))


def _export_session(conversation: Conversation, name: str) -> None:
    file = Path(name)
    format = "json" if file.suffix == ".json" else "markdown"  # noqa: A001 - the interface's name
    conversation.require_last_turn()
    text = conversation.knowledge_base.export_session(conversation.session_id, format)
    if name:
        write_new_file(file, text)
        written = gettext("Written to {file}.").format(file=make_printable(name))
        OUT.print(Text(written), soft_wrap=True)
    else:
        print_document(text)


def _show_last_rewriting(conversation: Conversation, _: str) -> None:
    turn = conversation.require_last_turn()
    if turn.standalone:
        asked = gettext("Asked:         {question}")
        understood = gettext("Understood as: {question}")
        rewritten = (
            gettext("Rewritten by:  the model")
            if turn.rewritten_by == "model"
            else gettext("Rewritten by:  the rule")
        )
        OUT.print(Text(asked.format(question=fit_on_one_line(turn.question))), soft_wrap=True)
        OUT.print(
            Text(understood.format(question=fit_on_one_line(turn.standalone))), soft_wrap=True
        )
        OUT.print(Text(rewritten, "dim"))
    else:
        OUT.print(gettext("The last question was put as it was asked."))
    answer = Answer.from_metadata(turn.evidence)
    if answer.route:
        route = gettext("Route:         {route} ({reason})")
        reason = fit_on_one_line(answer.route_reason)
        OUT.print(Text(route.format(route=answer.route, reason=reason), "dim"))


def _make_rating_command(rating: "Rating") -> Callable[[Conversation, str], None]:
    def rate_last_answer(conversation: Conversation, comment: str) -> None:
        turn = conversation.require_last_turn()
        conversation.knowledge_base.feedback(
            session_id=conversation.session_id, turn_id=turn.id, rating=rating, comment=comment
        )
        OUT.print(gettext("Noted for question {number}.").format(number=turn.number))

    return rate_last_answer


COMMANDS = (
    Command("/help", Message("these commands"), _show_help),
    Command("/sources", Message("the passages that the last answer cites"), _show_last_sources),
    Command("/sql", Message("the last SQL with its rows"), _show_last_sql),
    Command(
        Message("/source [NAME]"),
        Message("ask {sources}", sources=", ".join(get_args(Source))),
        _choose_source,
    ),
    Command(Message("/profile [NAME]"), Message("search with another profile"), _choose_profile),
    Command(Message("/model [NAME]"), Message("ask another language model"), _choose_model),
    Command("/rewrite", Message("how the last question was understood"), _show_last_rewriting),
    Command(
        "/history",
        Message("what was asked in this session"),
        lambda conversation, _: show_history(OUT, conversation.list_turns()),
    ),
    Command(Message("/up [COMMENT]"), Message("the last answer helped"), _make_rating_command(1)),
    Command(Message("/down [COMMENT]"), Message("it did not"), _make_rating_command(-1)),
    Command(
        Message("/export [FILE]"),
        Message("the session as Markdown, or as JSON to FILE.json"),
        _export_session,
    ),
    Command("/reset", Message("forget what was said"), _forget_session),
    Command("/quit", Message("end the chat; it can be continued"), None),
)
_COMMANDS_BY_NAME: dict[str, Command] = {command.name: command for command in COMMANDS}
