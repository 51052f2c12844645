"""Index a directory: what changed is read, split, embed and written, one document at a time."""

import hashlib
import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from llama_index.core.schema import TextNode

from kb.indexing.document import ReadDocument, UnreadableFile, UnreadableNow
from kb.indexing.embed import ChunkEmbedder
from kb.indexing.file_kinds import FileKind, find_kind_by_content
from kb.indexing.report import IndexReport, Progress, Tally
from kb.indexing.secret_files import HEAD_BYTES, OwnFiles, why_secret, why_secret_file
from kb.indexing.split import EMBEDDED_KEYS, split_document
from kb.indexing.walk import Found, FoundFile, PassedOver, Skipped, make_storable, walk_files
from kb.indexing.worker import ReadWorker
from stores.errors import RootConflict, StoreError, StoreUnavailable
from stores.registry.document_registry import (
    DocumentRegistry,
    IndexedDocument,
    KnownDocument,
    document_id,
)

# Part of every content hash: raise it when reading or splitting changes what a file yields.
_PIPELINE = b"6"
_CHUNKS_A_GROUP = 64  # a call to the embedding model; written together, so that progress shows
_FILES_AHEAD = 4
_ROOT_CHARACTERS = 190

_TOO_MANY_FAILURES = "it was not read, as too many of these files cannot be read"

_Read = Callable[[Path], Future[ReadDocument]]


@dataclass(frozen=True)
class Scope:
    """Which files of a directory a run looks at.

    `only` are paths of files below it, None for all. `retry` reads what could not be read before
    though it did not change. After `most_failures` no more files are read.
    """

    only: Sequence[str] | None = None
    retry: bool = False
    most_failures: int | None = None


EVERYTHING: Final = Scope()


@dataclass(frozen=True)
class _IndexedPlace:
    """A directory, or a file or directory below it, with the name under which it is indexed."""

    root: str
    directory: Path
    named: Path  # the directory as the user calls it, which may be a link
    part: Path | None = None
    only: Sequence[str] | None = None

    @property
    def prefix(self) -> str:
        """Return what the paths of this part begin with, below the root."""
        if self.part is None or not self.part.is_dir():
            return ""
        return make_storable(self.part.relative_to(self.directory).as_posix()) + "/"

    @property
    def is_one_file(self) -> bool:
        return self.part is not None and not self.part.is_dir()

    def walk_place(self, own: OwnFiles) -> Iterator[Found]:
        """Yield what is found here, with paths below the root."""
        if self.only is None:
            yield from map(self._rename_below_root, walk_files(self.part or self.directory, own))
        for name in self.only or ():
            yield from self._walk_one(name, own)

    def _walk_one(self, name: str, own: OwnFiles) -> Iterator[Found]:
        """Yield what one named file below the directory is, nothing if it is gone again.

        A link is not followed.
        """
        file, relative = self.directory / name, make_storable(name)
        if file.resolve() != file:
            yield Skipped(relative, "it is a link")
        elif file.is_file():
            with suppress(UnreadableFile):  # gone at this moment
                for found in walk_files(file, own):
                    yield replace(found, relative=relative)

    def _rename_below_root(self, found: Found) -> Found:
        if self.is_one_file and self.part:
            relative = make_storable(self.part.relative_to(self.directory).as_posix())
        else:
            relative = (self.prefix + found.relative).rstrip("/")
        return replace(found, relative=relative)


