"""Read source code and configuration as they stand."""

from pathlib import Path

from kb.indexing.charset import read_text_file
from kb.indexing.document import Extract, Section


def read(path: Path) -> Extract:
    section = Section(read_text_file(path), first_line=1)
    return Extract(kind="code", sections=(section,), title=path.name)
