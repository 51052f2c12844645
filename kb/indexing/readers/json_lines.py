"""Read JSON Lines: a record a line, so that line numbers are those of the file."""

from collections.abc import Sequence
from pathlib import Path

from kb.indexing.charset import decode_text, read_text_file
from kb.indexing.document import Bookmark, Extract, Section
from kb.indexing.readers.json_yaml import parse_json, value_to_lines


def find_part_end(lines: Sequence[bytes]) -> int:
    """End a part behind its last line, 0 where that goes on."""
    return len(lines) if lines[-1].endswith((b"\n", b"\r")) else 0


def read(path: Path) -> Extract:
    return _lines_to_extract(read_text_file(path), 1)


def read_slice(data: bytes, start: Bookmark) -> Extract:
    return _lines_to_extract(decode_text(data), start.line)


def _lines_to_extract(text: str, first_line: int) -> Extract:
    rows = [
        "; ".join(value_to_lines(parse_json(line, number))) if line.strip() else ""
        for number, line in enumerate(text.split("\n"), start=first_line)
    ]
    return Extract(kind="rows", sections=(Section("\n".join(rows), first_line=first_line),))
