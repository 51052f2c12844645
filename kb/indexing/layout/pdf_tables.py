"""Find the tables of a PDF by the rules that are drawn around their cells."""

import ctypes
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from kb.indexing.layout.pdf_layout import Line, Word, find_words

_THIN: Final = 2.5  # points; what is thicker is a surface
_NEAR: Final = 3.0  # points between rules that are meant to meet
_LONG: Final = 10.0  # points of a rule at least
_GUTTER: Final = 5.0  # points between columns that no rule parts
_MOST_RULES: Final = 2_000  # of a page; more are a drawing
_MOST_SEGMENTS: Final = 100  # of a path; more are a curve
_FEWEST: Final = 2  # rows and columns of a table
_LONGEST_CELL: Final = 1_000  # characters; more are a page in a frame


class Table(NamedTuple):
    """A table in Markdown, with the places of the lines that it stands for."""

    markdown: str
    lines: frozenset[int]  # the `at` of each


class _Rule(NamedTuple):
    """A thin line that is drawn along one axis."""

    left: float
    bottom: float
    right: float
    top: float

    @property
    def is_horizontal(self) -> bool:
        return self.right - self.left >= self.top - self.bottom

    def meets(self, other: "_Rule") -> bool:
        return (
            self.left - _NEAR <= other.right
            and other.left - _NEAR <= self.right
            and self.bottom - _NEAR <= other.top
            and other.bottom - _NEAR <= self.top
        )


class _PlacedWord(NamedTuple):
    word: Word
    line: Line

    @property
    def middle(self) -> float:
        return (self.word.left + self.word.right) / 2


class _Grid(NamedTuple):
    """The bounds of rows, from the top, and of columns, from the left."""

    rows: tuple[float, ...]
    columns: tuple[float, ...]
    walls: tuple[_Rule, ...] = ()  # rules between columns; where one is missing, a cell spans them

    def find_column(self, placed: _PlacedWord) -> int:
        """Return the column of a word, the first one of a cell that spans several."""
        inner = self.columns[1:-1]
        column = bisect_right(inner, placed.middle)
        height = _find_height(placed.line)
        while self.walls and column and not self._has_wall(inner[column - 1], height):
            column -= 1
        return column

    def _has_wall(self, place: float, height: float) -> bool:
        return any(
            abs((wall.left + wall.right) / 2 - place) <= _NEAR and wall.bottom < height < wall.top
            for wall in self.walls
        )


def find_tables(
    page: pdfium.PdfPage, text_page: pdfium.PdfTextPage, lines: Sequence[Line]
) -> list[Table]:
    """Return the tables of a page; what only looks like one stays text."""
    rules = list(_find_rules(page))
    if not 1 < len(rules) <= _MOST_RULES:
        return []
    groups = _group_rules(rules)
    found = [_make_grid(group) for group in groups if len(group) > 1]
    single = sorted((group[0] for group in groups if len(group) == 1), key=lambda rule: -rule.top)
    tables = [_read_grid(grid, text_page, lines) for grid in found if grid]
    tables += _find_tables_between_rules([r for r in single if r.is_horizontal], text_page, lines)
    return [table for table in tables if table]


def place_tables(lines: Sequence[Line], tables: Sequence[Table]) -> list[Line]:
    """Put each table in the place of its lines, if all of these are still there."""
    present = {line.at for line in lines}
    whole = [table for table in tables if table.lines <= present]
    starts = {min(table.lines): table for table in whole}
    replaced = frozenset[int]().union(*(table.lines for table in whole))
    placed = []
    for line in lines:
        if table := starts.get(line.at):
            placed.append(line._replace(text=table.markdown, is_table=True))
        elif line.at not in replaced:
            placed.append(line)
    return placed


def _find_rules(page: pdfium.PdfPage) -> Iterator[_Rule]:
    """Yield what is drawn on a page as thin lines."""
    for at in range(pdfium_c.FPDFPage_CountObjects(page)):
        drawn = pdfium_c.FPDFPage_GetObject(page, at)
        if pdfium_c.FPDFPageObj_GetType(drawn) == pdfium_c.FPDF_PAGEOBJ_PATH:
            bounds = [ctypes.c_float() for _ in range(4)]
            pdfium_c.FPDFPageObj_GetBounds(drawn, *bounds)
            rule = _Rule(*(bound.value for bound in bounds))
            if min(rule.right - rule.left, rule.top - rule.bottom) > _THIN:
                yield from _find_sides(drawn)
            elif max(rule.right - rule.left, rule.top - rule.bottom) > _NEAR:
                yield rule


