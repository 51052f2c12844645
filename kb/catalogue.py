"""The documents of a knowledge base, one by one and root by root.

Importing it brings no LlamaIndex, which takes seconds.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

import sqlalchemy as sa

from kb.assembly.access_rules import open_access_rules
from kb.config.sections import Config
from stores.chunks.chunk_table import ChunkTable
from stores.connection import run_transaction
from stores.errors import RootConflict, StoreError, StoreUnavailable
from stores.registry.collection import find_collection
from stores.registry.document_list import DocumentList, ListedDocument, StoredPassage
from stores.registry.document_registry import DocumentRegistry
from stores.text.translations import Message
from stores.uploaded_files import UploadedFile, UploadedFiles

UPLOADS: Final = "uploads"  # the name of the root that holds what was uploaded


@dataclass(frozen=True)
class ShownDocument:
    """A document with its passages; `file` is where it is now.

    It is None when there is no file, or when it `is_kept` by the database.
    """

    document: ListedDocument
    file: Path | None
    is_kept: bool
    passages: list[StoredPassage]

    def values(self) -> dict[str, Any]:
        """Return it as JSON tells it."""
        return {
            **asdict(self.document),
            "file": self.file and str(self.file),
            "passages": [asdict(passage) for passage in self.passages],
        }


@dataclass(frozen=True)
class Catalogue:
    """The documents of a knowledge base."""

    registry: DocumentRegistry

    @property
    def documents(self) -> DocumentList:
        return DocumentList(self.registry.engine, self.registry.groups)

    @property
    def uploaded_files(self) -> UploadedFiles:
        """The uploaded files that the database keeps, which are all without serve.uploads."""
        return UploadedFiles(self.registry.engine)

    def require_own_uploads(self, former: Path) -> None:
        """Raise RootConflict when the root of uploads is a directory that a user has indexed.

        It may be the one where an earlier kb kept uploads.
        """
        place = self.registry.find_root_path(UPLOADS)
        if place and Path(place) != former and Path(place).is_dir():
            raise RootConflict(
                f"{UPLOADS!r} is the name of {place}. Set serve.uploads to it if it keeps uploaded "
                f"files; else let go of that name: kb documents forget {UPLOADS}"
            )

    def show_document(self, name: str) -> ShownDocument:
        """Show a document by its name, as ROOT/PATH. Raises StoreError when there is none."""
        document = self.documents.find(name)
        passages = self.documents.list_passages(self.registry.table, document)
        original = self.find_original(document)
        is_kept = isinstance(original, UploadedFile)
        file = original if isinstance(original, Path) else None
        return ShownDocument(document, file, is_kept, passages)

    def find_original(self, document: ListedDocument) -> Path | UploadedFile | None:
        """Find what a document was read from; None when it is gone or was never a file."""
        kept = self.uploaded_files.find(document.path) if document.root == UPLOADS else None
        return kept or self.find_file(document)

    def find_file(self, document: ListedDocument) -> Path | None:
        """Find the file of a document in its indexed directory, None when it is not there."""
        directory = self.registry.find_root_path(document.root)
        if directory is None:
            return None
        root = Path(directory).resolve()
        file = (root / document.path).resolve()
        return file if file.is_relative_to(root) and file.is_file() else None

    def remove_document(self, document: ListedDocument) -> bool:
        """Take a document out of the index, and return whether its file went too.

        So does that of an upload; any other stays, and is indexed again by the next run.
        """
        original = self.find_original(document) if document.root == UPLOADS else None

        def remove_original(connection: sa.Connection) -> None:
            if isinstance(original, Path):
                original.unlink(missing_ok=True)
                _remove_empty_folders(original, len(PurePosixPath(document.path).parents) - 1)
            elif original:
                self.uploaded_files.remove(connection, document.path)

        self.registry.remove(document.id, remove_original)
        return original is not None

    def choose_to_retry(
        self, names: Sequence[str] | None = None, root: str | None = None
    ) -> dict[str, list[str]]:
        """Return by their roots the paths of documents that are named, or of all that failed.

        Raises StoreError for a name of which there is none.
        """
        chosen: dict[str, list[str]] = {}
        if names is None:
            for failure in self.registry.list_failures():
                if root in (None, failure.root):
                    chosen.setdefault(failure.root, []).append(failure.path)
        for document in map(self.documents.find, names or ()):
            chosen.setdefault(document.root, []).append(document.path)
        return chosen

    def count_root(self, root: str) -> int:
        """Count the documents of a root, failed ones too. Raises StoreError for an unknown one."""
        _, total = self.documents.list_page(roots=[root], limit=0)
        names = [str(known["name"]) for known in self.registry.list_roots()]
        if root not in names and not total:
            known = f"The roots are {', '.join(names)}." if names else "Nothing is indexed yet."
            raise StoreError(f"There is no root {root!r}. {known}")
        return total

    def forget_root(
        self,
        root: str,
        *,
        on_removed: Callable[[int], None] = lambda _: None,
        say: Callable[[str], None] = lambda _: None,
    ) -> int:
        """Take all documents of a root out of the index, with its name; return how many they were.

        Files stay, but for those that were uploaded. What was removed when it breaks off stays
        removed. Waits for a run over the root to end. Raises StoreError for an unknown root.
        """
        self.count_root(root)
        notices = [
            Message("Another run is indexing {root!r}; waiting until it is done.", root=root)
        ]
        removed = 0

        def tell_once() -> None:
            while notices:
                say(notices.pop())

        with self.registry.hold_root(root, tell_once):
            while documents := self.documents.list_page(roots=[root])[0]:
                for document in documents:
                    self.remove_document(document)
                    removed += 1
                    on_removed(removed)
            self.registry.forget_root(root)
        return removed


def _remove_empty_folders(file: Path, depth: int) -> None:
    """Remove the folders around a file that is gone, up to its root, as far as they are empty."""
    with suppress(OSError):  # something stays in it
        for folder in file.parents[:depth]:
            folder.rmdir()


def copy_uploads(files: UploadedFiles, paths: Sequence[str], directory: Path) -> Mapping[str, str]:
    """Copy uploaded files below a directory, and return why some could not be, by their paths.

    What was removed meanwhile is left out.
    """
    damaged = {}
    for path in paths:
        file = files.find(path)
        try:
            if file:
                files.copy_to(directory, file)
        except StoreUnavailable:
            raise
        except StoreError as error:
            if files.find(path) == file:
                damaged[path] = str(error)
    return damaged


def open_catalogue(engine: sa.Engine, config: Config) -> Catalogue:
    """Open the catalogue of a database, whose chunk table is brought up to date.

    Raises StoreError while nothing was ever indexed.
    """
    collection = find_collection(engine)
    if collection is None:
        raise StoreError("Nothing is indexed yet. `kb index PATH` begins.")
    keys = config.documents.filter_keys
    table = ChunkTable(collection.chunk_table, collection.dimension, filter_keys=keys)
    run_transaction(engine, table.set_up)
    return Catalogue(DocumentRegistry(engine, table, open_access_rules(engine, config)))
