"""What is said where: answers on standard output, everything else on standard error."""

import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.text import Text

from engines.visible_text import visible

_UNWRAPPED = 10_000  # columns of what is no terminal: a line stays a line


def _console(stream: TextIO, *, stderr: bool) -> Console:
    return Console(
        stderr=stderr,
        width=None if stream.isatty() else _UNWRAPPED,
        markup=False,
        highlight=False,
        emoji=False,
    )


OUT = _console(sys.stdout, stderr=False)
ERR = _console(sys.stderr, stderr=True)


def say(message: str, style: str = "") -> None:
    """Tell the user how things go."""
    ERR.print(Text(printable(message), style), soft_wrap=True)


@contextmanager
def waiting(for_what: str) -> Iterator[None]:
    """On a terminal, something moves while nothing else does."""
    with ERR.status(Text(for_what, "dim")):
        yield


def printable(text: str) -> str:
    """Without that by which a document could take over the terminal, or deceive its reader."""
    return visible(text)


def one_line(text: str) -> str:
    return printable(" ".join(text.split()))


def command(config: Path) -> str:
    """How to call kb here, with this configuration."""
    if config.absolute() == Path("config.yaml").absolute():
        return _program()
    return f"{_program()} --config {shlex.quote(str(config))}"


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _program() -> str:
    """By its name only when that is on PATH."""
    called = Path(sys.argv[0])
    if called.name != "kb":
        return f"{sys.executable} -m kb"
    found = shutil.which("kb")
    return "kb" if found and Path(found).samefile(called) else str(called)
