"""Read plain text."""

import re
from pathlib import Path

from kb.indexing.charset import decode_text, read_text_file
from kb.indexing.document import Bookmark, Extract, Section
from kb.indexing.slices import find_paragraph_end

__all__ = ["find_part_end", "looks_like_title", "read", "read_slice"]

MAX_TITLE = 100


find_part_end = find_paragraph_end


def read(path: Path) -> Extract:
    return _text_to_extract(read_text_file(path), 1)


def read_slice(data: bytes, start: Bookmark) -> Extract:
    return _text_to_extract(decode_text(data), start.line)


def _text_to_extract(text: str, first_line: int) -> Extract:
    return Extract(
        kind="text",
        sections=(Section(text, first_line=first_line),),
        property_title=_find_title(text),
    )


def looks_like_title(line: str) -> bool:
    """Tell whether a line may be a title: no sentence, no number and no rule."""
    return (
        len(line) <= MAX_TITLE
        and re.search(r"[^\W\d_]{2}", line) is not None
        and not line.endswith((".", ",", ";", ":", "!"))
    )


def _find_title(text: str) -> str:
    """Return the first line when it stands alone or is underlined."""
    first, _, rest = text.lstrip().partition("\n")
    alone = re.match(r"[ \t]*(\n|[-=~*_]{3,}[ \t]*\n)", rest)
    return first.strip() if alone and looks_like_title(first.strip()) else ""
