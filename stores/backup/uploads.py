"""The uploaded files of a backup: taken along, and put in their place again."""

import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, Final
from zipfile import ZipFile

import sqlalchemy as sa

from stores.backup.archive import SavedUpload, copy_upload, name_member, read_pieces
from stores.errors import StoreError
from stores.sql import statements

_SQL = {name: sa.text(sql) for name, sql in statements("backup.sql").items() if "{" not in sql}
_STAGING: Final = ".kb-restoring"
_TRIES: Final = 3
_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL


@dataclass
class TakenUploads:
    """What was taken along; `missing` are gone, `changed` are newer than the rest of the backup."""

    files: list[SavedUpload] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)


def take_uploads(
    connection: sa.Connection, archive: ZipFile, directory: Path, root: str, *, has_kept: bool
) -> TakenUploads:
    """Take along the uploaded files that the database knows and does not keep itself.

    They are in the directory of their root. A root of that name somewhere else is an indexed
    directory of a user's own, which stays there.
    """
    taken = TakenUploads()
    indexed_at = connection.scalar(_SQL["upload_directory"], {"root": root})
    if indexed_at is not None and Path(indexed_at).resolve() != directory.resolve():
        return taken
    known = {
        row.path: row for row in reversed(connection.execute(_SQL["uploads"], {"root": root}).all())
    }
    kept = set(connection.scalars(_SQL["kept_uploads"])) if has_kept else set()
    for upload in [known[path] for path in known if path not in kept]:
        if find_place(directory, upload.path) is None:
            taken.missing.append(upload.path)
            continue
        try:
            saved, is_current = _take_file(archive, directory, upload)
        except (FileNotFoundError, NotADirectoryError):
            taken.missing.append(upload.path)
            continue
        taken.files.append(saved)
        if not is_current:
            taken.changed.append(upload.path)
    return taken


def _take_file(archive: ZipFile, directory: Path, upload: Any) -> tuple[SavedUpload, bool]:
    """Write a file into the archive, again when it changes meanwhile.

    Says also whether it is the file that the database knows, by its size and time.
    """
    for attempt in range(_TRIES):
        member = name_member("uploads" + "-again" * attempt, upload.path)
        found = hashlib.sha256()
        with (directory / upload.path).open("rb") as source, archive.open(member, "w") as target:
            before = os.fstat(source.fileno())
            for piece in read_pieces(source):
                found.update(piece)
                target.write(piece)
            after = os.fstat(source.fileno())
            size = source.tell()
        if (before.st_mtime_ns, before.st_size) == (after.st_mtime_ns, size):
            break
    saved = SavedUpload(
        path=upload.path,
        file=member,
        bytes=size,
        sha256=found.hexdigest(),
        modified_ns=after.st_mtime_ns,
    )
    return saved, upload.size is None or _is_same(upload, after)


def _is_same(upload: Any, facts: os.stat_result) -> bool:
    modified = datetime.fromtimestamp(facts.st_mtime, UTC).replace(tzinfo=None)
    apart = abs((modified - upload.modified_at).total_seconds()) if upload.modified_at else 0
    return int(upload.size) == facts.st_size and apart < 1


def find_place(directory: Path, path: str) -> Path | None:
    """Find where in a directory a path leads; None when it leads out of it or nowhere."""
    parts = PurePosixPath(path).parts
    if not parts or "\\" in path or "\0" in path or any(part in ("/", "..") for part in parts):
        return None
    place = directory / path
    return place if place.resolve().is_relative_to(directory.resolve()) else None


def find_conflicts(uploads: Sequence[SavedUpload], directory: Path) -> list[str]:
    """Find the uploads in whose place another file lies. Raises StoreError for a hostile path."""
    conflicts = []
    for upload in uploads:
        place = find_place(directory, upload.path)
        if place is None or _STAGING in place.parts:
            raise StoreError(
                f"The backup holds a file that would lie outside of {directory}: {upload.path!r}. "
                "Nothing was restored."
            )
        if place.exists() and _hash_file(place) != upload.sha256:
            conflicts.append(upload.path)
    return conflicts


def _hash_file(file: Path) -> str | None:
    if not file.is_file():
        return None
    with file.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


@dataclass(frozen=True)
class StagedUploads:
    """Files that were unpacked beside their places, and checked."""

    directory: Path
    uploads: Sequence[SavedUpload]

    @property
    def staging(self) -> Path:
        return self.directory / _STAGING

    def unpack(self, archive: ZipFile) -> Iterator[SavedUpload]:
        """Unpack one after the other. Raises BadZipFile."""
        self.remove()
        if self.uploads:
            self.staging.mkdir(mode=0o700, parents=True)
        for number, upload in enumerate(self.uploads):
            descriptor = os.open(self.staging / str(number), _NEW_FILE, 0o600)
            with os.fdopen(descriptor, "wb") as target:
                copy_upload(archive, upload, target)
            os.utime(self.staging / str(number), ns=(upload.modified_ns, upload.modified_ns))
            yield upload

    def put_all(self) -> None:
        """Put each in its place, also over what is there."""
        for number, upload in enumerate(self.uploads):
            place = self.directory / upload.path
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            (self.staging / str(number)).replace(place)
        self.remove()

    def remove(self) -> None:
        shutil.rmtree(self.staging, ignore_errors=True)
