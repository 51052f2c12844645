"""Restoring a backup: beside what is there, compared with what was saved, changed over at once.

Rows are loaded under names of the restore's own. Where the database is empty, that is in the
database itself; where tables are to be replaced, in a database beside it, as a foreign key's name
is given once in a database. One RENAME TABLE at the end puts all tables in their places. Whatever
ends a restore before that leaves the former tables as they were; what it leaves of its own, the
next restore removes.
"""

import gc
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile, ZipFile

import sqlalchemy as sa

from stores.backup.archive import (
    Checksum,
    Manifest,
    OnProgress,
    Progress,
    SavedTable,
    open_archive,
    read_definition,
    read_rows,
)
from stores.backup.columns import Column, insert_row, quote, read_columns
from stores.backup.definitions import check_definition, rename_tables
from stores.backup.uploads import StagedUploads, find_conflicts
from stores.backup.write import UploadDirectory, read_lines
from stores.connection import (
    is_cluster_node,
    make_engine,
    read_error_number,
    read_server_info,
    translate_engine_errors,
)
from stores.errors import StoreError
from stores.registry.schema import read_migrations
from stores.sql import statements
from stores.text.translations import Message

LOADING: Final = Message("Loading")
COMPARING: Final = Message("Comparing")
RESTORING: Final = "kb_restoring_"  # how tables are named that are not yet in their places
REPLACED: Final = "kb_replaced_"  # and those that have just left them
_SQL = statements("backup.sql")
_LONGEST_NAME: Final = 64
_BATCH_ROWS: Final = 500
_BATCH_BYTES: Final = 2**20
_DENIED: Final = (1044, 1142, 1227)


@dataclass(frozen=True)
class RestoreReport:
    """What was restored; `kept` are tables of the database that the backup does not hold."""

    manifest: Manifest
    kept: list[str]
    replaced: int


@dataclass(frozen=True)
class _Target:
    """What is in the database that is restored, and what of it goes."""

    engine: sa.Engine
    tables: list[str]
    replaced: list[str]

    @property
    def database(self) -> str:
        return str(self.engine.url.database)

    @property
    def kept(self) -> list[str]:
        return [table for table in self.tables if table not in self.replaced]


@dataclass
class _Staging:
    """Where tables are loaded: the number of a table names it there."""

    engine: sa.Engine
    names: dict[str, str] = field(default_factory=dict)

    @property
    def database(self) -> str:
        return str(self.engine.url.database)


def restore_backup(
    engine: sa.Engine,
    file: Path,
    uploads: UploadDirectory,
    *,
    replace: bool = False,
    on_progress: OnProgress = lambda *_: None,
) -> RestoreReport:
    """Restore a database and its uploaded files from a backup.

    With `replace` the tables of the backup, and all others of kb, take the place of those in the
    database; tables of others stay. Raises StoreError, StoreUnavailable; the database is then as it
    was before.
    """
    with open_archive(file) as (archive, manifest), translate_engine_errors(engine):
        definitions = _read_definitions(archive, manifest)
        staged = StagedUploads(uploads.directory, manifest.uploads)
        conflicts = find_conflicts(manifest.uploads, uploads.directory)
        if conflicts and not replace:
            raise StoreError(
                f"Other files lie in {uploads.directory} where the backup has {conflicts[0]} "
                f"({len(conflicts)} in all). --replace writes over them."
            )
        with _hold_database(engine):
            target = _look_at_target(engine, manifest, replace=replace)
            with ExitStack() as left_overs, _open_staging(target) as staging:
                left_overs.callback(staged.remove)
                for _ in staged.unpack(archive):
                    pass
                _load_tables(staging, archive, manifest, definitions, on_progress)
                _compare_tables(staging, manifest, on_progress)
                _move_uploads(staging, uploads)
                _change_over(target, staging)
                staged.put_all()
    return RestoreReport(manifest, target.kept, len(target.replaced))


def _read_definitions(archive: ZipFile, manifest: Manifest) -> dict[str, str]:
    known = len(read_migrations())
    if manifest.schema_version > known:
        raise StoreError(
            f"The backup is of a newer kb ({manifest.kb}, schema {manifest.schema_version}; this "
            f"one knows {known}). Upgrade kb, then restore it."
        )
    definitions = {}
    for table in manifest.tables:
        if len(table.name) > _LONGEST_NAME or table.name.startswith((RESTORING, REPLACED)):
            raise StoreError(f"The backup holds a table of an impossible name: {table.name[:80]!r}")
        definitions[table.name] = read_definition(archive, table)
        check_definition(definitions[table.name], table.name)
    return definitions


