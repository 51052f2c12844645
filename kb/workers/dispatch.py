"""Have workers index what has changed: batches of files, each followed until its end.

The run keeps its root, what is known of it, and the report. What workers die over is divided until
the file is found that ends them; what no worker finds as the run has found it, the run does itself.
"""

import os
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Final
from urllib.parse import quote_from_bytes

from kb.indexing.content_hash import inspect_file
from kb.indexing.indexing_run import ChangedFile, Run
from kb.indexing.walk import make_storable
from kb.workers.batch_report import BatchReport
from kb.workers.broker import Broker, BrokerUnavailable
from stores.errors import ModelUnavailable, WorkersUnavailable
from stores.index_batches import BatchFile, BatchState, IndexBatches
from stores.text.translations import Message

_MOST_FILES: Final = 16
_MOST_BYTES: Final = 4_000_000
"""Of the files of a batch, unless one alone is larger."""
_MOST_OPEN: Final = 256
"""Batches that wait or are done by workers at once."""
_MOST_DEATHS: Final = 3
_POLL: Final = 0.25  # seconds
_LOST_AFTER: Final = 5.0
"""Seconds that a batch waits, with no message at the broker, until it is sent again."""
_SENT_AGAIN: Final = 600.0
"""Seconds until it is sent again whatever the broker has, which other runs use too."""
_NOTICE_AFTER: Final = 8.0
"""Seconds in which no worker takes a batch until that is said."""


@dataclass(frozen=True)
class WorkerDispatch:
    """Has the workers of a broker index the changed files of a run.

    `are_copies` says that they are copies of uploaded files, which workers have from the database.
    `dead_after` and `give_up_after` are seconds.
    """

    batches: IndexBatches
    broker: Broker
    dead_after: float
    give_up_after: float
    say: Callable[[str], None]
    are_copies: bool = False

    def __call__(self, run: Run, changed: Iterator[ChangedFile]) -> Iterable[ChangedFile]:
        """Return when workers have done all files but those that are returned.

        Raises ModelUnavailable when a worker's model does, WorkersUnavailable when none takes
        anything for too long, and what ends the run while it waits; batches that no worker has
        begun are withdrawn then.
        """
        self.batches.withdraw_all(run.root)  # those of a run that died
        try:
            return _DispatchedRun(self, run).index(changed)
        finally:
            self.batches.withdraw_all(run.root)


@dataclass
class _OpenBatch:
    """A batch that is not done: what the run has of it, and what it has seen of it last."""

    number: int
    files: list[ChangedFile]
    embedded: int = 0
    deaths: int = 0
    returns: int = 0
    sent: float | None = None
    """When its message was sent; None when it is to be sent."""


