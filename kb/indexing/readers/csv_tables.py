"""Read CSV and TSV: every record becomes a line of `column: value`."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

from kb.indexing.charset import decode_text, read_text_file
from kb.indexing.document import MAX_TEXT, Bookmark, Extract, Section

DELIMITERS = ",;\t|"
SAMPLE = 50
_FIRST_LINES = 200
NUMBER = re.compile(r"[-+]?[\d\s.,:/%€$£-]+")


def read(path: Path) -> Extract:
    return _records_to_extract(read_text_file(path), Bookmark())


def find_part_end(lines: Sequence[bytes]) -> int:
    """End a part where its last record begins: quoted, it may go on in the lines behind."""
    csv.field_size_limit(MAX_TEXT)
    text = [line.decode("latin-1") for line in lines]  # quotes and delimiters are what they are
    reader = csv.reader(text, delimiter=_choose_delimiter("".join(text[:_FIRST_LINES])))
    begins = [0, *(reader.line_num for _ in reader)]
    return begins[-2] if len(begins) > 1 else 0


def read_slice(data: bytes, start: Bookmark) -> Extract:
    return _records_to_extract(decode_text(data), start)


def _records_to_extract(text: str, start: Bookmark) -> Extract:
    """Read the records of a file, or of a part of one whose columns were named before."""
    csv.field_size_limit(MAX_TEXT)
    delimiter = start.carried.get("delimiter") or _choose_delimiter(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    records = list(reader)
    one_line_each = reader.line_num == len(records)
    names = start.carried.get("names")
    if start.carried:
        lines = [_record_to_line(record, names) for record in records]
    else:
        lines, names = _name_records(records)
    section = Section("\n".join(lines), first_line=start.line if one_line_each else None)
    carried = {"delimiter": delimiter, "names": names}
    return Extract(kind="rows", sections=(section,), carried=carried)


def records_to_lines(records: Sequence[Sequence[str]]) -> list[str]:
    """Return a line for every record: titles as they are, the column names as an empty one."""
    return _name_records(records)[0]


def _name_records(records: Sequence[Sequence[str]]) -> tuple[list[str], list[str] | None]:
    """Return the lines of records, and the names of the columns if they begin with these."""
    widths = [len(_list_filled_cells(record)) for record in records[:SAMPLE]]
    start = next((at for at, width in enumerate(widths) if width > 1), 0)  # below the titles
    titles = [" ".join(_list_filled_cells(record)) for record in records[:start]]
    if not _begins_with_column_names(records[start:]):
        return titles + [_record_to_line(record, None) for record in records[start:]], None
    names = [  # a `#` in front would make the line a heading
        " ".join(name.split()).lstrip("# ") or f"column {number}"
        for number, name in enumerate(records[start], start=1)
    ]
    lines = [*titles, "", *(_record_to_line(record, names) for record in records[start + 1 :])]
    return lines, names


def _record_to_line(record: Sequence[str], names: Sequence[str] | None) -> str:
    """Return the line of a record; cells beyond the names of columns are numbered."""
    names = names or ()
    beyond = enumerate_columns(record)[len(names) :]
    return cells_to_line([*zip(names, record, strict=False), *beyond])


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


def _choose_delimiter(text: str) -> str:
    return max(DELIMITERS, key=lambda delimiter: _measure_evenness(text, delimiter))


def _measure_evenness(text: str, delimiter: str) -> tuple[float, int]:
    """Return how large a share of the first records has the usual number of cells, and this."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    widths = Counter(len(record) for record in islice(reader, SAMPLE) if record)
    width, count = widths.most_common(1)[0]
    return (count / widths.total() if width > 1 else 0.0, width)
