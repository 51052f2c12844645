"""Remove headers, footers and page numbers, which repeat and cut the sentences of pages in two."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Final, Literal, NamedTuple

from kb.indexing.layout.pdf_layout import Line

_DEPTH: Final = 3  # rows at the top and at the bottom where they stand
_FEWEST: Final = 3  # pages that make a habit; two do for a line that says that it counts pages
_LONGEST: Final = 200  # characters of a row
_NUMBERS: Final = 6  # in a row at most
_FEW: Final = 0.1  # share of the pages that agree on where numbers begin
_SAME_BASELINE: Final = 2.0  # points
_NUMBER: Final = re.compile(r"(?<!\w)\d{1,4}(?!\w)")
_SAYS_PAGE: Final = re.compile(r"\b(?:page|seite|p[aá]gina|p\.)", re.IGNORECASE)
_PAGE_NUMBER: Final = re.compile(
    r"[-–—\[(|]?\s*"  # noqa: RUF001 - dashes are meant
    r"(?:(?P<arabic>\d{1,4})(?:\s*(?:/|\||of|sur|von|de)\s*\d{1,4})?"
    r"|(?P<roman>m{0,3}(?:cm|cd|d?c{0,3})(?:xc|xl|l?x{0,3})(?:ix|iv|v?i{0,3})))\s*[-–—\])|]?",  # noqa: RUF001 - dashes are meant
    re.IGNORECASE,
)
"""A cell that says nothing but the number of its page."""
_ROMAN: Final = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100, "d": 500, "m": 1000}
_LEADERS: Final = re.compile(r"(?:\s*\.){2,}\s*\w+$")  # of a table of contents

_Edge = Literal["top", "bottom"]


class _Row(NamedTuple):
    """What stands on the outermost baseline of a page."""

    edge: _Edge
    page: int
    baseline: float
    cells: tuple[str, ...]
    places: frozenset[int]  # of its lines on the page

    @property
    def text(self) -> str:
        return " ".join(self.cells)

    @property
    def words(self) -> str:
        """Return the letters and figures of the row."""
        return _spell_plainly(self.text)

    def find_counts(self) -> Iterator[tuple[str, int]]:
        """Yield how far page numbers in cells of their own are ahead of the page, by numerals."""
        for cell in self.cells:
            if len(cell) > 1 or cell.isalnum():
                found = _PAGE_NUMBER.fullmatch(cell)
                if found and found["arabic"]:
                    yield "arabic", int(found["arabic"]) - self.page
                elif found and found["roman"]:
                    yield "roman", _roman_to_number(found["roman"]) - self.page

    def find_habits(self) -> Iterator[tuple[_Edge, str, int]]:
        """Yield its words but for one number, with how far this is ahead of the page."""
        words = " ".join(self.text.split())
        numbers = list(_NUMBER.finditer(words))
        if len(words) <= _LONGEST and len(numbers) <= _NUMBERS:
            for number in numbers:
                rest = words[: number.start()] + words[number.end() :]
                yield self.edge, " ".join(rest.split()), int(number[0]) - self.page


class _Evidence(NamedTuple):
    """What rows are known by as running."""

    counts: frozenset[tuple[str, int]]
    habits: frozenset[tuple[_Edge, str, int]]
    neighbours: Mapping[int, str]  # the words of the rows at this edge, by page
    elsewhere: frozenset[str]  # the lines of the text, such as headings

    def is_counted(self, row: _Row) -> bool:
        """Tell whether a row counts the pages."""
        return not (self.counts.isdisjoint(row.find_counts())) or not (
            self.habits.isdisjoint(row.find_habits())
        )

    def is_repeated(self, row: _Row) -> bool:
        """Tell whether pages near by have the same words at this edge, or a heading has them."""
        near = (self.neighbours.get(row.page + step) for step in (-2, -1, 1, 2))
        return bool(row.words) and (row.words in self.elsewhere or row.words in near)


def remove_running_lines(pages: Sequence[Sequence[Line]]) -> list[list[Line]]:
    """Remove lines that count the pages, and the names of chapters and titles at their edges.

    Words that stand nowhere else stay on the first page that has them, and where they are all.
    """
    left = [list(page) for page in pages]
    kept: dict[str, int] = {}
    for _ in range(_DEPTH):
        rows = [*_find_rows(left, "top"), *_find_rows(left, "bottom")]
        gone = {(row.page, at) for row in _find_running_rows(left, rows, kept) for at in row.places}
        left = [
            [line for at, line in enumerate(page) if (number, at) not in gone]
            for number, page in enumerate(left, start=1)
        ]
    return left if any(left) else [list(page) for page in pages]


def _find_rows(pages: Sequence[Sequence[Line]], edge: _Edge) -> Iterator[_Row]:
    """Yield the outermost row of every page at an edge."""
    choose = max if edge == "top" else min
    for number, page in enumerate(pages, start=1):
        if page:
            outermost = choose(line.top for line in page)
            at_edge = [
                at for at, line in enumerate(page) if abs(line.top - outermost) <= _SAME_BASELINE
            ]
            lines = sorted((page[at] for at in at_edge), key=lambda line: line.start)
            cells = chain.from_iterable(line.cells or (line.text,) for line in lines)
            yield _Row(edge, number, outermost, tuple(cells), frozenset(at_edge))


def _find_running_rows(
    pages: Sequence[Sequence[Line]], rows: Sequence[_Row], kept: dict[str, int]
) -> Iterator[_Row]:
    """Yield the rows to remove; `kept` are words that stand nowhere else, with their first page."""
    filled = sum(map(bool, pages))
    counts, habits = _find_established_counts(rows, filled), _find_established_habits(rows, filled)
    elsewhere = _find_other_lines(pages, rows)
    for edge in ("top", "bottom"):
        at_edge = [row for row in rows if row.edge == edge]
        neighbours = {row.page: row.words for row in at_edge}
        evidence = _Evidence(counts, habits, neighbours, elsewhere)
        counted = {row.page for row in at_edge if evidence.is_counted(row)}
        proven = [row for row in at_edge if row.page in counted or evidence.is_repeated(row)]
        are_most = len(proven) >= _FEWEST and len(proven) * 2 > filled
        baselines = _find_usual_baselines(proven) if are_most else set()
        for row in at_edge:
            is_usual = round(row.baseline) in baselines or (baselines and row in proven)
            is_all = len(row.places) == len(pages[row.page - 1])
            if row.page in counted or (
                is_usual
                and not is_all
                and (row.words in elsewhere or kept.setdefault(row.words, row.page) != row.page)
            ):
                yield row


def _find_established_counts(rows: Sequence[_Row], filled: int) -> frozenset[tuple[str, int]]:
    """Return how far page numbers are ahead of the pages, where enough pages agree."""
    by_page = {(row.page, count) for row in rows for count in row.find_counts()}
    seen = Counter(count for _, count in by_page)
    return frozenset(count for count, times in seen.items() if times >= max(_FEWEST, _FEW * filled))


def _find_established_habits(
    rows: Sequence[_Row], filled: int
) -> frozenset[tuple[_Edge, str, int]]:
    """Return what most pages have in common but for a number that counts them.

    A text may begin so at the top, unless it says that this is the page.
    """
    seen = Counter(habit for row in rows for habit in set(row.find_habits()))
    return frozenset(
        habit
        for habit, times in seen.items()
        if times * 2 > filled
        and (
            (times > 1 and _SAYS_PAGE.search(habit[1]))
            or (times >= _FEWEST and habit[0] == "bottom")
        )
    )


def _find_usual_baselines(rows: Sequence[_Row]) -> set[int]:
    """Return where many of the rows stand."""
    seen = Counter(round(row.baseline) for row in rows)
    return {place for place, times in seen.items() if times >= max(_FEWEST, _FEW * len(rows))}


def _find_other_lines(pages: Sequence[Sequence[Line]], rows: Sequence[_Row]) -> frozenset[str]:
    """Return the lines within the pages as they are compared, without numbers of pages."""
    outermost = {(row.page, at) for row in rows for at in row.places}
    lines = (
        line.text
        for number, page in enumerate(pages, start=1)
        for at, line in enumerate(page)
        if (number, at) not in outermost and len(line.text) <= _LONGEST
    )
    return frozenset(
        _spell_plainly(_LEADERS.sub("", line) if ".." in line or ". ." in line else line)
        for line in lines
    )


def _spell_plainly(text: str) -> str:
    return "".join(filter(str.isalnum, text)).casefold()


def _roman_to_number(numeral: str) -> int:
    values = [_ROMAN[letter] for letter in numeral.lower()]
    return sum(
        -value if value < following else value
        for value, following in zip(values, [*values[1:], 0], strict=True)
    )
