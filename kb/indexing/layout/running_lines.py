"""Remove headers, footers and page numbers, which repeat and cut the sentences of pages in two."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, takewhile
from typing import Final, Literal, NamedTuple

_DEPTH: Final = 3  # lines at the top and at the bottom where they stand
_FEWEST: Final = 3  # pages that make a habit; two do for a line that says that it counts pages
_LONGEST: Final = 200  # characters of a line
_NUMBERS: Final = 6  # in a line at most
_NUMBER: Final = re.compile(r"(?<!\w)\d{1,4}(?!\w)")
_SAYS_PAGE: Final = re.compile(r"\b(?:page|seite|p[aá]gina|p\.)", re.IGNORECASE)

_Edge = Literal["top", "bottom"]


class _Habit(NamedTuple):
    """What a line has in common with those of other pages."""

    edge: _Edge
    words: str
    ahead: int | None  # how far a number in it is ahead of the page; None when it stays the same

    def is_running(self, times: int, pages: int) -> bool:
        """Tell whether most pages have this, and a text could not begin or end with it."""
        if times * 2 <= pages:
            return False
        if self.ahead is not None and _SAYS_PAGE.search(self.words):
            return times > 1
        has_letters = any(map(str.isalpha, self.words))
        is_furniture = self.ahead is None or self.edge == "bottom" or not has_letters
        return times >= _FEWEST and is_furniture


def remove_running_lines(pages: Sequence[str]) -> list[str]:
    """Remove lines that count the pages; others that repeat stay on the first page that has them.

    A page that holds nothing else stays as it is.
    """
    seen: Counter[_Habit] = Counter()
    for number, page in enumerate(pages, start=1):
        lines = chain.from_iterable(_find_edges(page, number))
        seen.update({habit for _, habits in lines for habit in habits})
    filled = sum(bool(page.strip()) for page in pages)
    running = {habit for habit, times in seen.items() if habit.is_running(times, filled)}
    met_before: set[_Habit] = set()
    return [
        _remove_from_page(page, number, running, met_before)
        for number, page in enumerate(pages, start=1)
    ]


def _find_edges(page: str, number: int) -> Iterator[list[tuple[int, set[_Habit]]]]:
    """Yield the lines of the top, then those of the bottom, by their places from the edge in."""
    lines = page.split("\n")
    filled = [at for at, line in enumerate(lines) if line.strip()]
    outermost: dict[_Edge, list[int]] = {"top": filled[:_DEPTH], "bottom": filled[::-1][:_DEPTH]}
    for edge, places in outermost.items():
        yield [(at, set(_find_line_habits(lines[at], number, edge))) for at in places]


def _find_line_habits(line: str, page: int, edge: _Edge) -> Iterator[_Habit]:
    """Yield what other pages may have in common with a line: its words, or all but one number."""
    words = " ".join(line.split())
    numbers = list(_NUMBER.finditer(words))
    if len(words) > _LONGEST or len(numbers) > _NUMBERS:
        return
    yield _Habit(edge, words, None)
    for number in numbers:
        rest = words[: number.start()] + words[number.end() :]
        yield _Habit(edge, " ".join(rest.split()), int(number[0]) - page)


def _remove_from_page(page: str, number: int, running: set[_Habit], met_before: set[_Habit]) -> str:
    """Remove running lines; those that count no pages stay on the page that has them first."""
    gone: set[int] = set()
    for edge in _find_edges(page, number):
        for at, habits in takewhile(lambda line: line[1] & running, edge):
            found = habits & running
            if found <= met_before or any(habit.ahead is not None for habit in found):
                gone.add(at)
            met_before |= found
    text = "\n".join(line for at, line in enumerate(page.split("\n")) if at not in gone)
    return text.strip("\n") if gone and text.strip() else page
