"""Read Rich Text Format."""

from pathlib import Path
from typing import Any

from striprtf.striprtf import rtf_to_text

from kb.indexing.charset import clean_text
from kb.indexing.document import Extract, Section, UnreadableFile

_RTF_TO_TEXT: Any = rtf_to_text  # it declares no types


def read(path: Path) -> Extract:
    data = path.read_bytes()
    if not data.lstrip().startswith(rb"{\rtf"):
        raise UnreadableFile("not an RTF file, or a damaged one")
    text = clean_text(_RTF_TO_TEXT(data.decode("latin-1"), errors="ignore"))
    if not text.strip():
        raise UnreadableFile("it has no text")
    return Extract(kind="text", sections=(Section(text),))
