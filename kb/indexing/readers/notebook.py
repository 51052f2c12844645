"""Read Jupyter notebooks: text cells, code cells as fences, short text outputs."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kb.indexing.charset import read_text_file
from kb.indexing.document import Extract, Section, UnreadableFile
from kb.indexing.readers.json_yaml import parse_json

MAX_OUTPUT = 1_000


def read(path: Path) -> Extract:
    notebook: Any = parse_json(read_text_file(path))
    try:
        # Only the third version of the format has worksheets.
        cells = (notebook if "cells" in notebook else notebook["worksheets"][0])["cells"] or []
        kernel = (notebook.get("metadata") or {}).get("kernelspec") or {}
        language = kernel.get("language") or ""
        text = "\n\n".join(part for cell in cells for part in _cell_to_markdown(cell, language))
    except (KeyError, IndexError, AttributeError, TypeError) as error:
        raise UnreadableFile("not a notebook: its cells are missing or malformed") from error
    return Extract(kind="markdown", sections=(Section(text),))


def _cell_to_markdown(cell: dict[str, Any], language: str) -> Iterator[str]:
    """Yield the source of a cell, and of code also the beginning of its text outputs."""
    source = _join_source(cell.get("source") or cell.get("input") or "")
    if cell["cell_type"] != "code":
        yield source
    elif source.strip():
        yield _fence_text(source, language)
        for output in cell.get("outputs") or []:
            data = output.get("data") or {}
            text = _join_source(output.get("text") or data.get("text/plain") or "")
            if text.strip():
                yield _fence_text(text[:MAX_OUTPUT], "text")


def _join_source(source: str | list[str]) -> str:
    return source if isinstance(source, str) else "".join(source)


def _fence_text(text: str, language: str) -> str:
    """Put a text between fences that are longer than any in it."""
    longest = max(map(len, re.findall(r"`{3,}", text)), default=2)
    marks = "`" * (longest + 1)
    return f"{marks}{language}\n{text.strip()}\n{marks}"
