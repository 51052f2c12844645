"""The types that reading a file yields: extract, section, chunk, document and bookmark."""

import codecs
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from stores.errors import KBError

Kind = Literal["markdown", "text", "code", "rows"]
Outline = tuple[tuple[int, str], ...]
"""Headings, each with its level, every one below the one before."""
Scalar = str | int | float | bool
Metadata = dict[str, Scalar | list[Scalar]]

MAX_TEXT = 20_000_000
"""Characters that one document may have."""
BOMS = (  # UTF-32 first: its mark begins with that of UTF-16
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
OLD_OFFICE_REASON = "an old or encrypted Office file: save it as .docx, .pptx or .xlsx, unprotected"


class UnreadableFile(KBError):
    """A file without usable text; the message is the reason that users see."""


class TooMuchText(UnreadableFile):
    """A file with more text than one document may have, if it is read at once."""

    def __init__(self) -> None:
        super().__init__(f"more than {MAX_TEXT // 1_000_000} million characters of text")


class UnreadableNow(UnreadableFile):
    """A file that may be read another time though it stays as it is."""


@dataclass(frozen=True)
class Chunk:
    """Where a chunk lies in its section, and what completes its text."""

    start: int
    end: int
    headings: tuple[str, ...] = ()
    """The path of headings over it; their lines, if next to it, are left out of the text."""
    lines: str | None = None
    """The lines of the file, headings included: `12-30`."""
    opener: str = ""
    closer: str = ""


@dataclass(frozen=True)
class Section:
    """A part of a document that no chunk crosses: a page, a slide, a sheet, a chapter."""

    text: str
    page: int | None = None
    first_line: int | None = None
    """The line of the file (1-based) where the text begins; None when it is not the file's own."""
    above: Outline = ()
    """The headings that sections before it have left open, when they are markdown."""
    title: str = ""
    """Of a part that is a document by itself, such as a mail of a mailbox."""
    part: str = ""
    """The path below the file, if it was a file inside of it: a member, an attachment."""
    kind: Kind | None = None
    """None: that of the document. So is the media type when empty."""
    media_type: str = ""
    metadata: Mapping[str, object] = field(default_factory=dict)
    """What holds for this part beside that of the document, or instead."""
    chunks: tuple[Chunk, ...] = ()
    """Filled when the document is read, and thus in the bounded process."""


def enter_heading(above: Outline, level: int, words: str) -> Outline:
    """Return the headings that are open below a heading, which ends those of its level."""
    return (*(heading for heading in above if heading[0] < level), (level, words))


@dataclass(frozen=True)
class Bookmark:
    """Where the next part of a large file begins."""

    offset: int = 0
    """In bytes; of a PDF in pages."""
    line: int = 1
    carried: Mapping[str, Any] = field(default_factory=dict)
    """What the reader of the format has to know of the parts before, as JSON."""


@dataclass(frozen=True)
class Extract:
    """What a reader found in a file; what it left open is decided from the text."""

    kind: Kind
    sections: tuple[Section, ...]
    title: str = ""
    """Declared by the author: front matter, subject, name of the book."""
    property_title: str = ""
    """Less trusted than the first heading: a document property, a first line, a <title>."""
    language: str = ""
    metadata: Mapping[str, object] = field(default_factory=dict)
    failures: tuple[tuple[str, str], ...] = ()
    """Names of what is inside of the file and could not be read, each with the reason."""
    carried: Mapping[str, Any] = field(default_factory=dict)
    """Of a part of a file: what its reader has to know when it reads the next."""
    rest: Bookmark | None = None
    """Of a part of a file: where the next one begins; None for the last one, and a whole file."""


@dataclass(frozen=True)
class ReadDocument:
    """A document as text; in `rows` every line is a record, or `# ` and the name of a table."""

    title: str
    language: str
    """ISO 639 code, or "" when nothing tells."""
    media_type: str
    kind: Kind
    sections: tuple[Section, ...]
    metadata: Metadata
    failures: tuple[tuple[str, str], ...] = ()
    """As in the extract."""
    rest: Bookmark | None = None
    """As in the extract."""