@contextmanager
def _hold_database(engine: sa.Engine) -> Iterator[None]:
    """Keep a second restore out of the database."""
    with engine.connect() as connection:
        if connection.execute(sa.text(_SQL["hold_restoring"])).scalar_one() != 1:
            raise StoreError("Another restore of this database is under way. Wait for its end.")
        try:
            yield
        finally:
            connection.invalidate()


def _look_at_target(engine: sa.Engine, manifest: Manifest, *, replace: bool) -> _Target:
    """Look at what is there, after what a killed restore may have left is gone."""
    with engine.connect() as connection:
        there = _list_tables(connection)
        _drop_tables(engine, [name for name in there if name.startswith(RESTORING)])
        tables = [name for name in there if not name.startswith(RESTORING)]
        if tables and not replace:
            raise StoreError(
                f"The database {engine.url.database} is not empty: it has {len(tables)} tables. "
                "Restore into another one (database.name or database.url), or --replace them."
            )
        saved = {table.name for table in manifest.tables}
        replaced = [name for name in tables if name in saved or name.startswith("kb_")]
        for row in connection.execute(sa.text(_SQL["referring"])):
            if row.referenced in replaced and row.name in tables and row.name not in replaced:
                raise StoreError(
                    f"{row.name}, which the backup does not hold, has a foreign key to "
                    f"{row.referenced}, which would be replaced. Drop that key first."
                )
    return _Target(engine, tables, replaced)


def _list_tables(connection: sa.Connection) -> list[str]:
    rows = connection.execute(sa.text(_SQL["tables"])).all()
    return [row.name for row in rows if row.type == "BASE TABLE"]


def _drop_tables(engine: sa.Engine, tables: Sequence[str]) -> None:
    if tables:
        with _open_lax(engine) as connection:
            names = ", ".join(map(quote, tables))
            connection.execute(sa.text(_SQL["drop_tables"].format(tables=names)))


