"""The lines of a chat: typed and edited on a terminal, or read from a pipe."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

import platformdirs

from kb.cli.terminal import say

# The values that may follow a command, by the command.
Choices = Mapping[str, Iterable[str]]


def typed_lines(choices: Choices) -> Iterator[str]:
    """Lines with editing, completion and the history of earlier chats, until Ctrl-D."""
    from prompt_toolkit import PromptSession

    from stores.typed_json import whole

    session: PromptSession[str] = PromptSession(
        history=_history(), completer=_completer(choices), complete_while_typing=False
    )
    while True:
        try:
            yield whole(session.prompt([("bold", "> ")]))  # bytes that are no text come as halves
        except KeyboardInterrupt:
            say("Ctrl-D or /quit ends the chat.", "dim")
        except EOFError:
            return


def piped_lines(stream: TextIO) -> Iterator[str]:
    """Lines as they come; bytes that are no text do not end the chat."""
    reconfigure: Callable[..., Any] | None = getattr(stream, "reconfigure", None)
    if reconfigure:
        reconfigure(encoding="utf-8", errors="replace")
    for line in stream:
        yield line.rstrip("\r\n")


def _history() -> Any:
    """In a file that only its owner reads; without one, that of this chat alone."""
    from prompt_toolkit.history import FileHistory, InMemoryHistory

    file = platformdirs.user_state_path("kb") / "chat_history"
    try:
        _make_private(file)
    except OSError as error:
        say(f"{file} cannot be written ({error.strerror}): questions are not kept for arrow-up.")
        return InMemoryHistory()
    return FileHistory(file)


def _make_private(file: Path) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.chmod(0o600)


def _completer(choices: Choices) -> Any:
    from prompt_toolkit.completion import CompleteEvent, Completer, Completion
    from prompt_toolkit.document import Document

    class Commands(Completer):
        def get_completions(self, document: Document, _: CompleteEvent) -> Iterator[Completion]:
            command, space, begun = document.text_before_cursor.partition(" ")
            known = choices.get(command.lower(), ()) if space else choices
            word = begun if space else command
            if command.startswith("/"):
                for each in known:
                    if each.startswith(word):
                        yield Completion(each, start_position=-len(word))

    return Commands()
