"""Hash what a document is made of, to tell whether it has changed."""

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path, PurePath
from typing import Final

from kb.indexing.file_kinds import FileKind, find_kind_by_content
from kb.indexing.reading_options import READING
from kb.indexing.secret_files import HEAD_BYTES, why_secret

# Part of every content hash: raise it when reading or splitting changes what a file yields.
PIPELINE: Final = b"6"

_MAY_HOLD_SHEETS: Final = (  # in archives and attached to mails, too
    *(".xlsx", ".ods", ".eml", ".msg", ".mbox"),
    *(".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz"),
)


def inspect_file(path: Path) -> tuple[str, str | None, FileKind | None]:
    """Return the hash of the content, why the file is secret, and its kind if it has no text.

    What is no document is not hashed.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        secret, kind = why_secret(path.name, head), find_kind_by_content(path.name, head)
        if secret or kind:
            return "", secret, kind
        file.seek(0)
        return hashlib.file_digest(file, lambda: _begin_hash(path)).hexdigest(), None, None


def hash_content(path: PurePath, pieces: Iterable[bytes]) -> str:
    """Return the hash of the content of a file of this name."""
    found = _begin_hash(path)
    for piece in pieces:
        found.update(piece)
    return found.hexdigest()


def _begin_hash(path: PurePath) -> "hashlib._Hash":
    """Begin with how a file of this name is read."""
    has_more = READING.get().hidden_sheets and path.suffix.lower() in _MAY_HOLD_SHEETS
    return hashlib.sha256(PIPELINE + (b" with hidden sheets" if has_more else b""))


def hash_open_files(paths: Iterable[Path]) -> dict[str, list[Path]]:
    """Return the files that are no secrets by the hashes of their contents.

    What cannot be read has none.
    """
    by_hash: dict[str, list[Path]] = {}
    for path in paths:
        with suppress(OSError):
            content_hash, secret, kind = inspect_file(path)
            if not (secret or kind):
                by_hash.setdefault(content_hash, []).append(path)
    return by_hash


def hash_text(text: str) -> str:
    """Return the hash of a content that is no file."""
    return hashlib.sha256(PIPELINE + text.encode()).hexdigest()
