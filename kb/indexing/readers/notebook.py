"""Read Jupyter notebooks: text cells, code cells as fences, short text outputs."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kb.indexing.charset import read_text_file
from kb.indexing.document import Extract, Section, UnreadableFile

MAX_OUTPUT = 1_000


def read(path: Path) -> Extract:
    try:
        notebook = json.loads(read_text_file(path))
        cells = notebook.get("cells") or notebook["worksheets"][0]["cells"]
        language = notebook.get("metadata", {}).get("kernelspec", {}).get("language", "")
        text = "\n\n".join(part for cell in cells for part in _cell_to_markdown(cell, language))
    except (ValueError, KeyError, IndexError, AttributeError, TypeError) as error:
        raise UnreadableFile(f"not a notebook: {error!r}") from error
    return Extract(kind="markdown", sections=(Section(text),))


def _cell_to_markdown(cell: dict[str, Any], language: str) -> Iterator[str]:
    """Yield the source of a cell, and of code also the beginning of its text outputs."""
    source = _join_source(cell.get("source") or cell.get("input") or "")
    if cell["cell_type"] != "code":
        yield source
    elif source.strip():
        yield _fence_text(source, language)
        for output in cell.get("outputs", []):
            text = _join_source(
                output.get("text") or output.get("data", {}).get("text/plain") or ""
            )
            if text.strip():
                yield _fence_text(text[:MAX_OUTPUT], "text")


def _join_source(source: str | list[str]) -> str:
    return source if isinstance(source, str) else "".join(source)


def _fence_text(text: str, language: str) -> str:
    """Put a text between fences that are longer than any in it."""
    longest = max(map(len, re.findall(r"`{3,}", text)), default=2)
    marks = "`" * (longest + 1)
    return f"{marks}{language}\n{text.strip()}\n{marks}"
