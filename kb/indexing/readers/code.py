"""Read source code and configuration as they stand."""

from pathlib import Path

from kb.indexing.charset import decode_text, read_text_file
from kb.indexing.document import Bookmark, Extract, Section
from kb.indexing.slices import find_paragraph_end

find_part_end = find_paragraph_end


def read(path: Path) -> Extract:
    section = Section(read_text_file(path), first_line=1)
    return Extract(kind="code", sections=(section,), title=path.name)


def read_slice(data: bytes, start: Bookmark) -> Extract:
    section = Section(decode_text(data), first_line=start.line)
    return Extract(kind="code", sections=(section,))
