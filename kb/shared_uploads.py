"""The directory that keeps uploaded files in the database's stead, if serve.uploads names one."""

import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from kb.config.sections import Config
from stores.errors import StoreError
from stores.uploaded_files import UploadedFiles

MARKER: Final = ".kb-uploads"  # the file that holds the id of a directory of uploads


@dataclass(frozen=True)
class SharedDirectory:
    """The directory of serve.uploads, which every server of the database is to see."""

    path: Path
    files: UploadedFiles

    def read_marker(self) -> str | None:
        """Read the id that is in the directory; None while there is none."""
        try:
            return (self.path / MARKER).read_text("ascii").strip()[:32] or None
        except (OSError, ValueError):
            return None

    def require_shared(self) -> str:
        """Return the id of the directory, which the first server that asks writes.

        Raises StoreError when other servers of the database use another directory.
        """
        marker = self.read_marker()
        if self.files.has_any():
            raise StoreError(
                "The database keeps uploaded files itself. Leave serve.uploads out, or remove "
                f"them before they are kept in {self.path}."
            )
        if marker is None and self.files.find_marker() is None:
            self._write_marker()
            marker = self.read_marker()
        noted = self.files.mark_directory(marker) if marker else self.files.find_marker()
        if marker is None or marker != noted:
            found = f"its {MARKER} says {marker}" if marker else f"it has no {MARKER}"
            raise StoreError(
                f"serve.uploads is {self.path}, which is not the directory that the other servers "
                f"of the database use: {found}, and theirs says {noted}. Mount that one here, or "
                f"leave serve.uploads out everywhere. If it was moved, move {MARKER} along."
            )
        return marker

    def _write_marker(self) -> None:
        """Write a new id, unless somebody else is quicker."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = self.path / f"{MARKER}-{secrets.token_hex(4)}"
        part.write_text(secrets.token_hex(16), "ascii")
        with suppress(FileExistsError):
            os.link(part, self.path / MARKER)
        part.unlink()


def find_shared_directory(engine: sa.Engine, config: Config) -> SharedDirectory | None:
    """Find the directory of serve.uploads; None while the database keeps uploaded files."""
    directory = config.serve.uploads
    return SharedDirectory(directory, UploadedFiles(engine)) if directory else None
