"""Read one file, whatever its format, as a document."""

import math
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, time
from importlib import import_module
from pathlib import Path, PurePath
from types import ModuleType
from typing import cast

from kb.indexing.charset import clean_text
from kb.indexing.chunks import split_section_into_chunks
from kb.indexing.document import (
    MAX_TEXT,
    Bookmark,
    Extract,
    Metadata,
    ReadDocument,
    Scalar,
    Section,
    TooMuchText,
    UnreadableFile,
    UnreadableNow,
)
from kb.indexing.markdown_blocks import find_first_headings
from kb.indexing.reading_options import READING
from kb.indexing.slices import cut_slice
from stores.text.text_language import language_code

__all__ = ["ReadDocument", "Section", "UnreadableFile", "read_document"]

_SHORTEST_PART = 10_000
MAX_TITLE = 200
MAX_VALUE = 1_000
"""Characters of a metadata value, which every chunk repeats."""
MAX_VALUES = 50
MAX_KEY = 64

_GROUPS = "groups"
"""The key of the metadata by which an author says who may see a document."""
RESERVED = {
    *("path", "part", "root", "size", "modified", "media_type"),
    *("title", "headings", "page", "lines", "language", "lang"),
}
"""Metadata keys that kb fills itself."""

OFFICE = "application/vnd.openxmlformats-officedocument"
OPEN_DOCUMENT = "application/vnd.oasis.opendocument"
TEXT = ("text", "text/plain")
FORMATS = {
    ".adoc": ("asciidoc", "text/asciidoc"),
    ".asciidoc": ("asciidoc", "text/asciidoc"),
    ".csv": ("csv_tables", "text/csv"),
    ".docx": ("docx", f"{OFFICE}.wordprocessingml.document"),
    ".eml": ("eml", "message/rfc822"),
    ".epub": ("epub", "application/epub+zip"),
    ".htm": ("html", "text/html"),
    ".html": ("html", "text/html"),
    ".ipynb": ("notebook", "application/x-ipynb+json"),
    ".json": ("json_yaml", "application/json"),
    ".jsonl": ("json_lines", "application/jsonl"),
    ".markdown": ("markdown", "text/markdown"),
    ".mbox": ("mbox", "application/mbox"),
    ".md": ("markdown", "text/markdown"),
    ".mdx": ("markdown", "text/markdown"),
    ".msg": ("msg", "application/vnd.ms-outlook"),
    ".ndjson": ("json_lines", "application/jsonl"),
    ".odp": ("opendocument", f"{OPEN_DOCUMENT}.presentation"),
    ".ods": ("opendocument", f"{OPEN_DOCUMENT}.spreadsheet"),
    ".odt": ("opendocument", f"{OPEN_DOCUMENT}.text"),
    ".ott": ("opendocument", f"{OPEN_DOCUMENT}.text-template"),
    ".pdf": ("pdf", "application/pdf"),
    ".pptx": ("pptx", f"{OFFICE}.presentationml.presentation"),
    ".rtf": ("rtf", "application/rtf"),
    ".rst": ("rst", "text/x-rst"),
    ".tsv": ("csv_tables", "text/tab-separated-values"),
    ".xhtml": ("html", "application/xhtml+xml"),
    ".xlsx": ("xlsx", f"{OFFICE}.spreadsheetml.sheet"),
    ".yaml": ("code", "application/yaml"),
    ".yml": ("code", "application/yaml"),
    ".zip": ("archives", "application/zip"),
    ".tar": ("archives", "application/x-tar"),
    ".tgz": ("archives", "application/gzip"),
    ".gz": ("archives", "application/gzip"),
    ".bz2": ("archives", "application/x-bzip2"),
    ".xz": ("archives", "application/x-xz"),
} | {
    f".{suffix}": ("code", f"text/x-{suffix}")
    for suffix in (
        *("bash", "bat", "c", "cc", "cfg", "clj", "conf", "cpp", "cs", "css", "dart", "diff"),
        *("erl", "ex", "exs", "go", "gradle", "graphql", "groovy", "h", "hpp", "hs", "ini"),
        *("java", "jl", "js", "jsx", "kt", "less", "lua", "mjs", "ml", "patch", "php", "pl"),
        *("properties", "proto", "ps1", "py", "pyi", "r", "rb", "rs", "scala", "scss", "sh"),
        *("sql", "svelte", "swift", "tf", "toml", "ts", "tsx", "vb", "vue", "xml", "xsd"),
        *("xsl", "zsh"),
    )
}
"""Suffix -> module of kb.indexing.readers, media type; others are tried as text."""


