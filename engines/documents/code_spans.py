"""Spans of code in a line of Markdown, as far as nothing else can make them anything else."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

_TICKS: Final = re.compile(r"\\.|`+", re.DOTALL)


@dataclass(frozen=True)
class Code:
    """Text between two runs of as many backticks, on one line and in one cell."""

    begin: int
    end: int
    ticks: int
    inner: str

    def is_sure(self, lone: Collection[int]) -> bool:
        """Whether runs of these lengths, which wait for their ends before it, leave it alone."""
        return self.ticks not in lone and not (lone and "`" in self.inner)


def runs(text: str, begin: int = 0) -> Iterator[re.Match[str]]:
    """Of backticks, as far as no backslash takes the meaning from them."""
    return (run for run in _TICKS.finditer(text, begin) if run[0][0] == "`")


def next_code(text: str, begin: int, lone: Collection[int]) -> Code | None:
    """The next one that is sure."""
    waiting = set(lone)
    for run in runs(text, begin):
        code = _closed(text, run)
        if code and code.is_sure(waiting):
            return code
        waiting.add(len(run[0]))
    return None


def open_code(text: str, lone: Collection[int]) -> int:
    """Where the code begins that what follows may close; else the end of the text."""
    run = next(runs(text), None)
    while run:
        code = _closed(text, run)
        if code is None and len(run[0]) not in lone and "|" not in text[run.end() :]:
            return run.start()
        run = next(runs(text, code.end if code else run.end()), None)
    return len(text)


def _closed(text: str, run: re.Match[str]) -> Code | None:
    ticks = len(run[0])
    end = re.compile(rf"(?<!`)`{{{ticks}}}(?!`)").search(text, run.end())
    if end is None or "|" in (inner := text[run.end() : end.start()]):
        return None
    return Code(run.start(), end.end(), ticks, inner)