@dataclass(frozen=True)
class Indexer:
    """Indexes directories into one registry with one embedding model."""

    registry: DocumentRegistry
    embedder: ChunkEmbedder
    on_progress: Callable[[Progress], None] = lambda _: None
    say: Callable[[str], None] = lambda _: None
    own: OwnFiles = field(default_factory=OwnFiles)

    def index(
        self,
        path: Path,
        *,
        name: str | None = None,
        prune: bool = False,
        scope: Scope = EVERYTHING,
    ) -> IndexReport:
        """Bring the root up to date with the directory (or the one file) at `path`.

        Raises RootConflict, ModelUnavailable or StoreUnavailable; what was written until then
        stays, and the next run goes on from there.
        """
        started = time.monotonic()
        absolute = Path(os.path.abspath(path))  # noqa: PTH100 - drops `..`, keeps links
        place = replace(self._find_place(absolute, name), only=scope.only)
        tally = Tally(self.on_progress)
        notices = [f"Another run is indexing {place.root!r}; waiting until it is done."]

        def report_waiting() -> None:
            if notices:
                self.say(notices.pop())
            tally.report_progress()  # it may raise, to end the waiting

        with self.registry.hold_root(place.root, report_waiting) as still_alone:
            self._claim_root(place)
            known = self.registry.find_known(place.root)
            run = _Run(self.registry, self.embedder, place, scope, known, tally)
            run.index(self.own, prune=prune, still_alone=still_alone)
        return tally.make_report(time.monotonic() - started)

    def _find_place(self, path: Path, name: str | None) -> _IndexedPlace:
        """Return where `path` belongs: to the root that holds it, or to a root of its own.

        A link to a file stands for that file, in the directory where it is.
        """
        inside = path.resolve()
        if not name and (above := self._find_root_that_holds(path, inside)):
            return above
        if path.is_dir():
            return _IndexedPlace(_require_root_name(name or path.name), inside, path)
        is_here = path.parent.resolve() == inside.parent
        folder = path.parent if is_here else inside.parent
        return _IndexedPlace(_require_root_name(name or folder.name), inside.parent, folder, inside)

    def _find_root_that_holds(self, path: Path, inside: Path) -> _IndexedPlace | None:
        """Return `path` as a part of the innermost root that has indexed from its folder before.

        A second copy under another root would answer twice.
        """
        roots = {
            Path(root_row["path"]): str(root_row["name"]) for root_row in self.registry.list_roots()
        }
        innermost_first = sorted(
            roots.items(), key=lambda place: len(place[0].resolve().parts), reverse=True
        )
        folder = inside if inside.is_dir() else inside.parent
        for named, root in innermost_first:
            directory = named.resolve()
            if path in roots or directory not in inside.parents:
                continue
            below = folder.relative_to(directory).as_posix()
            prefix = "" if below == "." else make_storable(below) + "/"
            if any(known.startswith(prefix) for known in self.registry.find_known(root)):
                return _IndexedPlace(root, directory, named, inside)
        return None

    def _claim_root(self, place: _IndexedPlace) -> None:
        """Set the directory of the root; raise RootConflict if another one has its name."""
        last, here = self.registry.find_root_path(place.root), make_storable(str(place.named))
        if last and last != here and Path(last).is_dir():
            raise RootConflict(
                f"{place.root!r} is already the name of {last}. Give {here} another name: "
                f"kb index {here} --name NAME"
            )
        self.registry.set_root(place.root, here)


@dataclass(frozen=True)
class _ChangedFile:
    """A file whose content is not what the registry holds."""

    file: FoundFile
    content_hash: str
    is_new: bool


@dataclass(frozen=True)
class _SplitDocument:
    """A file read and split, waiting for its embeddings."""

    document: IndexedDocument
    chunks: list[TextNode]
    is_new: bool