def _find_sides(path: pdfium_c.FPDF_PAGEOBJECT) -> Iterator[_Rule]:
    """Yield the straight lines of a path that is stroked."""
    fill, stroke = ctypes.c_int(), ctypes.c_int()
    pdfium_c.FPDFPath_GetDrawMode(path, fill, stroke)
    count = pdfium_c.FPDFPath_CountSegments(path)
    if not stroke.value or count > _MOST_SEGMENTS:
        return
    matrix = pdfium_c.FS_MATRIX()
    pdfium_c.FPDFPageObj_GetMatrix(path, matrix)
    points = [_find_point(path, at, matrix) for at in range(count)]
    for (x1, y1, _), (x2, y2, is_line) in pairwise(points):
        rule = _Rule(min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))
        if is_line and min(rule.right - rule.left, rule.top - rule.bottom) <= _THIN:
            yield rule


def _find_point(
    path: pdfium_c.FPDF_PAGEOBJECT, at: int, matrix: pdfium_c.FS_MATRIX
) -> tuple[float, float, bool]:
    """Return where a segment of a path ends on the page, and whether it is a straight line."""
    segment = pdfium_c.FPDFPath_GetPathSegment(path, at)
    x, y = ctypes.c_float(), ctypes.c_float()
    pdfium_c.FPDFPathSegment_GetPoint(segment, x, y)
    is_line = pdfium_c.FPDFPathSegment_GetType(segment) == pdfium_c.FPDF_SEGMENT_LINETO
    return (
        matrix.a * x.value + matrix.c * y.value + matrix.e,
        matrix.b * x.value + matrix.d * y.value + matrix.f,
        is_line,
    )


def _group_rules(rules: Sequence[_Rule]) -> list[list[_Rule]]:
    """Group the rules that meet, directly or by others; from the top of the page."""
    groups: list[tuple[_Rule, list[_Rule]]] = []  # with what surrounds each
    for rule in sorted(rules, key=lambda rule: -rule.top):
        together, box = [rule], rule
        apart = []
        for around, members in groups:
            if around.meets(rule) and any(rule.meets(member) for member in members):
                together += members
                box = _Rule(
                    min(box.left, around.left),
                    min(box.bottom, around.bottom),
                    max(box.right, around.right),
                    max(box.top, around.top),
                )
            else:
                apart.append((around, members))
        groups = [*apart, (box, together)]
    return [members for _, members in groups]


def _make_grid(rules: Sequence[_Rule]) -> _Grid | None:
    """Return the grid that rules draw which meet; None if it has less than two columns or rows."""
    across = [rule for rule in rules if rule.is_horizontal]
    down = [rule for rule in rules if not rule.is_horizontal]
    if not across or not down:
        return None
    edges = [edge for rule in across for edge in (rule.left, rule.right)]
    outer = (min(edges), max(edges))
    columns = _merge_near([(rule.left + rule.right) / 2 for rule in down])
    columns = _merge_near([*columns, *(edge for edge in outer if _is_apart(edge, columns))])
    heights = [(rule.top + rule.bottom) / 2 for rule in across]
    ends = [max(rule.top for rule in down), min(rule.bottom for rule in down)]
    rows = _merge_near([*heights, *(end for end in ends if _is_apart(end, heights))])[::-1]
    return (
        _Grid(tuple(rows), tuple(columns), tuple(down))
        if min(len(rows), len(columns)) > _FEWEST
        else None
    )


def _is_apart(place: float, others: Sequence[float]) -> bool:
    return all(abs(place - other) > 2 * _NEAR for other in others)


def _merge_near(places: Sequence[float]) -> list[float]:
    """Return places in order, of those near to each other only the first."""
    merged: list[float] = []
    for place in sorted(places):
        if not merged or place - merged[-1] > _NEAR:
            merged.append(place)
    return merged


