"""Index a directory: what changed is read, split, embedded and written."""

import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Final, Protocol

from llama_index.core.schema import TextNode

from kb.indexing.comparison import find_gone, find_moves
from kb.indexing.content_hash import inspect_file
from kb.indexing.document import Bookmark, ReadDocument, UnreadableFile, UnreadableNow
from kb.indexing.embed import ChunkEmbedder
from kb.indexing.estimate import EmbeddingEstimate, EstimatingWriter, ReadRegistry
from kb.indexing.place import Place, PlaceFinder
from kb.indexing.reading_options import READING, ReadingOptions
from kb.indexing.report import IndexReport, OnChange, Progress, Tally
from kb.indexing.secret_files import Identity, OwnFiles, identify_file, why_secret_file
from kb.indexing.split import EMBEDDED_KEYS, split_document
from kb.indexing.walk import Found, FoundFile, PassedOver, Skipped, make_storable
from kb.indexing.worker import ReadWorker
from kb.indexing.writing import DocumentWriter, SplitDocument
from stores.chunks.vector_index import build_index_after
from stores.registry.document_registry import (
    DocumentRegistry,
    IndexedDocument,
    KnownDocument,
    MovedDocument,
    Part,
    document_id,
)
from stores.text.translations import Message

_FILES_AHEAD = 4
_BYTES_A_CHUNK = 1000  # of a file, about

_TOO_MANY_FAILURES = "it was not read, as too many of these files cannot be read"


class _Read(Protocol):
    def __call__(self, path: Path, start: Bookmark | None = None) -> Future[ReadDocument]: ...


@dataclass(frozen=True)
class Scope:
    """Which files of a directory a run looks at.

    `only` are paths below it that are looked at by name, None for all that a walk finds. `retry`
    reads what could not be read before though it did not change. After `most_failures` no more
    files are read. Of what a walk finds only what was `touched`, or is below it, is compared.
    """

    only: Sequence[str] | None = None
    retry: bool = False
    most_failures: int | None = None
    touched: Sequence[Path] | None = None


EVERYTHING: Final = Scope()


@dataclass(frozen=True)
class Indexer:
    """Indexes directories into one registry with one embedding model."""

    registry: DocumentRegistry
    embedder: ChunkEmbedder
    on_progress: Callable[[Progress], None] = lambda _: None
    say: Callable[[str], None] = lambda _: None
    own: OwnFiles = field(default_factory=OwnFiles)
    on_change: OnChange = lambda _: None
    options: ReadingOptions = field(default_factory=ReadingOptions)
    dispatch: "Dispatch | None" = None
    """Has workers index what has changed; without it this process does."""

    def index(
        self,
        path: Path,
        *,
        name: str | None = None,
        keep: bool = False,
        prune: bool = False,
        scope: Scope = EVERYTHING,
    ) -> IndexReport:
        """Bring the root up to date with the directory (or the one file) at `path`.

        Documents that are not found any more are removed, but not with `keep`, and those of a
        directory in which nothing is found only with `prune`.
        Raises RootConflict, ModelUnavailable or StoreUnavailable; what was written until then
        stays, and the next run goes on from there.
        """
        absolute = Path(os.path.abspath(path))  # noqa: PTH100 - drops `..`, keeps links
        finder = PlaceFinder(self.registry, self.own, self.say)
        place = finder.find_place(absolute, name, prune=prune)
        return self._run(place, make_storable(str(place.named)), scope, keep=keep, prune=prune)

    def index_copies(
        self, directory: Path, root: str, *, keep: bool = False, scope: Scope = EVERYTHING
    ) -> IndexReport:
        """Bring a root that has no directory up to date with copies of its files, as `index` does.

        The directory may go afterwards.
        """
        place = Place(root, directory.resolve(), directory)
        return self._run(place, None, scope, keep=keep, prune=False)

    def estimate(self, path: Path, *, name: str | None = None) -> EmbeddingEstimate:
        """Find out what `index` would have embedded; nothing is embedded or written.

        Raises RootConflict or StoreUnavailable.
        """
        absolute = Path(os.path.abspath(path))  # noqa: PTH100 - as above
        READING.set(self.options)
        place = PlaceFinder(self.registry, self.own, self.say).find_place(absolute, name)
        tally = Tally(self.on_progress, self.on_change, place.root)
        registry = ReadRegistry(self.registry.engine, self.registry.table)
        writer = EstimatingWriter(registry, self.embedder, tally)
        known = registry.find_known(place.root)
        Run(writer, place, EVERYTHING, known, identify_file(place.directory)).read(self.own)
        writer.estimate.failed += tally.failed
        return writer.estimate

    def _run(
        self, place: Place, path: str | None, scope: Scope, *, keep: bool, prune: bool
    ) -> IndexReport:
        """Do a run over a place, whose root is noted to be at a path, None for nowhere."""
        started = time.monotonic()
        READING.set(self.options)
        place = place.narrow(scope.only, scope.touched)
        tally = Tally(self.on_progress, self.on_change, place.root)
        notices = [
            Message("Another run is indexing {root!r}; waiting until it is done.", root=place.root)
        ]

        def report_waiting() -> None:
            if notices:
                self.say(notices.pop())
            tally.report_progress()  # it may raise, to end the waiting

        with self.registry.hold_root(place.root, report_waiting) as still_alone:
            self.registry.set_root(place.root, path)
            known = self.registry.find_known(place.root)
            writer = DocumentWriter(self.registry, self.embedder, tally)
            identity = identify_file(place.directory)
            run = Run(writer, place, scope, known, identity, say=self.say)
            with self.registry.warm_up_after():
                found = run.index(self.own, self.dispatch)
            run.remove_gone(found, keep=keep, prune=prune, still_alone=still_alone)
        return tally.make_report(time.monotonic() - started)


