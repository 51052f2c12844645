"""Where a directory or a file belongs: known by its path, by its name, or by its documents."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Final

from kb.indexing.comparison import count_found_again
from kb.indexing.document import UnreadableFile
from kb.indexing.secret_files import OwnFiles
from kb.indexing.walk import Found, FoundFile, Skipped, make_storable, walk_files
from stores.errors import RootConflict, StoreError
from stores.registry.document_registry import DocumentRegistry, KnownDocument
from stores.text.translations import Message

_ROOT_CHARACTERS: Final = 190
_MOST: Final = 0.5  # of a root's documents: where more of them are, there it is


@dataclass(frozen=True)
class Place:
    """A directory, or a file or directory below it, with the name under which it is indexed.

    `names` are the paths below the directory, with all that is below them, to which it is
    restricted, None for no restriction. `only` are the same when they are looked at by name and
    nothing is walked.
    """

    root: str
    directory: Path
    named: Path  # the directory as the user calls it, which may be a link
    part: Path | None = None
    is_one_file: bool = False
    only: Sequence[str] | None = None
    names: frozenset[str] | None = None

    @property
    def is_whole_root(self) -> bool:
        """Tell whether all of the directory is walked."""
        return self.part is None and self.only is None

    @cached_property
    def _part_path(self) -> str:
        """Return the path of the part below the directory, "" for the whole of it."""
        path = make_storable((self.part or self.directory).relative_to(self.directory).as_posix())
        return "" if path == "." else path

    @property
    def _part_prefix(self) -> str:
        return f"{self._part_path}/" if self._part_path else ""

    def narrow(self, only: Sequence[str] | None, touched: Sequence[Path] | None) -> "Place":
        """Return this place with nothing but what is named, or but what was touched of it."""
        if only is not None:
            return replace(self, only=only, names=frozenset(map(make_storable, only)))
        if touched is not None:
            below = (path for path in touched if path.is_relative_to(self.directory))
            paths = (path.relative_to(self.directory).as_posix() for path in below)
            return replace(self, names=frozenset(map(make_storable, paths)))
        return self

    def covers(self, path: str) -> bool:
        """Tell whether this run is about the document of that path, whether or not it is there."""
        if self.names is not None:
            return not self.names.isdisjoint((path, *map(str, PurePosixPath(path).parents)))
        return path == self._part_path or path.startswith(self._part_prefix)

    def walk(self, own: OwnFiles) -> Iterator[Found]:
        """Yield what is found here, with paths below the root, and not only what was touched."""
        if self.only is not None:
            for name in self.only:
                yield from self._walk_by_name(name, own)
        elif self.part and self.is_one_file:
            for found in _walk_if_there(self.part, own):
                yield replace(found, relative=self._part_path)
        else:
            for found in walk_files(self.part or self.directory, own):
                yield replace(found, relative=_join_paths(self._part_path, found.relative))

    def _walk_by_name(self, name: str, own: OwnFiles) -> Iterator[Found]:
        """Yield what a named path is, nothing if it is gone again; a link is not followed."""
        path, relative = self.directory / name, make_storable(name)
        if path.resolve() != path:
            yield Skipped(relative, "it is a link")
            return
        is_directory = path.is_dir()
        try:
            for found in _walk_if_there(path, own):
                below = found.relative if is_directory else ""
                yield replace(found, relative=_join_paths(relative, below))
        except UnreadableFile:
            yield Skipped(relative, "the directory is unreadable")


def _walk_if_there(path: Path, own: OwnFiles) -> Iterator[Found]:
    """Yield what is found at a path, nothing if it is gone at this moment."""
    try:
        yield from walk_files(path, own)
    except (UnreadableFile, FileNotFoundError):
        if path.exists():
            raise


def _join_paths(upper: str, lower: str) -> str:
    return f"{upper}/{lower}".strip("/")


@dataclass(frozen=True)
class PlaceFinder:
    """Finds the root of what a user names, among those that the registry knows."""

    registry: DocumentRegistry
    own: OwnFiles
    say: Callable[[str], None]

    def find_place(self, path: Path, name: str | None, *, prune: bool = False) -> Place:
        """Return where `path` belongs: to the root that holds it, or to a root of its own.

        A link to a file stands for that file, in the directory where it is. Raises RootConflict
        when something else has the name, or the directory has another one.
        """
        roots = self._list_directories()
        if not name and (known := self._find_known(path, roots)):
            return known
        place = _make_own(path, name)
        last = roots.get(place.root)
        if last is None or not _is_same_directory(last, place):
            self._check_claim(place, path, roots, prune=prune)
        return place

    def _list_directories(self) -> dict[str, Path | None]:
        """List where each root was last indexed, None for one without a directory."""
        return {
            str(root["name"]): Path(root["path"]) if root["path"] else None
            for root in self.registry.list_roots()
        }

    def _find_known(self, path: Path, roots: Mapping[str, Path | None]) -> Place | None:
        """Return `path` as a known root, as a part of one, or as one whose directory is renamed."""
        inside = path.resolve()
        directories = {root: directory for root, directory in roots.items() if directory}
        if inside.is_dir() and (same := self._find_same(path, directories)):
            return same
        if above := self._find_root_that_holds(inside, directories):
            return above
        own = _make_own(path, None)
        renamed = self._find_renamed(own, directories)
        return replace(own, root=renamed) if renamed else None

    def _find_same(self, path: Path, directories: Mapping[str, Path]) -> Place | None:
        """Return a directory as the root that it is already, by this path or by another."""
        inside = path.resolve()
        called_so = [root for root, known in directories.items() if _is_called(known, path)]
        same = called_so or [
            root for root, known in directories.items() if known.resolve() == inside
        ]
        for other in same[1:]:
            self.say(
                Message(
                    "{directory} is indexed as {root} and as {other}, and answers twice. Let go of "
                    "one: kb documents forget {other}",
                    directory=inside,
                    root=same[0],
                    other=other,
                )
            )
        if not same:
            return None
        return Place(same[0], inside, path if called_so else directories[same[0]])

    def _find_root_that_holds(self, inside: Path, directories: Mapping[str, Path]) -> Place | None:
        """Return a path as a part of the innermost root that has indexed from its folder before.

        A second copy under another root would answer twice.
        """
        folder = inside if inside.is_dir() else inside.parent
        resolved = {root: directory.resolve() for root, directory in directories.items()}
        for root in sorted(resolved, key=lambda root: len(resolved[root].parts), reverse=True):
            directory = resolved[root]
            if directory not in inside.parents:
                continue
            below = make_storable(folder.relative_to(directory).as_posix())
            is_indexed = below == "." or any(
                known.startswith(f"{below}/") for known in self.registry.find_known(root)
            )
            if is_indexed:
                return Place(root, directory, directories[root], inside, not inside.is_dir())
        return None

    def _find_renamed(self, own: Place, directories: Mapping[str, Path]) -> str | None:
        """Return the root whose directory is gone and most of whose documents are found here."""
        gone = [root for root, directory in directories.items() if not directory.is_dir()]
        walked = self._walk(own) if gone and not own.is_one_file else []
        shares: dict[str, float] = {}
        for root in gone:
            documents = self._list_answering(root)
            files = _find_at_paths(own, documents) if own.is_one_file else walked
            found = count_found_again(documents, files)
            shares[root] = found / len(documents) if documents else 0.0
        renamed = max(shares, key=lambda root: shares[root], default=None)
        if renamed is None or shares[renamed] <= _MOST:
            return None
        self.say(
            Message(
                "{directory} holds the documents of {root}, whose directory {former} is gone: it "
                "goes on under that name.",
                directory=own.directory,
                root=renamed,
                former=directories[renamed],
            )
        )
        return renamed

    def _walk(self, place: Place) -> list[FoundFile]:
        return [f for f in walk_files(place.directory, self.own) if isinstance(f, FoundFile)]

    def _list_answering(self, root: str) -> list[KnownDocument]:
        return [document for document in self.registry.find_known(root).values() if document.chunks]

    def _check_claim(
        self, place: Place, path: Path, roots: Mapping[str, Path | None], *, prune: bool
    ) -> None:
        """Raise RootConflict when the name or the directory belongs to something else."""
        for root, directory in roots.items():
            if root != place.root and directory and _is_same_directory(directory, place):
                raise RootConflict(
                    f"{place.named} is indexed already, as {root!r}; under two names it would "
                    "answer twice. Leave --name out, or let go of that name first: kb documents "
                    f"forget {root}"
                )
        if place.root not in roots:
            return
        last, another = roots[place.root], f"kb index {path} --name NAME"
        if last is None:
            raise RootConflict(
                f"{place.root!r} is the name of documents that a program has added, without a "
                f"directory. Give {place.named} another name: {another}"
            )
        if last.is_dir():
            raise RootConflict(
                f"{place.root!r} is already the name of {last}. Give {place.named} another name: "
                f"{another}"
            )
        if not prune and self._is_another(place):
            raise RootConflict(
                f"{place.root!r} is the name of {last}, which is not there now, and {place.named} "
                f"holds few of its documents. If it is another directory, give it another name: "
                f"{another}. If it takes the place of the former one: kb index {path} --prune"
            )

    def _is_another(self, place: Place) -> bool:
        """Tell whether a directory lacks most of what its root's name stands for."""
        documents = self._list_answering(place.root)
        files = _find_at_paths(place, documents) if place.is_one_file else self._walk(place)
        paths = {file.relative for file in files}
        elsewhere = [document for document in documents if document.path not in paths]
        lacking = len(elsewhere) - count_found_again(elsewhere, files)
        return bool(documents) and lacking >= _MOST * len(documents)


