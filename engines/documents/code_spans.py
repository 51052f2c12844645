"""Spans of code in a line of Markdown that nothing around them can turn into text."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from engines.visible_text import make_visible

_TICKS: Final = re.compile(r"\\.|`+", re.DOTALL)


@dataclass(frozen=True)
class Code:
    """Text between two runs of as many backticks, on one line and in one cell."""

    begin: int
    end: int
    ticks: int
    inner: str

    def is_sure(self, lone: Collection[int]) -> bool:
        """Tell whether the span stays code after open runs of backticks of these lengths."""
        return self.ticks not in lone and not (lone and "`" in self.inner)


def write_code(text: str) -> str:
    """Write a text as code, as it is but on one line."""
    shown = make_visible(text)
    ticks = choose_ticks(shown, 1)
    space = " " if "`" in shown or shown != shown.strip() else ""
    return f"{ticks}{space}{' '.join(shown.split()) or ' '}{space}{ticks}"


def choose_ticks(text: str, least: int) -> str:
    """Return more backticks in a row than the text has."""
    return "`" * max([least, *(len(run) + 1 for run in re.findall("`+", text))])


def find_backticks(text: str, begin: int = 0) -> Iterator[re.Match[str]]:
    """Yield the runs of backticks in a text that no backslash escapes."""
    return (run for run in _TICKS.finditer(text, begin) if run[0][0] == "`")


def find_next_code(text: str, begin: int, lone: Collection[int]) -> Code | None:
    """Return the next span that is code whatever the `lone` runs of backticks before it mean."""
    waiting = set(lone)
    for run in find_backticks(text, begin):
        code = _close_code(text, run)
        if code and code.is_sure(waiting):
            return code
        waiting.add(len(run[0]))
    return None


def find_open_code(text: str, lone: Collection[int]) -> int:
    """Return where a span begins that later text may close; else the end of the text."""
    run = next(find_backticks(text), None)
    while run:
        code = _close_code(text, run)
        if code is None and len(run[0]) not in lone and "|" not in text[run.end() :]:
            return run.start()
        run = next(find_backticks(text, code.end if code else run.end()), None)
    return len(text)


def _close_code(text: str, run: re.Match[str]) -> Code | None:
    """Return the span that a run of backticks opens, None where nothing closes it."""
    ticks = len(run[0])
    end = re.compile(rf"(?<!`)`{{{ticks}}}(?!`)").search(text, run.end())
    if end is None or "|" in (inner := text[run.end() : end.start()]):
        return None
    return Code(run.start(), end.end(), ticks, inner)
