"""Reading the lines of a chat: typed and edited on a terminal, or from a pipe."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

import platformdirs

from kb.cli.language import gettext
from kb.cli.terminal import say

# The values that may follow a command, by the command.
Choices = Mapping[str, Iterable[str]]


def read_typed_lines(choices: Choices) -> Iterator[str]:
    """Read lines with editing, completion and the history of earlier chats, until Ctrl-D."""
    from prompt_toolkit import PromptSession

    from stores.text.surrogates import replace_lone_surrogates

    session: PromptSession[str] = PromptSession(
        history=_open_line_history(),
        completer=_make_completer(choices),
        complete_while_typing=False,
    )
    while True:
        try:
            yield replace_lone_surrogates(
                session.prompt([("bold", "> ")])
            )  # bytes that are no text come as halves
        except KeyboardInterrupt:
            say(gettext("Ctrl-D or /quit ends the chat."), "dim")
        except EOFError:
            return


def read_piped_lines(stream: TextIO) -> Iterator[str]:
    """Read lines as they come; bytes that are no text do not end the chat."""
    reconfigure: Callable[..., Any] | None = getattr(stream, "reconfigure", None)
    if reconfigure:
        reconfigure(encoding="utf-8", errors="replace")
    for line in stream:
        yield line.rstrip("\r\n")


def _open_line_history() -> Any:
    """Open the history of typed lines, in a file that only its owner reads.

    Where it cannot be written, the history holds the lines of this chat alone.
    """
    from prompt_toolkit.history import FileHistory, InMemoryHistory

    file = platformdirs.user_state_path("kb") / "chat_history"
    try:
        _create_private_file(file)
    except OSError as error:
        wrong = gettext("{file} cannot be written ({reason}): questions are not kept for arrow-up.")
        say(wrong.format(file=file, reason=error.strerror))
        return InMemoryHistory()
    return FileHistory(file)


def _create_private_file(file: Path) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.chmod(0o600)


def _make_completer(choices: Choices) -> Any:
    from prompt_toolkit.completion import CompleteEvent, Completer, Completion
    from prompt_toolkit.document import Document

    class Commands(Completer):
        def get_completions(self, document: Document, _: CompleteEvent) -> Iterator[Completion]:
            command, space, typed = document.text_before_cursor.partition(" ")
            completions = choices.get(command.lower(), ()) if space else choices
            word = typed if space else command
            if command.startswith("/"):
                for completion in completions:
                    if completion.startswith(word):
                        yield Completion(completion, start_position=-len(word))

    return Commands()