@dataclass(frozen=True)
class ChangedFile:
    """A file whose content is not what the registry holds."""

    file: FoundFile
    content_hash: str
    document_id: str
    is_new: bool


class Dispatch(Protocol):
    """Has others index changed files of a run, and returns those that the run is to do itself."""

    def __call__(self, run: "Run", changed: Iterator[ChangedFile]) -> Iterable[ChangedFile]: ...


@dataclass(frozen=True)
class Run:
    """One run over one root: its steps share the place, what is known of it, and the writer.

    `identity` is that of the directory when the run began.
    `vanished` are the files that went away after they were found, in a directory that is still
    the same: one that was unmounted meanwhile has lost none.
    """

    writer: DocumentWriter
    place: Place
    scope: Scope
    known: dict[str, KnownDocument]
    identity: Identity | None
    vanished: set[str] = field(default_factory=set)
    say: Callable[[str], None] = lambda _: None

    @property
    def root(self) -> str:
        return self.place.root

    @property
    def registry(self) -> DocumentRegistry:
        return self.writer.registry

    @property
    def tally(self) -> Tally:
        return self.writer.tally

    @cached_property
    def _known_ids(self) -> frozenset[str]:
        return frozenset(document.id for document in self.known.values())

    def index(self, own: OwnFiles, dispatch: Dispatch | None = None) -> list[Found]:
        """Index what is new or changed, note what has moved, and return all that was found."""
        everything = list(self.place.walk(own))
        found = [entry for entry in everything if self.place.covers(entry.relative)]
        files = [entry for entry in found if isinstance(entry, FoundFile)]
        self.tally.begin_run(len(found), {file.relative: file.size for file in files})
        self.tally.hard_linked += _find_hard_linked(files)
        for entry in found:
            if isinstance(entry, Skipped):
                self.record_failure(entry.relative, entry.reason)
            elif isinstance(entry, PassedOver) and not entry.kind:
                self._pass_over(entry.relative, entry.reason)
        self._count_passed_over([entry for entry in found if isinstance(entry, PassedOver)])
        self._follow_moves(files, find_gone(self.known, everything, self.place.covers).values())
        self.registry.apply_access()
        changed = self._find_changed_files(files)
        expected = sum(file.size for file in files) // _BYTES_A_CHUNK
        table = self.registry.table
        with (
            build_index_after(self.registry.engine, table, expected, self.say),
            ReadWorker() as worker,
        ):
            self.index_files(dispatch(self, changed) if dispatch else changed, worker)
        return everything

    def read(self, own: OwnFiles) -> None:
        """Give what is new or changed to the writer, and follow no moves."""
        found = [entry for entry in self.place.walk(own) if self.place.covers(entry.relative)]
        files = [entry for entry in found if isinstance(entry, FoundFile)]
        self.tally.begin_run(len(files), {file.relative: file.size for file in files})
        with ReadWorker() as worker:
            self.index_files(self._find_changed_files(files), worker)

    def index_files(self, changed: Iterable[ChangedFile], worker: ReadWorker) -> None:
        """Read, split, embed and write changed files in this process."""
        with _read_beside(worker) as read:
            self.writer.write_all(self._read_documents(iter(changed), read))

    def _follow_moves(self, files: Iterable[FoundFile], gone: Iterable[KnownDocument]) -> None:
        """Give documents whose content is found at another path that path."""
        new = [file for file in files if file.relative not in self.known]
        moves = [
            MovedDocument(move.document, move.path, move.changes_reading)
            for move in find_moves(gone, new)
        ]
        self.registry.move_all(moves)
        for move in moves:
            document = move.document
            del self.known[document.path]
            self.known[move.path] = replace(
                document,
                path=move.path,
                content_hash=None if move.read_again else document.content_hash,
            )
            self.tally.move(document.path, move.path)

    def _find_changed_files(self, files: Iterable[FoundFile]) -> Iterator[ChangedFile]:
        """Yield the files that must be read, and count the others."""
        moved = {path for _, path in self.tally.moved}
        for file in files:
            last = self.known.get(file.relative)
            try:
                content_hash, secret, kind = inspect_file(file.path)
            except OSError as error:
                self._record_os_error(file, error)
                continue
            if secret:
                self._pass_over(file.relative, secret)
            elif kind:
                self._count_passed_over([PassedOver(file.relative, kind=kind)])
            elif last and last.is_current(content_hash):
                if file.relative not in moved:
                    self.tally.count_unchanged(file.relative)
            elif last and last.has_failed(content_hash) and not self.scope.retry:
                self.tally.leave_unread(file.relative, last.reason or "")
            else:
                is_new = not (last and last.stored)
                yield ChangedFile(file, content_hash, self._identify(file.relative), is_new)

    def _read_documents(
        self, changed: Iterator[ChangedFile], read: _Read
    ) -> Iterator[SplitDocument]:
        """Read some files ahead of the one being split, so that parsing and embedding overlap."""
        for changed_file, reading in _read_ahead(self._stop_after_failures(changed), read):
            file = changed_file.file
            try:
                yield from self._split_document(changed_file, reading.result(), read)
            except OSError as error:
                self._record_os_error(file, error)
            except UnreadableNow as error:
                if not self._has_vanished(file):
                    self.record_failure(file.relative, str(error))
            except UnreadableFile as error:
                self.record_failure(file.relative, str(error), changed_file.content_hash)

    def _stop_after_failures(self, changed: Iterator[ChangedFile]) -> Iterator[ChangedFile]:
        """Yield files until the most failures of the scope are reached; the others fail unread."""
        most = self.scope.most_failures
        for changed_file in changed:
            if most is not None and len(self.tally.failed) >= most:
                self.record_failure(changed_file.file.relative, _TOO_MANY_FAILURES)
            else:
                yield changed_file

    def _split_document(
        self, changed: ChangedFile, first: ReadDocument, read: _Read
    ) -> Iterator[SplitDocument]:
        """Split a document into chunks, part by part; raise UnreadableFile if there are none."""
        file, total = changed.file, 0
        modified_at = datetime.fromtimestamp(file.path.stat().st_mtime, UTC).replace(tzinfo=None)
        document = IndexedDocument(
            id=changed.document_id,
            root=self.root,
            path=file.relative,
            content_hash=changed.content_hash,
            size=file.size,
            modified_at=modified_at,
            media_type=first.media_type,
            title=first.title,
            language=first.language,
        )
        for number, part in enumerate(_read_parts(file.path, first, read)):
            chunks = split_document(part, document.id, number)
            total += len(chunks)
            if not (total or part.rest):
                raise UnreadableFile("it has no text")
            for chunk in chunks:
                _add_file_facts(chunk, document, modified_at)
            for name, reason in part.failures:
                self.tally.fail(f"{file.relative}/{name}", reason)
            is_one_of_several = number > 0 or part.rest is not None
            written_as = Part(number, total, part.rest is None) if is_one_of_several else None
            yield SplitDocument(document, chunks, changed.is_new, written_as)

    def _identify(self, path: str) -> str:
        """Return the id of the document at a path: its own, or one that no moved document has."""
        if known := self.known.get(path):
            return known.id
        new_id, again = document_id(self.root, path), path
        while new_id in self._known_ids:
            again += "\0"  # which no path has
            new_id = document_id(self.root, again)
        return new_id

    def remove_gone(
        self, found: list[Found], *, keep: bool, prune: bool, still_alone: Callable[[], bool]
    ) -> None:
        """Remove the documents that were not found, or say that they are missing.

        A directory in which nothing is found at all may be a disk that is not mounted.
        """
        there = [entry for entry in found if entry.relative not in self.vanished]
        gone = find_gone(self.known, there, self.place.covers)
        answering = [path for path, document in gone.items() if document.chunks]
        if self.place.is_whole_root and not there and answering and not prune:
            self.tally.emptied = True
            self.tally.missing += answering
            return
        keep = keep or (bool(gone) and not still_alone())
        for path, document in gone.items():
            if keep and document.chunks and not why_secret_file(self.place.directory / path):
                self.tally.missing.append(path)
            else:
                self._remove_document(document)

    def _remove_document(self, document: KnownDocument) -> None:
        self.registry.remove(document.id)
        if document.chunks:
            self.tally.remove(document.path)

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

    def _record_os_error(self, file: FoundFile, error: OSError) -> None:
        if not self._has_vanished(file):
            self.record_failure(file.relative, f"cannot be read: {error.strerror}")

    def _has_vanished(self, file: FoundFile) -> bool:
        """Note that a file is gone if nothing is in its place any more, and return whether."""
        is_gone = identify_file(self.place.directory) == self.identity and _is_gone(file.path)
        self.vanished.update([file.relative] if is_gone else [])
        return is_gone

    def _count_passed_over(self, entries: Sequence[PassedOver]) -> None:
        """Count by its kind what is no document, and remove what was indexed of it before."""
        paths = {entry.relative: entry.kind for entry in entries if entry.kind}
        below = tuple(f"{path}/" for path, kind in paths.items() if kind == "made by a tool")
        gone = paths.keys() & self.known.keys()
        gone |= {path for path in self.known if path.startswith(below)} if below else set()
        for path in gone:
            self._remove_document(self.known.pop(path))
        self.tally.count_passed_over(paths.values())

    def record_failure(self, path: str, reason: str, failed_hash: str | None = None) -> None:
        """Note why a file was not read; it is no news if an earlier run has told the same."""
        last = self.known.get(path)
        is_known = last is not None and (last.status, last.reason) == ("failed", reason)
        self.writer.fail(
            self._identify(path),
            self.root,
            path,
            reason,
            failed_hash,
            is_known=is_known and failed_hash is None,  # else the content is another one
        )


