"""What is around a passage of a document, and the files that are uploaded."""

import os
import re
import shutil
import tempfile
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final

import sqlalchemy as sa
from llama_index.core.schema import BaseNode
from llama_index.core.vector_stores.types import VectorStoreQuery

from kb.catalogue import UPLOADS, Catalogue
from kb.indexing.content_hash import hash_content, inspect_file
from kb.indexing.walk import make_storable
from kb.shared_uploads import SharedDirectory
from stores.chunks.vector_store import MariaDBVectorStore
from stores.errors import StoreError
from stores.registry.document_list import ListedDocument
from stores.uploaded_files import LONGEST_PATH, UploadedFile, UploadedFiles

_NAME_BYTES: Final = 200
_CLOCK_STEP: Final = timedelta(milliseconds=1)  # that a time loses on its way through a file
_MOST_CHUNKS: Final = 10_000  # of a document that is read whole


@dataclass(frozen=True)
class Passage:
    """A chunk with those before and after it, in the order of the document."""

    chunk: BaseNode
    before: list[BaseNode]
    after: list[BaseNode]


@dataclass(frozen=True)
class Library(Catalogue):
    """The catalogue with what is around a passage, and the files that are uploaded."""

    vector_store: MariaDBVectorStore
    shared: SharedDirectory | None = None  # that keeps uploads in the database's stead

    def find_passage(self, chunk_id: str, around: int) -> Passage | None:
        """Find a chunk with those around it; None when there is no chunk of that id."""
        chunk = self._find_chunk(chunk_id)
        if chunk is None:
            return None
        before = self._follow(chunk, around, backwards=True)
        return Passage(chunk, before[::-1], self._follow(chunk, around, backwards=False))

    def list_chunks(self, document: ListedDocument) -> list[BaseNode]:
        """List all chunks of a document, in its order."""
        everything = VectorStoreQuery(doc_ids=[document.id], similarity_top_k=_MOST_CHUNKS)
        return list(self.vector_store.query(everything).nodes or ())

    def is_taken(self, name: str, *, replace: bool = False) -> bool:
        """Tell whether there is an uploaded file of a name, which is not to be replaced.

        What somebody may not see is not theirs to replace.
        """
        if self.shared:
            is_there = (self.shared.path / name).exists()
        else:
            is_there = self.uploaded_files.find(name) is not None
        return is_there and not (replace and self._sees_upload(name))

    def is_as_indexed(self, document: ListedDocument, original: Path | UploadedFile) -> bool:
        """Say whether a file is what was indexed, or what was found unreadable, and no later one.

        Of a later one nobody has read yet whom it is for.
        """
        if isinstance(original, Path):
            status = original.stat()
            size = status.st_size
            modified_at = datetime.fromtimestamp(status.st_mtime, UTC).replace(tzinfo=None)
        else:
            size, modified_at = original.bytes, original.modified_at
        if document.modified_at is None:
            return modified_at <= document.checked_at
        if size == document.size and abs(modified_at - document.modified_at) < _CLOCK_STEP:
            return True
        if isinstance(original, Path):
            found, _, _ = inspect_file(original)
        else:
            pieces = self.uploaded_files.read(original)
            found = hash_content(PurePosixPath(document.path), pieces)
        return found == self.registry.find_content_hash(document.id)

    def _sees_upload(self, name: str) -> bool:
        if self.registry.groups is None:
            return True
        with suppress(StoreError):
            self.documents.one(UPLOADS, name)
            return True
        return False

    def find_obstacle(self, path: str) -> str | None:
        """Find the uploaded file, or folder of such, beside which a file cannot have its path."""
        if self.shared is None:
            return self.uploaded_files.find_obstacle(path)
        if (self.shared.path / path).is_dir():
            return path
        folders = map(str, PurePosixPath(path).parents)
        return next((each for each in folders if (self.shared.path / each).is_file()), None)

    def locate_uploads(self) -> tuple[str, str | None]:
        """Return where a job finds uploaded files, and who sees that place, as `Jobs.add` takes it.

        Raises StoreError when the directory is not the one that the other servers use.
        """
        return (str(self.shared.path), self.shared.require_shared()) if self.shared else ("", None)

    @contextmanager
    def receive_files(self, files: Mapping[str, BinaryIO]) -> Iterator["ReceivedFiles"]:
        """Take uploaded files by their paths, whole or not at all; those that are put there stay.

        An exception takes back what was new. Raises StoreError when the directory is not the shared
        one; OSError.
        """
        if self.shared is None:
            yield FilesForDatabase(self.uploaded_files, files)
            return
        self.shared.require_shared()
        directory = self.shared.path
        with tempfile.TemporaryDirectory(prefix=".", suffix=".part", dir=directory) as unfinished:
            parts = {}
            for name, source in files.items():
                descriptor, part = tempfile.mkstemp(dir=unfinished)
                with os.fdopen(descriptor, "wb") as target:
                    shutil.copyfileobj(source, target)
                parts[name] = Path(part)
            received = FilesForDirectory(directory, parts)
            try:
                yield received
            except BaseException:
                received.take_back()
                raise

    def _find_chunk(self, chunk_id: str) -> BaseNode | None:
        return next(iter(self.vector_store.get_nodes([chunk_id])), None)

    def _follow(self, chunk: BaseNode, steps: int, *, backwards: bool) -> list[BaseNode]:
        found: list[BaseNode] = []
        for _ in range(steps):
            near = chunk.prev_node if backwards else chunk.next_node
            following = self._find_chunk(near.node_id) if near else None
            if following is None:
                break
            found.append(chunk := following)
        return found


