"""What is English in a text that is to be French, as far as the catalogue knows it."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import messages
import pytest
from rich.console import Console

from kb.cli.language import terminal_language

HOLE = re.compile(r"\\\{\w*(?:![a-z])?(?::[^{}]*)?\\\}")


@contextmanager
def speak_french() -> Iterator[None]:
    """Let the terminal's language be French, which a process chooses once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KB_LANGUAGE", "fr")
        terminal_language.cache_clear()
        yield
    terminal_language.cache_clear()


def wide_screen() -> Console:
    """A console whose lines are not wrapped, so that a text stays in one piece."""
    return Console(file=io.StringIO(), width=10_000, markup=False, highlight=False)


def shown_on(screen: Console) -> str:
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue()


def find_english(text: str) -> list[str]:
    """Find the English texts of the catalogue that stand in a text, or are a line of it."""
    return [
        english
        for english, french in _texts()
        if english != french and re.search(_pattern(english), text, re.MULTILINE)
    ]


def _texts() -> Iterator[tuple[Any, Any]]:
    for message in messages.read_catalogue("fr"):
        if message.id and message.context is None:
            forms = (message.id, message.string)
            yield from zip(*forms, strict=True) if message.pluralizable else [forms]


def _pattern(english: str) -> str:
    """Write what finds a text: a short one is found as words of their own."""
    words = HOLE.sub(r"\\S(?:.*?\\S)?", re.escape(english))
    return rf"(?<![\w/.-]){words}(?![\w/-])"
