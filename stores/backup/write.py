"""Writing a backup: every table of a database as of one moment, and the uploaded files."""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final
from zipfile import ZIP_DEFLATED, ZipFile

import sqlalchemy as sa

from stores.backup.archive import (
    EXPLANATION,
    FORMAT,
    MANIFEST,
    README,
    Checksum,
    Manifest,
    OnProgress,
    Progress,
    SavedColumn,
    SavedTable,
    check_archive,
    name_member,
    write_line,
)
from stores.backup.columns import Column, quote, read_columns, select_rows
from stores.backup.definitions import find_fault
from stores.backup.uploads import TakenUploads, take_uploads
from stores.connection import read_error_number, translate_engine_errors
from stores.errors import StoreError
from stores.sql import statements
from stores.text.translations import Message

WRITING: Final = Message("Writing")
CHECKING: Final = Message("Checking")
LONGEST_LINE: Final = 2**31
_SQL = statements("backup.sql")
_CHANGED: Final = (1412, 1146)  # a table that was altered since the snapshot, or is gone
_TRIES: Final = 10
_PIECE: Final = 2**18
_MADE_AGAIN: Final = {"kb_cache"}  # tables whose rows are no part of a backup
_ROWS_AT_ONCE: Final = 20  # in memory; a piece of an upload has half a megabyte, in hexadecimal
_COMPRESSION: Final = 1  # half of what a vector is in hexadecimal; more takes long for little


@dataclass(frozen=True)
class UploadDirectory:
    """Where uploaded files lie that the database does not keep, and the root they belong to."""

    directory: Path
    root: str


@dataclass(frozen=True)
class BackupReport:
    """What was written; `missing` and `changed` are uploaded files, as in `TakenUploads`."""

    file: Path
    bytes: int
    manifest: Manifest
    missing: list[str]
    changed: list[str]

    @property
    def is_whole(self) -> bool:
        return not (self.manifest.left_out or self.missing or self.changed)


@dataclass(frozen=True)
class _Table:
    name: str
    definition: str
    columns: list[Column]
    rows: int


@dataclass(frozen=True)
class _Snapshot:
    """A connection to which nothing changes any more, with what there is to be saved."""

    connection: sa.Connection
    tables: list[_Table]
    left_out: list[str]
    server: str
    schema_version: int
    database: str


def write_backup(
    engine: sa.Engine,
    file: Path,
    uploads: UploadDirectory,
    *,
    kb_version: str,
    force: bool = False,
    on_progress: OnProgress = lambda *_: None,
) -> BackupReport:
    """Write a backup of a database and of its uploaded files into one file, and read it again.

    The file is there only when it is whole. Raises StoreError, StoreUnavailable.
    """
    refuse_file(file, force=force)
    try:
        with write_beside(file) as (target, unfinished):
            with translate_engine_errors(engine), _open_snapshot(engine) as snapshot:
                manifest, taken = _write_archive(target, snapshot, uploads, kb_version, on_progress)
            os.fsync(target.fileno())
            check_archive(unfinished, LONGEST_LINE, on_progress, CHECKING)
            refuse_file(file, force=force)
            unfinished.replace(file)
    except OSError as error:
        raise StoreError(f"{file} cannot be written: {error.strerror or error}.") from error
    return BackupReport(file, file.stat().st_size, manifest, taken.missing, taken.changed)


def refuse_file(file: Path, *, force: bool) -> None:
    """Raise StoreError for a file that is there already, or whose directory is not."""
    if file.is_dir() or (file.exists() and not force):
        raise StoreError(f"{file} is there already. Name another file, or replace it by --force.")
    if not file.absolute().parent.is_dir():
        raise StoreError(f"There is no directory {file.absolute().parent} to write {file.name} to.")


@contextmanager
def write_beside(file: Path) -> Iterator[tuple[IO[bytes], Path]]:
    """Open a file beside another one that nobody else can read, and that goes if it is not used."""
    descriptor, name = tempfile.mkstemp(
        prefix=f".{file.name}-", suffix=".part", dir=file.absolute().parent
    )
    try:
        with os.fdopen(descriptor, "w+b") as target:
            yield target, Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


@contextmanager
def _open_snapshot(engine: sa.Engine) -> Iterator[_Snapshot]:
    """Open a snapshot of which every table can be read; nobody changes their columns meanwhile.

    A table that was made or changed since the moment of the snapshot cannot be read in it: then a
    later moment is taken.
    """
    for attempt in range(_TRIES):
        with engine.connect() as connection:
            try:
                snapshot = _look_at_tables(connection)
            except sa.exc.DBAPIError as error:
                if read_error_number(error.orig) not in _CHANGED or attempt == _TRIES - 1:
                    raise
                continue
            if snapshot is None:
                continue
            try:
                yield snapshot
            finally:
                connection.invalidate()  # half of a result may wait in it
            return
    raise StoreError("Tables are made or changed all the time. Try the backup again later.")


