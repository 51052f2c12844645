"""How text is laid out on a terminal: wrapped between words, shortened, and in tables."""

import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

_SIGNIFICANT = 0.05
_AFTER_SPACE = re.compile(r"(?<=\s)")


def format_p_value(p_value: float) -> str:
    """Write the probability that a difference is chance; a star marks what is significant."""
    return f"{p_value:.4f}{'*' if p_value < _SIGNIFICANT else ''}"


def make_table(*headings: str, **options: Any) -> Table:
    """Make a table without borders."""
    return Table(*headings, box=None, header_style="bold", pad_edge=False, **options)


def wrap_pieces(pieces: Iterable[str], width: int) -> Iterator[str]:
    """Break the lines of a text that comes in pieces; a word waits until it is whole."""
    column, unfinished = 0, ""
    for piece in chain(pieces, [" "]):
        *words, unfinished = _AFTER_SPACE.split(unfinished + piece)
        for word in words:
            if column and column + cell_len(word.rstrip()) >= width:
                yield "\n"
                column = 0
            yield word
            column = 0 if word.endswith("\n") else column + cell_len(word)


def show_wrapped(console: Console, text: Text, *, indent: int = 0, hanging: int = 0) -> None:
    """Print a text wrapped between words; `hanging` indents all lines but the first some more."""
    margin = " " * indent
    for line in text.wrap(console, max(console.width - indent - hanging, 20)):
        line.rstrip()
        console.print(Text(margin) + line, soft_wrap=True)
        margin = " " * (indent + hanging)