@dataclass
class _DispatchedRun:
    """One run whose files are done by workers."""

    to: WorkerDispatch
    run: Run
    id: str = field(default_factory=lambda: secrets.token_hex(6))
    open: dict[int, _OpenBatch] = field(default_factory=dict)
    left: list[ChangedFile] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=count)
    last_sign: float = field(default_factory=time.monotonic)
    last_poll: float = 0.0
    last_look: float = 0.0
    """At the messages of the broker."""
    is_told: bool = False
    unseen: str = ""
    """Why a worker gave files back last."""

    def index(self, changed: Iterator[ChangedFile]) -> list[ChangedFile]:
        """Have all files indexed, and return those that are left to the run itself."""
        for files in self._cut(changed):
            self._add(files)
            while self.open and (len(self.open) >= _MOST_OPEN or self._allowance == 0):
                self._wait()
            if time.monotonic() - self.last_poll > _POLL:  # files are still being compared
                self._follow()
        while self.open:
            self._wait()
        return self.left

    @property
    def _allowance(self) -> int:
        """Return how many files may fail until no more are read, if all fail that are read now."""
        most = self.run.scope.most_failures
        if most is None:
            return _MOST_FILES
        read_now = sum(len(batch.files) for batch in self.open.values())
        return max(0, most - len(self.run.tally.failed) - read_now)

    def _cut(self, changed: Iterator[ChangedFile]) -> Iterator[list[ChangedFile]]:
        """Yield files by batches; what comes after too many failures is left to the run."""
        files: list[ChangedFile] = []
        for file in changed:
            if not files and self._allowance == 0:
                self.left.append(file)
                continue
            files.append(file)
            size = sum(member.file.size for member in files)
            if size >= _MOST_BYTES or len(files) >= min(_MOST_FILES, self._allowance):
                yield files
                files = []
        if files:
            yield files

    def _add(self, files: Sequence[ChangedFile]) -> None:
        batch = _OpenBatch(next(self.numbers), list(files))
        directory = None if self.to.are_copies else make_storable(str(self.run.place.directory))
        listed = [_list_file(file) for file in files]
        self.to.batches.add(self.id, batch.number, self.run.root, directory, listed)
        self.open[batch.number] = batch
        self._send([batch])

    def _wait(self) -> None:
        time.sleep(_POLL)
        self._follow()

    def _follow(self) -> None:
        """Take in what workers have done, and send what waits and was not sent or is lost."""
        self.last_poll = time.monotonic()
        self.run.tally.report_progress()  # it may raise, to end the run
        self.to.batches.release_dead(self.id, self.to.dead_after)
        states = self.to.batches.list_states(self.id)
        if any(state.state != "waiting" for state in states):
            self.last_sign, self.is_told, self.unseen = time.monotonic(), False, ""
        for number in self.open.keys() - {state.number for state in states}:
            self._add(self.open.pop(number).files)  # somebody else has removed it
        for state in states:
            self._take_in(self.open[state.number], state)
        waiting = {state.number for state in states if state.state == "waiting"}
        waits = [batch for number, batch in self.open.items() if number in waiting]
        self._send([batch for batch in waits if batch.sent is None])
        self._send_lost([batch for batch in waits if batch.sent is not None])
        if time.monotonic() - self.last_sign > _NOTICE_AFTER:
            self._tell_once(
                Message(
                    "No worker takes what is to be indexed of {root!r}. Start some: kb worker "
                    "(their broker: {broker}, queue {queue}). Waiting; Ctrl-C ends.",
                    root=self.run.root,
                    broker=self.to.broker.address,
                    queue=self.to.broker.queue,
                )
            )
        self._require_workers()

    def _require_workers(self) -> None:
        """Raise WorkersUnavailable when nothing was taken for too long by workers that are idle."""
        if time.monotonic() - self.last_sign < self.to.give_up_after:
            return
        if self.to.batches.has_living(self.to.dead_after):  # with other runs, before this one
            self.last_sign = time.monotonic()
            return
        raise WorkersUnavailable(
            Message(
                "No worker has taken what is to be indexed of {root!r} for {seconds:g} seconds. "
                "Run kb worker (their broker: {broker}, queue {queue}), or name no "
                "workers.broker, and index again.{unseen}",
                root=self.run.root,
                seconds=self.to.give_up_after,
                broker=self.to.broker.address,
                queue=self.to.broker.queue,
                unseen=self.unseen and f" ({self.unseen})",
            )
        )

    def _take_in(self, batch: _OpenBatch, state: BatchState) -> None:
        if state.embedded > batch.embedded:
            self.run.tally.count_embedded(state.embedded - batch.embedded)
            batch.embedded = state.embedded
        if state.state == "done" and state.report is not None:
            self._finish(batch, BatchReport.from_json(state.report))
        elif state.state == "waiting" and state.deaths > batch.deaths:
            batch.deaths, batch.sent = state.deaths, None
            if batch.deaths >= _MOST_DEATHS:
                self._divide(batch, state.reason)
        elif state.state == "waiting" and state.returns > batch.returns:
            batch.returns = state.returns
            self._look_again(batch, state.reason or "")

    def _finish(self, batch: _OpenBatch, report: BatchReport) -> None:
        """Take the report of a batch into that of the run."""
        if report.error:
            raise ModelUnavailable(report.error)
        tally = self.run.tally
        tally.count_embedded(max(0, report.embedded - batch.embedded))
        tally.count_written(report.chunks)
        for path, is_new in report.written:
            tally.write(path, is_new=is_new)
        for path, reason in report.inner:
            tally.fail(path, reason)
        for path, reason, failed_hash in report.failures:
            self.run.record_failure(path, reason, failed_hash)
        vanished = set(report.vanished)
        self.left += [file for file in batch.files if file.file.relative in vanished]
        self.to.batches.remove(self.id, batch.number)
        del self.open[batch.number]

    def _close(self, batch: _OpenBatch) -> bool:
        """Remove a batch, unless a worker has just taken it; say whether it is removed."""
        is_removed = self.to.batches.remove(self.id, batch.number)
        if is_removed:
            del self.open[batch.number]
        return is_removed

    def _divide(self, batch: _OpenBatch, reason: str | None) -> None:
        """Make a batch of each file, or set the one file aside that has ended its workers."""
        if not self._close(batch):
            return
        if len(batch.files) > 1:
            for file in batch.files:
                self._add([file])
            return
        [changed] = batch.files
        ended = f"it has ended the worker that read it {_MOST_DEATHS} times"
        why = f"{ended}: {reason}" if reason else ended
        self.run.record_failure(changed.file.relative, why, changed.content_hash)

    def _look_again(self, batch: _OpenBatch, reason: str) -> None:
        """Take files out of a batch that are not as they were; the others wait for a worker."""
        self.unseen = reason
        same = [file for file in batch.files if _is_same(file)]
        if len(same) == len(batch.files):
            self._tell_once(Message("A worker has given files back: {reason}", reason=reason))
            batch.sent = time.monotonic()  # it is sent again when it seems lost
            return
        is_changed = (
            self.to.batches.set_files(self.id, batch.number, [_list_file(file) for file in same])
            if same
            else self._close(batch)
        )
        if is_changed:
            self.left += [file for file in batch.files if file not in same]
            batch.files, batch.sent = same, None

    def _send(self, batches: Sequence[_OpenBatch]) -> None:
        for batch in batches:
            try:
                self.to.broker.send(self.id, batch.number)
            except BrokerUnavailable as error:
                self._tell_once(str(error))
                return
            batch.sent = time.monotonic()

    def _send_lost(self, batches: Sequence[_OpenBatch]) -> None:
        """Send again what waits though no message of it is left."""
        now = time.monotonic()
        late = [batch for batch in batches if now - (batch.sent or now) > _LOST_AFTER]
        if not late or now - self.last_look < _LOST_AFTER:
            return
        self.last_look = now
        try:
            if self.to.broker.has_messages():
                late = [batch for batch in late if now - (batch.sent or now) > _SENT_AGAIN]
        except BrokerUnavailable as error:
            self._tell_once(str(error))
            return
        self._send(late)

    def _tell_once(self, message: str) -> None:
        """Say something, once until a worker gives a sign again."""
        if not self.is_told:
            self.is_told = True
            self.to.say(message)


def _list_file(changed: ChangedFile) -> BatchFile:
    file = changed.file
    return BatchFile(
        path=file.relative,
        place=quote_from_bytes(os.fsencode(file.path)),
        document_id=changed.document_id,
        content_hash=changed.content_hash,
        size=file.size,
        is_new=changed.is_new,
    )


def _is_same(changed: ChangedFile) -> bool:
    """Tell whether a file still has the content with which it was found."""
    try:
        return inspect_file(changed.file.path)[0] == changed.content_hash
    except OSError:
        return False
