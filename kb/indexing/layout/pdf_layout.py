"""Find the paragraphs and headings of a PDF by the places and sizes of its lines alone."""

import ctypes
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, pairwise
from typing import Final, NamedTuple

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

_WIDE: Final = 1.15  # times the usual leading: the gap above a paragraph, or above its heading
_TOO_WIDE: Final = 1.6  # for the lines of one sentence, however the next one begins
_CELL: Final = 8  # times the usual leading: a cell begins so much above the end of the one before
_SPARE: Final = 2.0  # font sizes to the right of a last line, beside the width of the next word
_FLUSH: Final = 0.1  # font sizes between the ends of lines that a margin aligns
_NEVER_FIRST: Final = frozenset(")]}.,;:!?%»”")
_LARGE: Final = 1.12  # times the size of most text: a heading's
_LONGEST_HEADING: Final = 150
_DEEPEST: Final = 6
_EDGE: Final = 4  # baselines at each edge of a page where running lines may stand
_APART: Final = 1.2  # heights of a line between two of its cells
_LIKE_MARKUP: Final = re.compile(r"#{1,6}(?:\s|$)|(?:=+|-+)\s*$|`{3,}|~{3,}")
"""What would be read as a heading or a fence; four spaces before it take that away."""
_WORD: Final = re.compile(r"\S+")


class Line(NamedTuple):
    """A line of a page, or a table of it; its lengths are in points."""

    text: str
    end: float  # the right edge
    first_word: float
    size: float  # of the font, as the file says it
    top: float  # the baseline of its first character
    bottom: float  # and of its last one, which may stand below: a hyphen joins lines
    start: float = 0.0  # the left edge
    at: int = 0  # the place of its first character on the page
    cells: tuple[str, ...] = ()  # its parts, if wide gaps divide it
    is_table: bool = False  # then the text is a table in Markdown


class Word(NamedTuple):
    """A word of a line with its edges, in points."""

    text: str
    left: float
    right: float


class Layout(NamedTuple):
    """What the pages of a file have in common."""

    leading: float  # from line to line, in font sizes
    levels: Mapping[float, int]  # of headings, by the size of their font


def read_page_lines(page: pdfium.PdfTextPage) -> list[Line]:
    """Return the lines of a page that have text, with their places and sizes.

    Those near the top and the bottom come with their cells.
    """
    lines = list(_find_lines(page, page.get_text_range()))
    baselines = sorted({line.top for line in lines})
    edges = {*baselines[:_EDGE], *baselines[-_EDGE:]}
    return [
        line._replace(cells=_find_cells(page, line)) if line.top in edges else line
        for line in lines
    ]


def find_words(page: pdfium.PdfTextPage, line: Line) -> list[Word]:
    """Return the words of a line with their places."""
    found = []
    for match in _WORD.finditer(line.text):
        first = line.at + _count_utf16_units(line.text[: match.start()])
        last = first + _count_utf16_units(match[0]) - 1
        left = float(page.get_charbox(first, loose=True)[0])
        found.append(Word(match[0], left, _find_right_edge(page, last)))
    return found


def measure_layout(pages: Sequence[Sequence[Line]]) -> Layout:
    """Measure the usual leading and the sizes of headings over all pages of a file."""
    pages = [[line for line in page if not line.is_table] for page in pages]
    return Layout(_measure_usual_leading(pages), _find_heading_levels(chain.from_iterable(pages)))