def _look_at_tables(connection: sa.Connection) -> _Snapshot | None:
    """Begin a snapshot and touch each of its tables; None when there are others afterwards."""
    connection.exec_driver_sql(_SQL["be_patient"])
    connection.exec_driver_sql(_SQL["begin_snapshot"])
    there = connection.execute(sa.text(_SQL["tables"])).all()
    names = [row.name for row in there if row.type == "BASE TABLE"]
    if "kb_schema" not in names:
        raise StoreError("There is nothing to back up: this database has no tables of kb.")
    tables = [_look_at_table(connection, name) for name in names]
    if connection.execute(sa.text(_SQL["tables"])).all() != there:
        return None
    left_out = [f"{row.type.lower()} {row.name}" for row in there if row.type != "BASE TABLE"]
    left_out += [f"{row.kind} {row.name}" for row in connection.execute(sa.text(_SQL["programs"]))]
    saved = []
    for table in tables:
        if fault := find_fault(table.definition, table.name):
            left_out.append(f"table {table.name} (its definition {fault})")
        else:
            saved.append(table)
    return _Snapshot(
        connection,
        saved,
        left_out,
        str(connection.exec_driver_sql("SELECT VERSION()").scalar_one()),
        int(connection.execute(sa.text(_SQL["schema_version"])).scalar_one()),
        str(connection.engine.url.database),
    )


def _look_at_table(connection: sa.Connection, name: str) -> _Table:
    quoted = quote(name)
    rows = 0
    if name not in _MADE_AGAIN:
        rows = connection.execute(sa.text(_SQL["count"].format(table=quoted))).scalar_one()
    definition = connection.execute(sa.text(_SQL["definition"].format(table=quoted))).one()[1]
    return _Table(name, str(definition), read_columns(connection, name), int(rows))


def _write_archive(
    target: IO[bytes],
    snapshot: _Snapshot,
    uploads: UploadDirectory,
    kb_version: str,
    on_progress: OnProgress,
) -> tuple[Manifest, TakenUploads]:
    made_at = datetime.now(UTC).isoformat(timespec="seconds")
    with ZipFile(target, "w", ZIP_DEFLATED, compresslevel=_COMPRESSION) as archive:
        archive.writestr(README, EXPLANATION)
        progress = Progress(on_progress, WRITING, sum(table.rows for table in snapshot.tables))
        saved = [
            _write_table(archive, snapshot.connection, table, progress) for table in snapshot.tables
        ]
        taken = take_uploads(
            *(snapshot.connection, archive, uploads.directory, uploads.root),
            has_kept=any(table.name == "kb_uploaded_file" for table in snapshot.tables),
        )
        manifest = Manifest(
            format=FORMAT,
            kb=kb_version,
            server=snapshot.server,
            schema_version=snapshot.schema_version,
            made_at=made_at,
            database=snapshot.database,
            tables=saved,
            uploads=taken.files,
            left_out=snapshot.left_out,
        )
        archive.writestr(MANIFEST, manifest.model_dump_json(indent=1))
    return manifest, taken


def _write_table(
    archive: ZipFile, connection: sa.Connection, table: _Table, progress: Progress
) -> SavedTable:
    definition = table.definition.encode()
    schema_file = name_member("schema", table.name, ".sql")
    rows_file = name_member("rows", table.name, ".jsonl")
    archive.writestr(schema_file, definition)
    written = Checksum()
    with archive.open(rows_file, "w", force_zip64=True) as member:
        piece = bytearray()  # to pack each line by itself takes as long as all the rest
        lines = read_lines(connection, table.name, table.columns)
        for line in () if table.name in _MADE_AGAIN else lines:
            written.add(line)
            piece += line + b"\n"
            if len(piece) > _PIECE:
                member.write(piece)
                piece = bytearray()
            progress.advance()
        member.write(piece)
    if written.lines != table.rows:
        raise StoreError(f"{table.name} has {table.rows} rows, of which {written.lines} came.")
    return SavedTable(
        name=table.name,
        schema_file=schema_file,
        schema_sha256=hashlib.sha256(definition).hexdigest(),
        rows_file=rows_file,
        columns=[
            SavedColumn(name=column.name, type=column.type, written=column.written)
            for column in table.columns
        ],
        rows=written.lines,
        checksum=str(written),
    )


def read_lines(connection: sa.Connection, table: str, columns: list[Column]) -> Iterator[bytes]:
    """Read the rows of a table as the lines of a backup, few of them in memory at a time."""
    options = {"stream_results": True, "yield_per": _ROWS_AT_ONCE}
    rows = connection.execute(select_rows(table, columns), execution_options=options)
    for row in rows:
        yield write_line(tuple(row))