def _find_at_paths(place: Place, documents: Sequence[KnownDocument]) -> list[FoundFile]:
    """Find the files at the paths of documents, not what else is around a file that was named."""
    return [
        FoundFile(path, document.path, path.stat().st_size)
        for document in documents
        if (path := place.directory / document.path).is_file()
    ]


def _is_called(directory: Path, path: Path) -> bool:
    return str(directory) == make_storable(str(path))


def _is_same_directory(directory: Path, place: Place) -> bool:
    return _is_called(directory, place.named) or directory.resolve() == place.directory


def _make_own(path: Path, name: str | None) -> Place:
    """Return a path as a root of its own, a file in that of its folder."""
    inside = path.resolve()
    if path.is_dir():
        return Place(_require_root_name(name or path.name), inside, path)
    is_here = path.parent.resolve() == inside.parent
    folder = path.parent if is_here else inside.parent
    root = _require_root_name(name or folder.name)
    return Place(root, inside.parent, folder, inside, is_one_file=True)


def _require_root_name(name: str) -> str:
    """Return the name as it is stored; raise StoreError if it is too long."""
    name = make_storable(name) or "root"
    if len(name) > _ROOT_CHARACTERS:
        raise StoreError(
            f"The directory's name has {len(name)} characters, of which {_ROOT_CHARACTERS} are "
            "kept. Give it a shorter one: kb index PATH --name NAME"
        )
    return name
