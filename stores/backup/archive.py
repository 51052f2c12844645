"""The file of a backup: a zip that can be read without kb, and what is checked about it.

    README.txt           how to read it
    manifest.json        what is in it: versions, tables with columns, counts and checksums, files
    schema/NAME.sql      SHOW CREATE TABLE of a table
    rows/NAME.jsonl      its rows: a JSON array of texts and nulls a line, in the manifest's columns
    uploads/PATH         uploaded files that the database does not keep itself

Rows are no INSERTs: a reader of any language takes a line of JSON apart without being a parser of
SQL, and a restore binds values, so that no file can make the server do anything else.
"""

import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import IO, Final, TypeAlias
from urllib.parse import quote
from zipfile import BadZipFile, ZipFile, ZipInfo

from pydantic import BaseModel, Field, ValidationError
from pydantic_core import from_json, to_json  # several times faster than json

from stores.errors import StoreError

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
README: Final = "README.txt"
EXPLANATION: Final = """\
A backup of kb (https://pypi.org/project/mariadb-kb/), format 1. `kb restore FILE` reads it; so can
anybody else:

manifest.json      the versions; of each table its columns, how many rows it has, a checksum
schema/NAME.sql    the statement that creates the table
rows/NAME.jsonl    its rows, one JSON array a line, in the order of the manifest's columns
uploads/           uploaded files of a directory, as they were; others are the pieces in the rows
                   of kb_upload_piece, in their order, named in those of kb_uploaded_file

A value is null, or a text as MariaDB prints it. Bytes (BINARY, BLOB, geometries) and vectors are
hexadecimal: UNHEX makes the value; a vector is its numbers as little-endian floats of four bytes.
A BIT is a decimal number. Times are UTC. Generated columns are left out. Everything is UTF-8.
The checksum of a table is the sum of the SHA-256 of each of its lines, without the line break, as
big-endian numbers modulo 2^256, in hexadecimal. Names that hold other than letters, digits, . _ - ~
are percent-encoded.
"""
_LARGEST_TEXT: Final = 2**26
_PIECE: Final = 2**20
_ROWS_BETWEEN: Final = 500

Row: TypeAlias = Sequence[str | None]
OnProgress: TypeAlias = Callable[[str, int, int], None]
"""Called with the step, and how much of how many of it is done."""


@dataclass
class Progress:
    """How far a step is, told now and then."""

    on_progress: OnProgress
    step: str
    total: int
    done: int = 0

    def advance(self) -> None:
        self.done += 1
        if self.done % _ROWS_BETWEEN == 0 or self.done == self.total:
            self.on_progress(self.step, self.done, self.total)


class SavedColumn(BaseModel):
    """A column of the rows, and how its values are written."""

    name: str
    type: str
    written: str


class SavedTable(BaseModel):
    """A table by its name, and where in the file its definition and its rows are."""

    name: str
    schema_file: str
    schema_sha256: str
    rows_file: str
    columns: list[SavedColumn]
    rows: int
    checksum: str


class SavedUpload(BaseModel):
    """An uploaded file by its path in the directory of uploads, and where in the backup it is."""

    path: str
    file: str
    bytes: int
    sha256: str
    modified_ns: int = Field(ge=0, lt=2**63)


class Manifest(BaseModel):
    """What is in a backup; `left_out` names what the database holds beyond it."""

    format: int
    kb: str
    server: str
    schema_version: int
    made_at: str
    database: str
    tables: list[SavedTable]
    uploads: list[SavedUpload]
    left_out: list[str]


class Checksum:
    """The number of some lines and the sum of their hashes, the same in any order."""

    def __init__(self) -> None:
        self.lines = self._sum = 0

    def add(self, line: bytes) -> None:
        self.lines += 1
        self._sum += int.from_bytes(hashlib.sha256(line).digest(), "big")

    def __str__(self) -> str:
        return f"{self._sum % 2**256:064x}"


def write_line(row: Row) -> bytes:
    """Write a row as a line, without its break."""
    return to_json(list(row))


def read_line(line: bytes, columns: int) -> list[str | None]:
    """Read a row of so many columns from its line. Raises ValueError."""
    row = from_json(line)
    if not isinstance(row, list) or len(row) != columns:
        raise ValueError(line[:40])
    if not all(value is None or isinstance(value, str) for value in row):
        raise ValueError(line[:40])
    return row


def name_member(folder: str, name: str, ending: str = "") -> str:
    """Name a file of the archive so that no name of a table leads out of its folder."""
    return f"{folder}/{quote(name, safe='/' if folder.startswith('uploads') else '')}{ending}"


@contextmanager
def open_archive(file: Path) -> Iterator[tuple[ZipFile, Manifest]]:
    """Open a backup with what it says of itself. Raises StoreError for what is none, or damaged."""
    with translate_archive_errors(file, "backup"), ZipFile(file) as archive:
        yield archive, _read_manifest(archive)


