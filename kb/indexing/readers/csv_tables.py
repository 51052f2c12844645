"""Read CSV and TSV: every record becomes a line of `column: value`."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

from kb.indexing.charset import read_text_file
from kb.indexing.document import MAX_TEXT, Extract, Section

DELIMITERS = ",;\t|"
SAMPLE = 50
NUMBER = re.compile(r"[-+]?[\d\s.,:/%€$£-]+")


def read(path: Path) -> Extract:
    text = read_text_file(path)
    csv.field_size_limit(MAX_TEXT)
    best = max(DELIMITERS, key=lambda delimiter: _measure_evenness(text, delimiter))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=best)
    records = list(reader)
    one_line_each = reader.line_num == len(records)
    section = Section("\n".join(records_to_lines(records)), first_line=1 if one_line_each else None)
    return Extract(kind="rows", sections=(section,))


def records_to_lines(records: Sequence[Sequence[str]]) -> list[str]:
    """Return a line for every record: titles as they are, the column names as an empty one."""
    widths = [len(_list_filled_cells(record)) for record in records[:SAMPLE]]
    start = next((at for at, width in enumerate(widths) if width > 1), 0)  # below the titles
    titles = [" ".join(_list_filled_cells(record)) for record in records[:start]]
    if not _begins_with_column_names(records[start:]):
        return titles + [cells_to_line(enumerate_columns(record)) for record in records[start:]]
    names = [  # a `#` in front would make the line a heading
        " ".join(name.split()).lstrip("# ") or f"column {number}"
        for number, name in enumerate(records[start], start=1)
    ]
    lines = [*titles, ""]
    for record in records[start + 1 :]:
        beyond = enumerate_columns(record)[len(names) :]
        lines.append(cells_to_line([*zip(names, record, strict=False), *beyond]))
    return lines


def cells_to_line(cells: Iterable[tuple[str, str]]) -> str:
    """Return one line of `name: value` for the cells that are filled."""
    flat = ((name, " ".join(value.split())) for name, value in cells)
    return "; ".join(f"{name}: {value}" for name, value in flat if value)


def enumerate_columns(record: Sequence[str]) -> list[tuple[str, str]]:
    """Name the cells of a record that has no column names: `column 1`, `column 2`."""
    return [(f"column {number}", value) for number, value in enumerate(record, start=1)]


def _list_filled_cells(record: Sequence[str]) -> list[str]:
    return [cell.strip() for cell in record if cell.strip()]


def _begins_with_column_names(records: Sequence[Sequence[str]]) -> bool:
    """Tell whether the first of several records holds distinct names and no numbers."""
    names = _list_filled_cells(records[0]) if len(records) > 1 else []
    return (
        len(names) > 0
        and len(set(names)) == len(names)
        and not any(NUMBER.fullmatch(name) for name in names)
    )


def _measure_evenness(text: str, delimiter: str) -> tuple[float, int]:
    """Return how large a share of the first records has the usual number of cells, and this."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    widths = Counter(len(record) for record in islice(reader, SAMPLE) if record)
    width, count = widths.most_common(1)[0]
    return (count / widths.total() if width > 1 else 0.0, width)
