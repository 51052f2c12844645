"""Compare what a walk found with what the registry knows: what is gone, and what has moved."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from kb.indexing.content_hash import hash_open_files
from kb.indexing.read import make_title_of_name
from kb.indexing.walk import Found, FoundFile, Skipped
from stores.registry.document_registry import KnownDocument


@dataclass(frozen=True)
class Move:
    """A document whose content is found at another path, and no longer at its own."""

    document: KnownDocument
    path: str

    @property
    def changes_reading(self) -> bool:
        """Tell whether the new name has the content read otherwise: as another format or title."""
        before, now = PurePosixPath(self.document.path), PurePosixPath(self.path)
        if before.suffix.lower() != now.suffix.lower():
            return True
        is_titled_by_name = self.document.title == make_title_of_name(before)
        return is_titled_by_name and make_title_of_name(now) != self.document.title


def find_gone(
    known: Mapping[str, KnownDocument], found: Iterable[Found], covers: Callable[[str], bool]
) -> dict[str, KnownDocument]:
    """Return the known documents that a walk would have found and did not.

    What could not be looked at hides what is below it, and nothing of that is gone.
    """
    found = list(found)
    seen = {entry.relative for entry in found}
    hidden = tuple(f"{entry.relative}/" for entry in found if isinstance(entry, Skipped))
    return {
        path: document
        for path, document in known.items()
        if path not in seen and covers(path) and not f"{path}/".startswith(hidden)
    }


def find_moves(gone: Iterable[KnownDocument], new: Iterable[FoundFile]) -> list[Move]:
    """Return which of the gone documents are found among the new files, by their contents.

    Of several files with one content, that of the same name is the document, else the first.
    """
    left = [document for document in gone if document.is_current(document.content_hash or "")]
    moves = []
    files = _find_by_content(left, new)
    for document in sorted(left, key=lambda document: document.path):
        if same := files.get(document.content_hash or ""):
            name = PurePosixPath(document.path).name
            file = next(
                (file for file in same if PurePosixPath(file.relative).name == name), same[0]
            )
            same.remove(file)
            moves.append(Move(document, file.relative))
    return moves


def count_found_again(documents: Sequence[KnownDocument], files: Sequence[FoundFile]) -> int:
    """Return how many documents have their content among the files, wherever."""
    contents = _find_by_content(documents, files)
    return sum(document.content_hash in contents for document in documents)


def _find_by_content(
    documents: Iterable[KnownDocument], files: Iterable[FoundFile]
) -> dict[str, list[FoundFile]]:
    """Return files by the hashes of their contents, of those that are as large as a document."""
    sizes = {document.size for document in documents}
    candidates: dict[Path, FoundFile] = {file.path: file for file in files if file.size in sizes}
    return {
        content_hash: [candidates[path] for path in paths]
        for content_hash, paths in hash_open_files(candidates).items()
    }
