"""Uploaded files that a former kb kept in its home: they move into the database."""

import errno
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from kb.config.sections import Config
from kb.indexing.walk import make_storable
from stores.connection import run_transaction
from stores.text.translations import Message
from stores.uploaded_files import LONGEST_PATH, UploadedFiles, hash_pieces

_log = logging.getLogger(__name__)


def take_in_former_uploads(engine: sa.Engine, config: Config, say: Callable[[str], None]) -> None:
    """Move the files that a former kb kept on this machine into the database, one at a time.

    What breaks off goes on the next time. A file stays where it is when another one of its name is
    in the database. Raises StoreError.
    """
    directory = config.former_uploads
    if config.serve.uploads or not directory.is_dir():
        return
    files = UploadedFiles(engine)
    found = list(_list_files(directory))
    if found:
        say(
            Message(
                "Uploaded files move from {directory} into the database: {number}",
                directory=directory,
                number=len(found),
            )
        )
    for file in found:
        path = make_storable(file.relative_to(directory).as_posix())
        try:
            _take_in(files, file, path)
        except FileNotFoundError:
            continue  # another process of this machine was quicker
        except OSError as error:
            reason = error.strerror or "another file of its name is in the database"
            _log.warning("%s stays where it is: %s", file, reason)
    for place in sorted(directory.rglob("*"), reverse=True):
        with suppress(OSError):
            place.rmdir()
    with suppress(OSError):  # something stays in it
        directory.rmdir()


def _list_files(directory: Path) -> Iterator[Path]:
    for file in sorted(directory.rglob("*")):
        is_hidden = any(part.startswith(".") for part in file.relative_to(directory).parts)
        if file.is_file() and not file.is_symlink() and not is_hidden:
            yield file


def _take_in(files: UploadedFiles, file: Path, path: str) -> None:
    """Move a file into the database; what is there already is not written again."""
    if len(path) > LONGEST_PATH:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
    with file.open("rb") as source:
        modified = datetime.fromtimestamp(os.fstat(source.fileno()).st_mtime, UTC)

        def put(connection: sa.Connection) -> None:
            files.put(connection, path, source, modified_at=modified.replace(tzinfo=None))

        try:
            run_transaction(files.engine, put)
        except FileExistsError:
            stored = files.find(path)
            if stored is None or stored.sha256 != hash_pieces(source):
                raise
    file.unlink()
