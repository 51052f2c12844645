"""Read JSON: every flat object becomes a line of `key: value`."""

import json
from collections.abc import Iterator
from pathlib import Path

from kb.indexing.charset import read_text_file
from kb.indexing.document import Extract, Section, UnreadableFile
from kb.indexing.readers.csv_tables import cells_to_line

MAX_DEPTH = 100


def read(path: Path) -> Extract:
    document = parse_json(read_text_file(path))
    title = document.get("title") if isinstance(document, dict) else None
    section = Section("\n".join(value_to_lines(document)))
    return Extract(
        kind="rows",
        sections=(section,),
        title=title if isinstance(title, str) else "",
    )


def parse_json(text: str, first_line: int = 1) -> object:
    """Return the value of JSON; raise UnreadableFile that names the line of the file."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        line = first_line + error.lineno - 1
        raise UnreadableFile(f"not JSON: {error.msg}: line {line} column {error.colno}") from error


def value_to_lines(value: object, name: str = "", depth: int = 0) -> Iterator[str]:
    """Yield lines in which nested values are named by their path: `server.port: 3306`."""
    if depth > MAX_DEPTH:
        raise UnreadableFile(f"nested more than {MAX_DEPTH} levels deep")
    if isinstance(value, dict):
        prefix = f"{name}." if name else ""
        flat = [
            (f"{prefix}{key}", _value_to_text(item))
            for key, item in value.items()
            if _is_flat(item)
        ]
        if line := cells_to_line(flat):
            yield line
        for key, item in value.items():
            if not _is_flat(item):
                yield from value_to_lines(item, f"{prefix}{key}", depth + 1)
    elif isinstance(value, list) and not _is_flat(value):
        for item in value:
            yield from value_to_lines(item, name, depth + 1)
    else:
        yield cells_to_line([(name or "value", _value_to_text(value))])


def _is_flat(value: object) -> bool:
    """Tell whether a value fits in one cell of a line."""
    if isinstance(value, list):
        return not any(isinstance(item, dict | list) for item in value)
    return not isinstance(value, dict)


def _value_to_text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(_value_to_text(item) for item in value)
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)