def page_to_markdown(lines: Sequence[Line], layout: Layout) -> str:
    """Return the text of a page with an empty line between paragraphs and its headings marked."""
    ends = sorted(line.end for line in lines)
    margin = ends[len(ends) * 95 // 100] if ends else 0.0  # a few lines may stand out
    parts: list[str] = []
    for at, line in enumerate(lines):
        level = _find_line_level(line, layout)
        above = lines[at - 1] if at else None
        goes_on = above is not None and level == _find_line_level(above, layout)
        is_apart = line.is_table or (above is not None and above.is_table)
        words = line.text if line.is_table else _LIKE_MARKUP.sub(r"    \g<0>", line.text)
        if goes_on and not is_apart and not _ends_paragraph(lines, at - 1, layout.leading, margin):
            parts += [" " if level else "\n", words]
        else:
            parts += ["\n\n" if above else "", f"{'#' * level} {line.text}" if level else words]
    return "".join(parts)


def _find_lines(page: pdfium.PdfTextPage, text: str) -> Iterator[Line]:
    start = 0
    for line in text.split("\r\n"):
        if words := line.strip():
            first = start + _count_utf16_units(line[: line.index(words)])
            last = first + _count_utf16_units(words) - 1
            first_word = words.split(maxsplit=1)[0]
            left = float(page.get_charbox(first, loose=True)[0])
            right = _find_right_edge(page, first + _count_utf16_units(first_word) - 1)
            yield Line(
                words,
                end=_find_right_edge(page, last),
                first_word=right - left,
                size=_find_font_size(page, first, last),
                top=_find_baseline(page, first),
                bottom=_find_baseline(page, last),
                start=left,
                at=first,
            )
        start += _count_utf16_units(line) + len("\r\n")


def _find_font_size(page: pdfium.PdfTextPage, first: int, last: int) -> float:
    """Return the size of a line, which a single large sign at one end does not make."""
    sizes = (pdfium_c.FPDFText_GetFontSize(page, at) for at in (first, last))
    return round(min(sizes), 1) or 1.0


def _find_cells(page: pdfium.PdfTextPage, line: Line) -> tuple[str, ...]:
    """Return the parts of a line between which there is room for several letters."""
    _, bottom, _, top = page.get_charbox(line.at, loose=True)
    cells: list[str] = []
    end = float("inf")
    for word in find_words(page, line):
        if cells and word.left - end < _APART * (top - bottom):
            cells[-1] += f" {word.text}"
        else:
            cells.append(word.text)
        end = word.right
    return tuple(cells)


def _count_utf16_units(text: str) -> int:
    """Count the units of UTF-16, by which a page numbers its characters."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _find_right_edge(page: pdfium.PdfTextPage, at: int) -> float:
    return float(page.get_charbox(at, loose=True)[2])


def _find_baseline(page: pdfium.PdfTextPage, at: int) -> float:
    x, y = ctypes.c_double(), ctypes.c_double()
    pdfium_c.FPDFText_GetCharOrigin(page, at, x, y)
    return y.value


def _measure_usual_leading(pages: Sequence[Sequence[Line]]) -> float:
    """Return the most frequent leading; of several the smallest, as gaps only add to it."""
    found = Counter(
        round(_measure_leading(*pair), 1)
        for lines in pages
        for pair in pairwise(lines)
        if pair[0].bottom > pair[1].top
    )
    return max(found, key=lambda leading: (found[leading], -leading), default=float("inf"))


def _find_heading_levels(lines: Iterable[Line]) -> dict[float, int]:
    """Return a level for each size of font that is larger than that of most text."""
    sizes: Counter[float] = Counter()
    for line in lines:
        sizes[line.size] += len(line.text)
    most = max(sizes, key=sizes.__getitem__, default=0.0)
    large = sorted((size for size in sizes if size > _LARGE * most), reverse=True)
    return {size: min(level, _DEEPEST) for level, size in enumerate(large, start=1)}


def _find_line_level(line: Line, layout: Layout) -> int:
    """Return the level of a line as a heading, 0 if it is none."""
    is_heading = (
        not line.is_table
        and len(line.text) <= _LONGEST_HEADING
        and any(map(str.isalpha, line.text))
    )
    return layout.levels.get(line.size, 0) if is_heading else 0


def _measure_leading(line: Line, following: Line) -> float:
    """Return the distance from a line to the following one in font sizes."""
    return (line.bottom - following.top) / max(line.size, following.size)


def _ends_paragraph(lines: Sequence[Line], at: int, usual: float, margin: float) -> bool:
    """Tell whether a paragraph ends with a line: by the gap below, or as the next word had room.

    The cells of a table's row stay together.
    """
    line, following = lines[at], lines[at + 1]
    gap = _measure_leading(line, following)
    if gap > _TOO_WIDE * usual:
        return True
    if (
        -_CELL * usual < gap <= 0
        or following.text[0].islower()
        or following.text[0] in _NEVER_FIRST
    ):
        return False
    beside = (*lines[max(at - 1, 0) : at], following)
    is_flush = any(abs(other.end - line.end) <= _FLUSH * line.size for other in beside)
    had_room = line.end + following.first_word + _SPARE * line.size < margin
    return gap > _WIDE * usual or (had_room and not is_flush)
