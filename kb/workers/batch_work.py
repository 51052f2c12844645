"""Do a batch in a worker, by the functions with which a run does its files itself."""

import os
import platform
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import unquote_to_bytes

from kb.indexing.content_hash import inspect_file
from kb.indexing.embed import ChunkEmbedder
from kb.indexing.indexing_run import EVERYTHING, ChangedFile, Run
from kb.indexing.place import Place
from kb.indexing.report import Change, Progress, Tally
from kb.indexing.secret_files import identify_file
from kb.indexing.walk import FoundFile
from kb.indexing.worker import ReadWorker
from kb.indexing.writing import DocumentWriter
from kb.workers.batch_report import BatchReport
from stores.errors import KBError, ModelUnavailable, StoreError
from stores.index_batches import IndexBatches, TakenBatch
from stores.registry.document_registry import DocumentRegistry
from stores.uploaded_files import UploadedFiles

_BEATS: Final = 6
"""Signs of life in the time after which a worker counts as dead."""


class _UnseenFile(Exception):
    """A file is not here as the run has found it."""


class _BatchLost(Exception):
    """The batch is another worker's meanwhile, or was withdrawn."""


@dataclass(frozen=True)
class _BatchWriter(DocumentWriter):
    """Writes documents; of failures, which the run records, it keeps a list."""

    failures: list[tuple[str, str, str | None]] = field(default_factory=list)

    def fail(
        self,
        document_id: str,  # noqa: ARG002 - what the run knows
        root: str,  # noqa: ARG002
        path: str,
        reason: str,
        failed_hash: str | None = None,
        *,
        is_known: bool = False,  # noqa: ARG002
    ) -> None:
        self.failures.append((path, reason, failed_hash))


@dataclass(frozen=True)
class BatchWorker:
    """Does the batches of runs of one knowledge base, with one reader for all of them."""

    registry: DocumentRegistry
    embedder: ChunkEmbedder
    reader: ReadWorker
    dead_after: float  # seconds

    @property
    def _batches(self) -> IndexBatches:
        return IndexBatches(self.registry.engine)

    def do_batch(self, run: str, number: int, owner: str) -> None:
        """Do a batch unless somebody else has it. Raises what is a defect, of kb or of a file."""
        batch = self._batches.take(run, number, owner)
        if batch is None:
            return
        with _keep_alive(self._batches, batch, self.dead_after / _BEATS) as on_progress:
            try:
                report = self._index_batch(batch, on_progress)
            except _BatchLost:
                return
            except _UnseenFile as unseen:
                self._batches.return_unseen(batch, f"{platform.node()}: {unseen}")
            except ModelUnavailable as error:
                told = BatchReport(error=f"{error} (worker on {platform.node()})")
                self._batches.end(batch, told.to_json())
            except Exception as error:
                self._batches.return_broken(batch, f"{type(error).__name__}: {error}"[:500])
                raise
            else:
                self._batches.end(batch, report.to_json())

    def _index_batch(
        self, batch: TakenBatch, on_progress: Callable[[Progress], None]
    ) -> BatchReport:
        with self._bring_files(batch) as (directory, changed):
            changes: list[Change] = []
            tally = Tally(on_progress, changes.append, batch.root)
            writer = _BatchWriter(self.registry, self.embedder, tally)
            place = Place(batch.root, directory, directory)
            work = Run(writer, place, EVERYTHING, {}, identify_file(directory))
            work.index_files(changed, self.reader)
        return BatchReport(
            written=[
                (change.path, change.kind == "added")
                for change in changes
                if change.kind in ("added", "changed")
            ],
            chunks=tally.chunks,
            embedded=tally.embedded,
            failures=writer.failures,
            inner=tally.failed,
            vanished=sorted(work.vanished),
        )

    @contextmanager
    def _bring_files(self, batch: TakenBatch) -> Iterator[tuple[Path, list[ChangedFile]]]:
        """Yield where the files of a batch are, each with the content that the run has seen.

        Raises _UnseenFile.
        """
        if batch.directory is None:
            with tempfile.TemporaryDirectory(prefix="kb-uploads-") as copies:
                directory = Path(copies).resolve()
                self._copy_uploads(batch, directory)
                yield directory, _find_files(batch, directory)
        else:
            yield Path(batch.directory), _find_files(batch, None)

    def _copy_uploads(self, batch: TakenBatch, directory: Path) -> None:
        uploads = UploadedFiles(self.registry.engine)
        for file in batch.files:
            stored = uploads.find(file.path)
            if stored is None:
                raise _UnseenFile(f"{file.path} is removed")
            try:
                uploads.copy_to(directory, stored)
            except StoreError as error:
                raise _UnseenFile(str(error)) from error


def _find_files(batch: TakenBatch, copies: Path | None) -> list[ChangedFile]:
    """Find the files of a batch, by their contents: another machine may have others there."""
    changed = []
    for file in batch.files:
        where = Path(os.fsdecode(unquote_to_bytes(file.place)))
        path = copies / file.path if copies else where
        try:
            content_hash, _, _ = inspect_file(path)
        except OSError as error:
            raise _UnseenFile(f"{path}: {error.strerror}") from error
        if content_hash != file.content_hash:
            raise _UnseenFile(f"{path} has another content here")
        found = FoundFile(path, file.path, file.size)
        changed.append(ChangedFile(found, content_hash, file.document_id, file.is_new))
    return changed


@contextmanager
def _keep_alive(
    batches: IndexBatches, batch: TakenBatch, seconds: float
) -> Iterator[Callable[[Progress], None]]:
    """Give a sign of life every so many seconds beside the work, which ends if all is lost."""
    over, lost, embedded = threading.Event(), threading.Event(), [0]

    def beat() -> None:
        while not over.wait(seconds):
            try:
                if not batches.beat(batch, embedded[0]):
                    lost.set()
                    return
            except KBError:  # the next sign may arrive
                continue

    def take_progress(progress: Progress) -> None:
        embedded[0] = progress.chunks
        if lost.is_set():
            raise _BatchLost

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield take_progress
    finally:
        over.set()
        thread.join()