def read_document(path: Path, start: Bookmark | None = None) -> ReadDocument:
    """Read a file in this process, unbounded in time and memory; raise UnreadableFile.

    Of a large one, if its format can be read by parts, it is the first part, and with `start` the
    one that begins there; where the next begins, `rest` says. Its language is what it declares,
    else "".
    """
    reader, media_type = find_format(path)
    with _explain_errors(path):
        module = _import_reader(reader)
        can_be_parted = hasattr(module, "read_slice") or hasattr(module, "read_pages")
        options = READING.get()
        size = _check_file(path, options.max_parted_file if can_be_parted else options.max_file)
        if start or (can_be_parted and size > options.most_at_once):
            return _read_part(path, module, start or Bookmark())
        try:
            document = _extract_to_document(path, media_type, module.read(path))
        except TooMuchText:
            if can_be_parted:
                return _read_part(path, module, Bookmark())
            raise
        if not document.sections:
            raise UnreadableFile("the file is empty")
        return document


def _read_part(path: Path, module: ModuleType, start: Bookmark) -> ReadDocument:
    """Read the part of a file that begins at a bookmark, a shorter one if it has too much text."""
    try:
        extract = _extract_part(path, module, start)
        return _extract_to_document(path, find_format(path)[1], extract)
    except TooMuchText:
        options = READING.get()
        if options.part < _SHORTEST_PART:
            raise
        shorter = replace(options, part=options.part // 8, part_pages=options.part_pages // 8 + 1)
        token = READING.set(shorter)
        try:
            return _read_part(path, module, start)
        finally:
            READING.reset(token)


def _extract_part(path: Path, module: ModuleType, start: Bookmark) -> Extract:
    """Let a reader extract the part of a file that begins at a bookmark.

    A later part that cannot be read becomes a failure, and loses none of the others.
    """
    if hasattr(module, "read_pages"):
        return cast("Extract", module.read_pages(path, start))
    piece = cut_slice(path, start, module.find_part_end)
    extract = Extract(kind="text", sections=(), carried=start.carried)
    if piece.data.strip(b"\0 \t\r\n\f\v"):
        try:
            extract = module.read_slice(piece.data, start)
        except UnreadableFile as error:
            if not start.offset:
                raise
            failures = ((piece.name_lines(start), str(error)),)
            extract = replace(extract, failures=failures)
    return replace(extract, rest=piece.rest and replace(piece.rest, carried=extract.carried))


def find_format(path: Path) -> tuple[str, str]:
    """Return the reader and the media type of a file, by its name."""
    return FORMATS.get(path.suffix.lower(), TEXT)


def extract_file(path: Path) -> Extract:
    """Let the reader of its format extract what is in a file; raise UnreadableFile."""
    with _explain_errors(path):
        _check_file(path, READING.get().max_file)
        return cast("Extract", _import_reader(find_format(path)[0]).read(path))


@contextmanager
def _explain_errors(path: Path) -> Iterator[None]:
    """Raise UnreadableFile with a reason for people for what parsers raise."""
    try:
        yield
    except (UnreadableFile, MemoryError):
        raise
    except RecursionError as error:
        raise UnreadableFile("nested too deeply") from error
    except OSError as error:
        kind = UnreadableNow if error.filename else UnreadableFile  # else of what is in the file
        raise kind(f"cannot be read: {error.strerror or error}") from error
    except Exception as error:  # a parser raises anything over a broken file
        what = " ".join(f"{type(error).__name__}: {error}".split())[:MAX_TITLE]
        raise UnreadableFile(f"not a valid {path.suffix.lower()} file ({what})") from error


def _check_file(path: Path, most: int) -> int:
    """Return the size of a file in bytes; raise UnreadableFile for none, an empty or larger one."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise UnreadableFile("not a regular file")
    if status.st_size == 0:
        raise UnreadableFile("the file is empty")
    if status.st_size > most:
        raise UnreadableFile(f"larger than {most / 1e6:g} MB")
    return status.st_size


def _import_reader(reader: str) -> ModuleType:
    """Import the reader of a format; raise UnreadableNow if what it needs is not installed."""
    try:
        return import_module(f"kb.indexing.readers.{reader}")
    except ModuleNotFoundError as error:
        raise UnreadableNow(
            f"reading it needs {error.name}: pip install 'mariadb-kb[office]'"
        ) from error


def _extract_to_document(path: Path, media_type: str, extract: Extract) -> ReadDocument:
    """Clean and split an extract, and decide what its reader has left open."""
    if sum(len(section.text) for section in extract.sections) > MAX_TEXT:
        raise TooMuchText
    sections = tuple(_clean_sections(extract.sections))
    return ReadDocument(
        title=choose_title(path, replace(extract, sections=sections)),
        language=language_code(extract.language),
        media_type=media_type,
        kind=extract.kind,
        sections=tuple(
            replace(
                section,
                chunks=tuple(split_section_into_chunks(section, section.kind or extract.kind)),
            )
            for section in sections
        ),
        metadata=_clean_metadata(extract.metadata),
        failures=extract.failures,
        rest=extract.rest,
    )


def _clean_sections(sections: tuple[Section, ...]) -> Iterator[Section]:
    for section in sections:
        text = clean_text(section.text)
        if text.strip():
            yield replace(
                section,
                text=text,
                title=" ".join(clean_text(section.title).split())[:MAX_TITLE],
                part=clean_text(section.part),
                metadata=_clean_metadata(section.metadata),
            )


def choose_title(path: Path, extract: Extract) -> str:
    """Prefer the author's title to the first heading, that to a property, and all to the name."""
    is_markdown = extract.kind == "markdown" and extract.sections
    headings = find_first_headings(extract.sections[0].text) if is_markdown else {}
    candidates = (
        extract.title,
        headings.get(1, ""),
        extract.property_title,
        next(iter(headings.values()), ""),
    )
    titles = (" ".join(clean_text(candidate).split()) for candidate in candidates)
    return next((title[:MAX_TITLE] for title in titles if title), make_title_of_name(path))


def make_title_of_name(path: PurePath) -> str:
    """Return the title of a document that declares none."""
    words = clean_text(re.sub(r"[\s_-]+", " ", path.stem)).split()
    return " ".join(words or clean_text(path.name).split())[:MAX_TITLE]


def _clean_metadata(declared: Mapping[str, object]) -> Metadata:
    """Keep scalars and lists of scalars, of a size that every chunk can carry.

    Groups that cannot be kept are none, so that nobody sees what was meant for some.
    """
    values: dict[str, Scalar | list[Scalar] | None] = {}
    for key, value in list(declared.items())[:MAX_VALUES]:
        if isinstance(value, list):
            scalars = [_clean_scalar(item) for item in value[:MAX_VALUES]]
            values[clean_text(str(key))] = [item for item in scalars if item is not None] or None
        else:
            values[clean_text(str(key))] = _clean_scalar(value)
    if declared.get(_GROUPS) is not None and values.get(_GROUPS) is None:
        values[_GROUPS] = ""
    return {
        key: value
        for key, value in values.items()
        if value is not None and key.lower() not in RESERVED and len(key) <= MAX_KEY
    }


def _clean_scalar(value: object) -> Scalar | None:
    """Return a value that JSON and the database can hold, None for any other."""
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, str):
        return clean_text(value) if len(value) <= MAX_VALUE else None
    if isinstance(value, float) and not math.isfinite(value):
        return None  # JSON knows none of these
    if isinstance(value, int) and abs(value) >= 2**63:
        return None
    return value if isinstance(value, bool | int | float) else None