@contextmanager
def translate_archive_errors(file: Path, kind: str) -> Iterator[None]:
    """Raise what is wrong with a file, which should be of that kind, as StoreError."""
    try:
        yield
    except (BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise StoreError(
            f"{file} is not a whole {kind} of kb, or was changed: {error}. Take another one."
        ) from error
    except OSError as error:
        place = error.filename or file
        raise StoreError(
            f"{place} cannot be used: {error.strerror or error}. Name a file that can be read."
        ) from error


def find_member(archive: ZipFile, name: str, largest: int | None = None) -> ZipInfo:
    """Find a file of the archive. Raises BadZipFile."""
    try:
        found = archive.getinfo(name)
    except KeyError as error:
        raise BadZipFile(f"{name} is missing") from error
    if largest is not None and found.file_size > largest:
        raise BadZipFile(f"{name} is too large")
    return found


def _read_manifest(archive: ZipFile) -> Manifest:
    member = find_member(archive, MANIFEST, _LARGEST_TEXT)
    try:
        said = json.loads(archive.read(member))
        number = said["format"]
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise BadZipFile(f"{MANIFEST} is not readable") from error
    if number != FORMAT:
        raise StoreError(
            f"The backup has the format {number!r}, and this kb reads {FORMAT}. Upgrade kb to the "
            f"version that wrote it ({said.get('kb')!r}), or a later one."
        )
    try:
        manifest = Manifest.model_validate(said)
    except ValidationError as error:
        raise BadZipFile(f"{MANIFEST} does not say what it should") from error
    for kind, names in (
        ("table", [table.name for table in manifest.tables]),
        ("file", [upload.path for upload in manifest.uploads]),
    ):
        if len(set(names)) < len(names):
            raise BadZipFile(f"a {kind} is in it twice")
    return manifest


def read_definition(archive: ZipFile, table: SavedTable) -> str:
    """Read the definition of a table. Raises BadZipFile when it is not the one that was written."""
    written = archive.read(find_member(archive, table.schema_file, _LARGEST_TEXT))
    if hashlib.sha256(written).hexdigest() != table.schema_sha256:
        raise BadZipFile(f"{table.schema_file} is not what was written")
    try:
        return written.decode()
    except UnicodeDecodeError as error:
        raise BadZipFile(f"{table.schema_file} is no text") from error


def read_rows(archive: ZipFile, table: SavedTable, longest: int) -> Iterator[list[str | None]]:
    """Read the rows of a table, none with more than `longest` bytes.

    Raises BadZipFile when they are not those that were written, at the latest after the last one.
    """
    found = Checksum()
    with BufferedReader(archive.open(find_member(archive, table.rows_file)), _PIECE) as lines:  # type: ignore[type-var]  # it reads as a raw one does
        while line := lines.readline(longest + 1):
            if len(line) > longest:
                raise BadZipFile(f"a row of {table.rows_file} has more than {longest} bytes")
            found.add(line.removesuffix(b"\n"))
            try:
                yield read_line(line, len(table.columns))
            except ValueError as error:
                raise BadZipFile(f"row {found.lines} of {table.rows_file} is none") from error
    if (found.lines, str(found)) != (table.rows, table.checksum):
        raise BadZipFile(f"{table.rows_file} does not hold the {table.rows} rows that were written")


def copy_upload(archive: ZipFile, upload: SavedUpload, target: IO[bytes] | None = None) -> None:
    """Read an uploaded file, into another one if there is a target.

    Raises BadZipFile when it is not the one that was written, at the latest at its end.
    """
    found, size = hashlib.sha256(), 0
    with archive.open(find_member(archive, upload.file)) as source:
        for piece in read_pieces(source):
            found.update(piece)
            size += len(piece)
            if size > upload.bytes:
                break
            if target:
                target.write(piece)
    if (size, found.hexdigest()) != (upload.bytes, upload.sha256):
        raise BadZipFile(f"{upload.file} is not what was written")


def read_pieces(source: IO[bytes]) -> Iterable[bytes]:
    """Read a file bit by bit."""
    return iter(lambda: source.read(_PIECE), b"")


def check_archive(file: Path, longest: int, on_progress: OnProgress, step: str) -> None:
    """Read a whole backup again. Raises StoreError unless all of it is as it was written."""
    with open_archive(file) as (archive, manifest):
        progress = Progress(on_progress, step, sum(table.rows for table in manifest.tables))
        for table in manifest.tables:
            read_definition(archive, table)
            for _ in read_rows(archive, table, longest):
                progress.advance()
        for upload in manifest.uploads:
            copy_upload(archive, upload)