@dataclass(frozen=True)
class _Run:
    """One run over one root: its steps share the registry, what is known, and the tally."""

    registry: DocumentRegistry
    embedder: ChunkEmbedder
    place: _IndexedPlace
    scope: Scope
    known: dict[str, KnownDocument]
    tally: Tally

    @property
    def root(self) -> str:
        return self.place.root

    def index(self, own: OwnFiles, *, prune: bool, still_alone: Callable[[], bool]) -> None:
        """Index what has changed, write it group by group, and forget what is gone."""
        found = list(self.place.walk_place(own))
        files = [entry for entry in found if isinstance(entry, FoundFile)]
        self.tally.begin_run(len(found))
        self.tally.hard_linked += _find_hard_linked(files)
        for entry in found:
            if isinstance(entry, Skipped):
                self._record_failure(entry.relative, entry.reason)
            elif isinstance(entry, PassedOver) and not entry.kind:
                self._pass_over(entry.relative, entry.reason)
        self._count_passed_over([entry for entry in found if isinstance(entry, PassedOver)])
        with _read_in_worker() as read:
            for group in _group_documents(
                self._read_documents(self._find_changed_files(files), read)
            ):
                self._write_group(group)
        if self.place.only is not None:
            self._forget_named_files(found)
        elif not self.place.is_one_file:
            self._forget_what_is_gone(found, prune=prune and still_alone())

    def _find_changed_files(self, files: Iterable[FoundFile]) -> Iterator[_ChangedFile]:
        """Yield the files that must be read, and count the others."""
        for file in files:
            last = self.known.get(file.relative)
            try:
                content_hash, secret, kind = _inspect_file(file.path)
            except OSError as error:
                self._record_failure(file.relative, f"cannot be read: {error.strerror}")
                continue
            if secret:
                self._pass_over(file.relative, secret)
            elif kind:
                self._count_passed_over([PassedOver(file.relative, kind=kind)])
            elif last and last.is_current(content_hash):
                self.tally.count_unchanged()
            elif last and last.has_failed(content_hash) and not self.scope.retry:
                self.tally.leave_unread(file.relative, last.reason or "")
            else:
                yield _ChangedFile(file, content_hash, is_new=not (last and last.stored))

    def _read_documents(
        self, changed: Iterator[_ChangedFile], read: _Read
    ) -> Iterator[_SplitDocument]:
        """Read some files ahead of the one being split, so that parsing and embedding overlap."""
        for changed_file, reading in _read_ahead(self._stop_after_failures(changed), read):
            try:
                yield self._split_document(changed_file, reading.result())
            except (UnreadableNow, OSError) as error:
                self._record_failure(changed_file.file.relative, str(error))
            except UnreadableFile as error:
                self._record_failure(
                    changed_file.file.relative, str(error), changed_file.content_hash
                )

    def _stop_after_failures(self, changed: Iterator[_ChangedFile]) -> Iterator[_ChangedFile]:
        """Yield files until the most failures of the scope are reached; the others fail unread."""
        most = self.scope.most_failures
        for changed_file in changed:
            if most is not None and len(self.tally.failed) >= most:
                self._record_failure(changed_file.file.relative, _TOO_MANY_FAILURES)
            else:
                yield changed_file

    def _split_document(self, changed: _ChangedFile, read: ReadDocument) -> _SplitDocument:
        """Split what was read into chunks; raise UnreadableFile if there are none."""
        file = changed.file
        modified_at = datetime.fromtimestamp(file.path.stat().st_mtime, UTC).replace(tzinfo=None)
        document = IndexedDocument(
            id=document_id(self.root, file.relative),
            root=self.root,
            path=file.relative,
            content_hash=changed.content_hash,
            size=file.size,
            modified_at=modified_at,
            media_type=read.media_type,
            title=read.title,
            language=read.language,
        )
        chunks = split_document(read, document.id)
        if not chunks:
            raise UnreadableFile("it has no text")
        for chunk in chunks:
            _add_file_facts(chunk, document)
        for part, reason in read.failures:
            self.tally.fail(f"{file.relative}/{part}", reason)
        return _SplitDocument(document, chunks, changed.is_new)

    def _write_group(self, group: list[_SplitDocument]) -> None:
        """Embed the chunks of the documents in one go, then write document by document."""
        self.embedder.embed_chunks(
            (c for document in group for c in document.chunks), self.tally.count_embedded
        )
        for document in group:
            try:
                self.registry.replace(document.document, document.chunks)
            except StoreUnavailable:
                raise
            except StoreError as error:
                self._record_failure(document.document.path, str(error))
            else:
                self.tally.write(len(document.chunks), is_new=document.is_new)

    def _forget_what_is_gone(self, found: list[Found], *, prune: bool) -> None:
        """Remove documents whose files are gone; a file that could not be looked at is not gone."""
        seen = {entry.relative for entry in found}
        hidden = tuple(f"{entry.relative}/" for entry in found if isinstance(entry, Skipped))
        for path, document in self.known.items():
            if path in seen or f"{path}/".startswith(hidden):
                continue
            if not path.startswith(self.place.prefix):
                continue
            if prune or not document.chunks or why_secret_file(self.place.directory / path):
                self._remove_document(document)
            else:
                self.tally.missing += 1

    def _forget_named_files(self, found: list[Found]) -> None:
        """Remove documents of files that were named and are gone: nobody can mend those."""
        gone = set(map(make_storable, self.place.only or ())) - {entry.relative for entry in found}
        for path in gone & self.known.keys():
            self._remove_document(self.known[path])

    def _remove_document(self, document: KnownDocument) -> None:
        self.registry.remove(document.id)
        self.tally.removed += bool(document.chunks)

    def _pass_over(self, path: str, reason: str) -> None:
        """Note that a path is no document, and remove what was indexed of it or below it before."""
        below = f"{path}/" if path else ""
        for known_path in [
            known_path
            for known_path in self.known
            if known_path == path or known_path.startswith(below)
        ]:
            self._remove_document(self.known.pop(known_path))
        self.tally.pass_over(path or self.place.directory.name, reason)

    def _count_passed_over(self, entries: Sequence[PassedOver]) -> None:
        """Count by its kind what is no document, and remove what was indexed of it before."""
        paths = {entry.relative: entry.kind for entry in entries if entry.kind}
        below = tuple(f"{path}/" for path, kind in paths.items() if kind == "made by a tool")
        gone = paths.keys() & self.known.keys()
        gone |= {path for path in self.known if path.startswith(below)} if below else set()
        for path in gone:
            self._remove_document(self.known.pop(path))
        self.tally.count_passed_over(paths.values())

    def _record_failure(self, path: str, reason: str, failed_hash: str | None = None) -> None:
        """Note in the registry and in the tally why a file was not read."""
        last = self.known.get(path)
        is_known = last is not None and (last.status, last.reason) == ("failed", reason)
        is_known = is_known and failed_hash is None  # else the content is another one
        self.registry.fail(self.root, path, reason, failed_hash)
        self.tally.fail(path, reason, is_known=is_known)