@contextmanager
def _open_lax(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Open a connection that writes what it is given; it is of no other use afterwards."""
    with engine.connect() as connection:
        connection.exec_driver_sql(_SQL["become_lax"])
        try:
            yield connection
        finally:
            connection.invalidate()


@contextmanager
def _open_staging(target: _Target) -> Iterator[_Staging]:
    """Open the place where tables are loaded, which is gone afterwards with all that is in it."""
    if not target.replaced:
        staging = _Staging(target.engine)
        try:
            yield staging
        finally:
            with target.engine.connect() as connection:
                names = _list_tables(connection)
            _drop_tables(target.engine, [name for name in names if name.startswith(RESTORING)])
        return
    beside = [_name_beside(target.database, ending) for ending in ("restoring", "replaced")]
    with ExitStack() as left_overs:
        for name in beside:
            _make_database(target.engine, name)
            left_overs.callback(_drop_database, target.engine, name)
        engine = make_engine(target.engine.url.set(database=beside[0]))
        left_overs.callback(engine.dispose)
        yield _Staging(engine)


def _name_beside(database: str, ending: str) -> str:
    return f"{database[: _LONGEST_NAME - len(ending) - 1]}_{ending}"


def _make_database(engine: sa.Engine, name: str) -> None:
    """Make a database for the time of the restore, in the place of what a killed one has left."""
    with engine.connect() as connection:
        rows = connection.execute(sa.text(_SQL["database_tables"]), {"database": name})
        strangers = [row.name for row in rows if not row.name.startswith((RESTORING, REPLACED))]
        if strangers:
            raise StoreError(
                f"A restore needs a database {name} for a while, and there is one that holds other "
                f"tables ({strangers[0]}). Rename it, or restore into an empty database."
            )
        create = sa.text(_SQL["create_database"].format(database=quote(name)))
        try:
            _drop_database(engine, name)
            connection.execute(create)
        except sa.exc.DBAPIError as error:
            if read_error_number(error.orig) in _DENIED:
                raise StoreError(
                    f"To replace tables, the account needs a database beside: GRANT ALL ON "
                    f"`{name}`.* TO it. Or restore into an empty database, which needs nothing."
                ) from error
            raise


def _drop_database(engine: sa.Engine, name: str) -> None:
    with _open_lax(engine) as connection:
        quoted = quote(name)
        connection.execute(sa.text(_SQL["drop_database"].format(database=quoted)))


def _load_tables(
    staging: _Staging,
    archive: ZipFile,
    manifest: Manifest,
    definitions: dict[str, str],
    on_progress: OnProgress,
) -> None:
    staging.names = {
        table.name: f"{RESTORING}{number:04}" for number, table in enumerate(manifest.tables)
    }
    progress = Progress(on_progress, LOADING, sum(table.rows for table in manifest.tables))
    longest = 4 * read_server_info(staging.engine).max_packet_bytes
    with _open_lax(staging.engine) as connection:
        for table in manifest.tables:
            definition = rename_tables(definitions[table.name], staging.names)
            # What looks like a parameter in a comment of it is none.
            connection.exec_driver_sql(definition, execution_options={"no_parameters": True})
            name = staging.names[table.name]
            columns = _check_columns(connection, name, table)
            insert = insert_row(name, columns)
            index = _take_vector_index(connection, name)
            rows = read_rows(archive, table, longest)
            for batch in _split_batches(rows, columns, table, progress):
                connection.execute(insert, batch)
                connection.commit()
                gc.collect(1)  # the statement holds its values in a circle
            if index:
                build = _SQL["add_index"].format(table=quote(name), index=index)
                connection.exec_driver_sql(build, execution_options={"no_parameters": True})


def _take_vector_index(connection: sa.Connection, name: str) -> str | None:
    """Drop the vector index of an empty table, and return its definition; None without one.

    Of all rows at once it is built in a fraction of the time; a cluster would write nothing else
    meanwhile.
    """
    if is_cluster_node(connection):
        return None
    read = sa.text(_SQL["definition"].format(table=quote(name)))
    definition = str(connection.execute(read).one()[1])
    found = re.search(r"^ *(VECTOR KEY (`(?:[^`]|``)+`) .*?),?$", definition, re.MULTILINE)
    if found is None:
        return None
    drop = _SQL["drop_index"].format(table=quote(name), index=found[2])
    connection.exec_driver_sql(drop, execution_options={"no_parameters": True})
    return found[1]


def _check_columns(connection: sa.Connection, name: str, table: SavedTable) -> list[Column]:
    columns = read_columns(connection, name)
    if [column.name for column in columns] != [column.name for column in table.columns]:
        raise StoreError(f"The backup says other columns of {table.name} than its definition.")
    return columns


def _split_batches(
    rows: Iterator[list[str | None]],
    columns: Sequence[Column],
    table: SavedTable,
    progress: Progress,
) -> Iterator[list[dict[str, Any]]]:
    """Split rows into batches of values to be bound."""
    batch: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        weight = sum(len(value) for value in row if value is not None)
        if batch and (len(batch) == _BATCH_ROWS or size + weight > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        try:
            values = {
                f"v{i}": column.bind(value)
                for i, (column, value) in enumerate(zip(columns, row, strict=True))
            }
        except ValueError as error:
            raise BadZipFile(f"{table.rows_file} holds bytes that are none") from error
        batch.append(values)
        size += weight
        progress.advance()
    if batch:
        yield batch


def _compare_tables(staging: _Staging, manifest: Manifest, on_progress: OnProgress) -> None:
    """Read every table from the server. Raises StoreError when a row is not as it was saved."""
    progress = Progress(on_progress, COMPARING, sum(table.rows for table in manifest.tables))
    with staging.engine.connect() as connection:
        connection.exec_driver_sql(_SQL["be_patient"])
        for table in manifest.tables:
            found, name = Checksum(), staging.names[table.name]
            for line in read_lines(connection, name, read_columns(connection, name)):
                found.add(line)
                progress.advance()
            if (found.lines, str(found)) != (table.rows, table.checksum):
                raise StoreError(
                    f"The server holds other rows of {table.name} than the backup ({found.lines} "
                    f"of {table.rows}), which was made on {manifest.server}. Nothing was changed."
                )


def _move_uploads(staging: _Staging, uploads: UploadDirectory) -> None:
    """Have the database look for uploaded files where they lie on this machine."""
    values = {"root": uploads.root, "path": str(uploads.directory)}
    with staging.engine.begin() as connection:
        if roots := staging.names.get("kb_root"):
            connection.execute(sa.text(_SQL["move_root"].format(roots=quote(roots))), values)
        if jobs := staging.names.get("kb_job"):
            connection.execute(sa.text(_SQL["move_jobs"].format(jobs=quote(jobs))), values)
        if directories := staging.names.get("kb_upload_directory"):  # of a kb that marks jobs, too
            unmark = _SQL["unmark_directory"].format(directories=quote(directories))
            connection.execute(sa.text(unmark))
            show = _SQL["show_jobs"].format(jobs=quote(staging.names["kb_job"]))
            connection.execute(sa.text(show), {"root": uploads.root})


def _change_over(target: _Target, staging: _Staging) -> None:
    """Put all tables in their places, and what was there into the database beside, at once."""
    with _open_lax(target.engine) as connection:
        here, there = quote(target.database), quote(staging.database)
        beside = quote(_name_beside(target.database, "replaced"))
        renames = [
            f"{here}.{quote(name)} TO {beside}.{quote(f'{REPLACED}{number:04}')}"
            for number, name in enumerate(target.replaced)
        ]
        renames += [
            f"{there}.{quote(staged)} TO {here}.{quote(name)}"
            for name, staged in staging.names.items()
        ]
        connection.execute(sa.text(_SQL["rename_tables"].format(renames=", ".join(renames))))
