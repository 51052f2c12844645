"""Uploaded files that the database keeps: every server has them, and a backup holds them."""

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Final

import sqlalchemy as sa

from stores.binding import escape_pattern
from stores.connection import read_snapshot, run_transaction
from stores.errors import StoreError
from stores.sql import statements

_SQL = {name: sa.text(sql) for name, sql in statements("uploads.sql").items()}
_OBSTACLE: Final = _SQL["obstacle"].bindparams(sa.bindparam("folders", expanding=True))
_PIECE: Final = 2**18  # bytes of each row but the last; a server takes packets of 16 MB
_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL
LONGEST_PATH: Final = 700  # characters


@dataclass(frozen=True)
class UploadedFile:
    """A file by its path in the root of uploads; `modified_at` in UTC."""

    path: str
    sha256: bytes
    bytes: int
    modified_at: datetime


@dataclass(frozen=True)
class UploadedFiles:
    """The uploaded files of a database; each content is stored once, whatever its names."""

    engine: sa.Engine

    def put(
        self,
        connection: sa.Connection,
        path: str,
        source: BinaryIO,
        *,
        replace: bool = False,
        modified_at: datetime | None = None,
    ) -> None:
        """Keep a file in a transaction of the caller's, a piece of it in memory at a time.

        Raises FileExistsError when there is another one of that path, unless it is to be replaced.
        """
        former = connection.scalar(_SQL["content_of"], {"path": path})
        if former is not None and not replace:
            raise FileExistsError(path)
        content = {"sha256": hash_pieces(source)}
        if not connection.execute(_SQL["hold_content"], content).rowcount:
            connection.execute(_SQL["add_content"], {**content, "bytes": source.tell()})
            for number, piece in enumerate(_read_pieces(source)):
                values = {**content, "number": number, "content": piece}
                connection.execute(_SQL["add_piece"], values)
        now = datetime.now(UTC).replace(tzinfo=None)
        named = {"path": path, **content, "modified_at": modified_at or now}
        connection.execute(_SQL["name_content"], named)
        if former not in (None, content["sha256"]):
            _release_content(connection, former)

    def remove(self, connection: sa.Connection, path: str) -> None:
        """Forget a file in a caller's transaction, and its content if nothing else has it."""
        content = connection.scalar(_SQL["content_of"], {"path": path})
        if content is not None:
            connection.execute(_SQL["remove_name"], {"path": path})
            _release_content(connection, content)

    def has_any(self) -> bool:
        return bool(read_snapshot(self.engine, lambda c: c.scalar(_SQL["any_stored"])))

    def find(self, path: str) -> UploadedFile | None:
        return next(iter(self._read_files(path)), None)

    def find_obstacle(self, path: str) -> str | None:
        """Find a file that is a folder of the path, or that is in a folder of its name."""
        folders = [str(folder) for folder in PurePosixPath(path).parents][:-1]
        values = {"folders": folders, "below": f"{escape_pattern(path)}/%"}
        found = read_snapshot(self.engine, lambda c: c.scalar(_OBSTACLE, values))
        return None if found is None else str(found)

    def list_all(self) -> list[UploadedFile]:
        """List all files by their paths."""
        return self._read_files(None)

    def _read_files(self, path: str | None) -> list[UploadedFile]:
        values = {"path": path}
        rows = read_snapshot(self.engine, lambda c: c.execute(_SQL["stored"], values).all())
        return [UploadedFile(**row._asdict()) for row in rows]

    def read(self, file: UploadedFile) -> Iterator[bytes]:
        """Read the content of a file piece by piece, each by itself, however slowly they are taken.

        Raises StoreError when it is gone meanwhile or damaged, at the latest after the last piece.
        """
        found, left = hashlib.sha256(), file.bytes
        for number in range(-(-file.bytes // _PIECE)):
            piece = self._read_piece({"sha256": file.sha256, "number": number})
            if piece is None:
                break
            found.update(piece)
            left -= len(piece)
            yield piece
        if left or found.digest() != file.sha256:
            raise _make_gone(file)

    def read_range(self, file: UploadedFile, positions: range) -> Iterator[bytes]:
        """Read the bytes at these positions, which follow each other, as `read` does all.

        A part has no hash that it could be held against. Raises StoreError when it is gone.
        """
        for number in range(positions.start // _PIECE, -(-positions.stop // _PIECE)):
            piece = self._read_piece({"sha256": file.sha256, "number": number})
            if piece is None:
                raise _make_gone(file)
            begin = number * _PIECE
            yield piece[max(0, positions.start - begin) : positions.stop - begin]

    def _read_piece(self, values: Mapping[str, Any]) -> bytes | None:
        row = read_snapshot(self.engine, lambda c: c.execute(_SQL["piece"], values).one_or_none())
        return bytes(row.content) if row else None

    def copy_to(self, directory: Path, file: UploadedFile) -> None:
        """Copy a file below a directory, with its time, readable by its owner alone.

        Raises StoreError, also for a path that leads out of the directory.
        """
        place = directory / file.path
        if "\0" in file.path or not place.resolve().is_relative_to(directory.resolve()):
            raise StoreError(f"The path of the uploaded file {file.path!r} leads elsewhere.")
        try:
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"Another file is where a folder of {file.path!r} should be."
            ) from error
        try:
            with os.fdopen(os.open(place, _NEW_FILE, 0o600), "wb") as target:
                target.writelines(self.read(file))
        except StoreError:
            place.unlink()
            raise
        modified = file.modified_at.replace(tzinfo=UTC).timestamp()
        os.utime(place, (modified, modified))

    def mark_directory(self, marker: str) -> str:
        """Note the id of a directory that keeps uploads in the database's stead, if none is noted.

        Returns the id that is noted, which every server must find in its directory.
        """

        def work(connection: sa.Connection) -> str:
            connection.execute(_SQL["mark"], {"marker": marker})
            return str(connection.execute(_SQL["marker"]).scalar_one())

        return run_transaction(self.engine, work)

    def find_marker(self) -> str | None:
        """Find the id of the directory that keeps uploads; None while none is noted."""
        marker = read_snapshot(self.engine, lambda c: c.scalar(_SQL["marker"]))
        return None if marker is None else str(marker)


def _make_gone(file: UploadedFile) -> StoreError:
    return StoreError(f"The uploaded file {file.path!r} is gone or damaged. Upload it again.")


def _release_content(connection: sa.Connection, content: bytes) -> None:
    values = {"sha256": content}
    if connection.execute(_SQL["release_content"], values).rowcount:
        connection.execute(_SQL["remove_pieces"], values)


def hash_pieces(source: BinaryIO) -> bytes:
    """Hash a file, which is then at its end."""
    found = hashlib.sha256()
    for piece in _read_pieces(source):
        found.update(piece)
    return found.digest()


def _read_pieces(source: BinaryIO) -> Iterator[bytes]:
    """Read a file from its beginning; whoever reads it again begins anew."""
    source.seek(0)
    return iter(partial(source.read, _PIECE), b"")