def _require_root_name(name: str) -> str:
    """Return the name as it is stored; raise StoreError if it is too long."""
    name = make_storable(name) or "root"
    if len(name) > _ROOT_CHARACTERS:
        raise StoreError(
            f"The directory's name has {len(name)} characters, of which {_ROOT_CHARACTERS} are "
            "kept. Give it a shorter one: kb index PATH --name NAME"
        )
    return name


def _inspect_file(path: Path) -> tuple[str, str | None, FileKind | None]:
    """Return the hash of the content, why the file is secret, and its kind if it has no text."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        secret, kind = why_secret(path.name, head), find_kind_by_content(path.name, head)
        if secret or kind:
            return "", secret, kind
        file.seek(0)
        return hashlib.file_digest(file, lambda: hashlib.sha256(_PIPELINE)).hexdigest(), None, None


def _find_hard_linked(files: Iterable[FoundFile]) -> list[str]:
    """Return the paths of files that have names elsewhere, where others may change them."""
    files = list(files)
    here = Counter(file.identity for file in files)
    return [file.relative for file in files if file.names > here[file.identity]]


@contextmanager
def _read_in_worker() -> Iterator[_Read]:
    """Offer a function that reads files beside this thread, in the worker.

    Files that wait to be read are dropped when the run breaks off.
    """
    with ReadWorker() as worker:
        thread = ThreadPoolExecutor(1)
        try:
            yield lambda path: thread.submit(worker.read, path)
        finally:
            thread.shutdown(cancel_futures=True)


def _read_ahead(
    items: Iterator[_ChangedFile], read: _Read
) -> Iterator[tuple[_ChangedFile, Future[ReadDocument]]]:
    """Yield files with their readings in order, while up to _FILES_AHEAD more are being read."""
    waiting: deque[tuple[_ChangedFile, Future[ReadDocument]]] = deque()
    for item in items:
        waiting.append((item, read(item.file.path)))
        if len(waiting) > _FILES_AHEAD:
            yield waiting.popleft()
    yield from waiting


def _group_documents(documents: Iterable[_SplitDocument]) -> Iterator[list[_SplitDocument]]:
    """Yield documents together when their chunks are worth a call to the embedding model."""
    group: list[_SplitDocument] = []
    for document in documents:
        group.append(document)
        if sum(len(member.chunks) for member in group) >= _CHUNKS_A_GROUP:
            yield group
            group = []
    if group:
        yield group


def _add_file_facts(chunk: TextNode, document: IndexedDocument) -> None:
    """Add path, root, size and time to the metadata of a chunk, hidden from the models."""
    part = chunk.metadata.pop("part", "")
    chunk.metadata |= {
        "path": f"{document.path}/{part}" if part else document.path,
        "root": document.root,
        "size": document.size,
        "modified": document.modified_at.isoformat(timespec="seconds"),
    }
    hidden = [key for key in chunk.metadata if key not in EMBEDDED_KEYS]
    chunk.excluded_embed_metadata_keys = hidden
    chunk.excluded_llm_metadata_keys = hidden
