"""The terminal: answers go to standard output, everything else to standard error."""

import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.text import Text

from engines.visible_text import make_visible
from kb.cli.language import translate_message

_UNWRAPPED = 10_000  # columns of what is no terminal: a line stays a line


def _make_console(stream: TextIO, *, stderr: bool) -> Console:
    return Console(
        stderr=stderr,
        width=None if stream.isatty() else _UNWRAPPED,
        markup=False,
        highlight=False,
        emoji=False,
    )


OUT = _make_console(sys.stdout, stderr=False)
ERR = _make_console(sys.stderr, stderr=True)


def say(message: str, style: str = "") -> None:
    """Tell the user on standard error how things go."""
    ERR.print(Text(make_printable(translate_message(message)), style), soft_wrap=True)


@contextmanager
def show_waiting(for_what: str) -> Iterator[None]:
    """Show on a terminal that something goes on, while nothing else moves."""
    with ERR.status(Text(for_what, "dim")):
        yield


def make_printable(text: str) -> str:
    """Remove that by which a document could take over the terminal, or deceive its reader."""
    return make_visible(text)


def fit_on_one_line(text: str) -> str:
    """Join the lines of a text to one, and make it printable."""
    return make_printable(" ".join(text.split()))


def kb_command(config: Path) -> str:
    """Return the command by which kb is called here, with this configuration."""
    if config.absolute() == Path("config.yaml").absolute():
        return _program_name()
    return f"{_program_name()} --config {shlex.quote(str(config))}"


def _program_name() -> str:
    """Return how the program is called: by its name only when that is on PATH."""
    called = Path(sys.argv[0])
    if called.name != "kb":
        return f"{sys.executable} -m kb"
    found = shutil.which("kb")
    return "kb" if found and Path(found).samefile(called) else str(called)