def _is_gone(path: Path) -> bool:
    """Tell whether nothing is at a path any more; a directory on the way that hides it is none."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _find_hard_linked(files: Iterable[FoundFile]) -> list[str]:
    """Return the paths of files that have names elsewhere, where others may change them."""
    files = list(files)
    here = Counter(file.identity for file in files)
    return [file.relative for file in files if file.names > here[file.identity]]


def _read_parts(path: Path, first: ReadDocument, read: _Read) -> Iterator[ReadDocument]:
    """Yield the parts of a file, while the next one is being read; most files have but one.

    What holds for all of the document is told by its first part.
    """
    part = first
    while part.rest:
        following = read(path, part.rest)
        yield part
        part = replace(
            following.result(),
            title=first.title,
            language=first.language,
            metadata=first.metadata,
        )
    yield part


@contextmanager
def _read_beside(worker: ReadWorker) -> Iterator[_Read]:
    """Offer a function that reads files beside this thread, in the worker.

    Files that wait to be read are dropped when the run breaks off.
    """
    thread = ThreadPoolExecutor(1)
    try:
        yield lambda path, start=None: thread.submit(worker.read, path, start)
    finally:
        thread.shutdown(cancel_futures=True)


def _read_ahead(
    items: Iterator[ChangedFile], read: _Read
) -> Iterator[tuple[ChangedFile, Future[ReadDocument]]]:
    """Yield files with their readings in order, while up to _FILES_AHEAD more are being read."""
    waiting: deque[tuple[ChangedFile, Future[ReadDocument]]] = deque()
    for item in items:
        waiting.append((item, read(item.file.path)))
        if len(waiting) > _FILES_AHEAD:
            yield waiting.popleft()
    yield from waiting


def _add_file_facts(chunk: TextNode, document: IndexedDocument, modified_at: datetime) -> None:
    """Add path, root, size and time to the metadata of a chunk, hidden from the models."""
    part = chunk.metadata.pop("part", "")
    chunk.metadata |= {
        "path": f"{document.path}/{part}" if part else document.path,
        "root": document.root,
        "size": document.size,
        "modified": modified_at.isoformat(timespec="seconds"),
    }
    hidden = [key for key in chunk.metadata if key not in EMBEDDED_KEYS]
    chunk.excluded_embed_metadata_keys = hidden
    chunk.excluded_llm_metadata_keys = hidden