@dataclass(frozen=True)
class FilesForDatabase:
    """Uploaded files that are whole, by the names that they are to have in the database."""

    uploaded_files: UploadedFiles
    sources: Mapping[str, BinaryIO]

    def put_all(self, connection: sa.Connection, *, replace: bool) -> None:
        """Keep all files in a transaction of the caller's. Raises FileExistsError of a name."""
        for name in sorted(self.sources):  # in one order, so that two requests do not deadlock
            self.uploaded_files.put(connection, name, self.sources[name], replace=replace)


@dataclass(frozen=True)
class FilesForDirectory:
    """Uploaded files that are whole; `parts` says where they are, by the paths that they get."""

    directory: Path
    parts: Mapping[str, Path]

    def put_all(self, _connection: sa.Connection, *, replace: bool) -> None:
        """Put all files where they are to be, or none when there is one of a name.

        Raises FileExistsError of the name, and OSError.
        """
        try:
            for path, part in self.parts.items():
                file = self.directory / path
                file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                if not replace and not _is_same(file, part):
                    os.link(part, file)
                elif replace and part.exists():
                    part.replace(file)
        except FileExistsError as error:
            self.take_back()
            raise FileExistsError(path) from error
        except OSError:
            self.take_back()
            raise

    def take_back(self) -> None:
        """Take back what was put where nothing was."""
        for path, part in self.parts.items():
            if _is_same(self.directory / path, part):
                (self.directory / path).unlink()


ReceivedFiles = FilesForDatabase | FilesForDirectory


def _is_same(file: Path, part: Path) -> bool:
    return file.exists() and part.exists() and file.samefile(part)


def clean_upload_name(name: str) -> str:
    """Return the last part of a name, without what hides a file or cannot be shown."""
    last = make_storable(name.replace("\\", "/").rsplit("/", 1)[-1])
    visible = "".join(letter for letter in last if unicodedata.category(letter)[0] != "C")
    stem, dot, ending = visible.strip(" .").rpartition(".")
    stem, ending = (stem, dot + ending) if dot else (ending, "")
    kept = stem.encode()[: _NAME_BYTES - len(ending.encode())].decode(errors="ignore").rstrip()
    if not kept or len(ending.encode()) > _NAME_BYTES // 2:
        raise StoreError(f"{name!r} does not name a file. Give it a name with letters.")
    return kept + ending


def clean_upload_path(folder: str, name: str) -> str:
    """Return the path that a file is kept under, each part of it as a name is.

    Raises StoreError for a part of which nothing can be kept, and for what is too long.
    """
    folders = map(clean_upload_name, filter(None, re.split(r"[/\\]", folder)))
    path = "/".join((*folders, clean_upload_name(name)))
    if len(path) > LONGEST_PATH:
        raise StoreError(f"{path[:80]!r}… has {len(path)} characters, {LONGEST_PATH} are kept.")
    return path