def _read_grid(grid: _Grid, text_page: pdfium.PdfTextPage, lines: Sequence[Line]) -> Table | None:
    """Return the table in a grid, None where its lines go beyond it or fill no two columns."""
    inside = _find_lines_inside(grid, lines)
    words = [_PlacedWord(word, line) for line in inside for word in find_words(text_page, line)]
    left, right = grid.columns[0] - _NEAR, grid.columns[-1] + _NEAR
    if any(not left <= placed.middle <= right for placed in words):
        return None
    bands = [
        [placed for placed in words if below < _find_height(placed.line) <= above]
        for above, below in pairwise(grid.rows)
    ]
    bands = [band for band in bands if band]
    if len(bands) <= _FEWEST:  # rules only below the header
        bands = [*bands[:1], *(row for band in bands[1:] for row in _split_band(band, grid))]
    return _rows_to_table([_band_to_cells(band, grid) for band in bands], inside)


def _find_lines_inside(grid: _Grid, lines: Sequence[Line]) -> list[Line]:
    """Return the lines between the first and the last rule, not those beside them."""
    return [
        line
        for line in lines
        if grid.rows[-1] < _find_height(line) < grid.rows[0]
        and line.end > grid.columns[0]
        and line.start < grid.columns[-1]
    ]


def _find_height(line: Line) -> float:
    """Return a height that is surely within the line: rules are drawn near to baselines."""
    return line.top + _NEAR / 2


def _split_band(band: Sequence[_PlacedWord], grid: _Grid) -> Iterator[list[_PlacedWord]]:
    """Yield the rows of a band, each of which begins with a line that fills the first column."""
    row: list[_PlacedWord] = []
    heights = sorted({round(placed.line.top) for placed in band}, reverse=True)
    for height in heights:
        words = [placed for placed in band if round(placed.line.top) == height]
        if row and any(grid.find_column(placed) == 0 for placed in words):
            yield row
            row = []
        row += words
    if row:
        yield row


def _band_to_cells(band: Sequence[_PlacedWord], grid: _Grid) -> list[str]:
    """Return the text of every column of a row; its lines from above to below."""
    cells: list[list[_PlacedWord]] = [[] for _ in grid.columns[1:]]
    for placed in sorted(band, key=lambda placed: (-round(placed.line.top), placed.word.left)):
        cells[grid.find_column(placed)].append(placed)
    return [" ".join(placed.word.text for placed in cell) for cell in cells]


def _rows_to_table(rows: list[list[str]], lines: Sequence[Line]) -> Table | None:
    """Write a table in Markdown, None unless two rows and two columns of it are filled."""
    filled = [at for at in range(len(rows[0]) if rows else 0) if any(row[at] for row in rows)]
    rows = [[row[at].replace("|", "\\|") for at in filled] for row in rows]
    too_long = any(len(cell) > _LONGEST_CELL for row in rows for cell in row)
    if min(len(rows), len(filled)) < _FEWEST or too_long:
        return None
    header, *others = [f"| {' | '.join(row)} |" for row in rows]
    markdown = "\n".join([header, "|" + " --- |" * len(filled), *others])
    return Table(markdown, frozenset(line.at for line in lines))


def _find_tables_between_rules(
    rules: Sequence[_Rule], text_page: pdfium.PdfTextPage, lines: Sequence[Line]
) -> Iterator[Table | None]:
    """Yield the tables between three rules or more of one length whose columns are only apart."""
    at = 0
    while at + 2 < len(rules):
        best: tuple[int, Table] | None = None
        for last in range(at + 2, len(rules)):
            if not _are_aligned(rules[at], rules[last]):
                break
            heights = tuple((rule.top + rule.bottom) / 2 for rule in rules[at : last + 1])
            columns = _find_columns(rules[at], heights, text_page, lines)
            table = columns and _read_grid(_Grid(heights, columns), text_page, lines)
            if table:
                best = last, table
        if best:
            at = best[0]
            yield best[1]
        at += 1


def _are_aligned(rule: _Rule, other: _Rule) -> bool:
    return abs(rule.left - other.left) < _NEAR and abs(rule.right - other.right) < _NEAR


def _find_columns(
    rule: _Rule,
    heights: Sequence[float],
    text_page: pdfium.PdfTextPage,
    lines: Sequence[Line],
) -> tuple[float, ...]:
    """Return the bounds of columns, where no word stands in any line; () if there is one."""
    inside = _find_lines_inside(_Grid(tuple(heights), (rule.left, rule.right)), lines)
    words = sorted(
        (word.left, word.right) for line in inside for word in find_words(text_page, line)
    )
    bounds, end = [rule.left], float("inf")
    for left, right in words:
        if left - end > _GUTTER:
            bounds.append((left + end) / 2)
        end = max(end, right) if end != float("inf") else right
    return (*bounds, rule.right) if len(bounds) > 1 else ()
