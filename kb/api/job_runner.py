"""What each server process does besides answering: indexing jobs, and clearing up."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

from kb.answer_json import report_to_values
from kb.api.dependencies import KB
from kb.api.guards.upload_quota import count_failures_left
from kb.api.plain_json import to_plain
from kb.api.problems import error_to_problem
from kb.catalogue import UPLOADS
from kb.indexing.indexing_run import Scope
from kb.indexing.report import Progress
from kb.shared_uploads import find_shared_directory
from stores.chats.turns import make_owner
from stores.errors import StoreError, StoreUnavailable
from stores.jobs import Job, Jobs

_DAY: Final = 86_400.0  # seconds
_BEAT: Final = 1.0  # seconds between two looks at the queue, and two signs of life
_log = logging.getLogger(__name__)


class _Stopped(Exception):
    pass


class Runner:
    """Does the jobs of the queue, and once a day deletes sessions past their retention.

    A job that the end of the process breaks off, or a database that is away, goes back into the
    queue, and loses nothing. `trace` stands around each job, and is told what it does.
    """

    def __init__(
        self,
        kb: KB,
        *,
        seconds_between_removals: float = _DAY,
        trace: Callable[[str], AbstractContextManager[None]] = lambda _: nullcontext(),
    ) -> None:
        self._kb = kb
        self._jobs = Jobs(kb.components.engine)
        self._shared = find_shared_directory(kb.components.engine, kb.config)
        self._owner = make_owner()
        self._trace = trace
        self._stopping = threading.Event()
        self._progress, self._is_ours = Progress(0, 0, 0), True
        self._seconds_between_removals = seconds_between_removals
        self._next_removal = time.monotonic() + seconds_between_removals

    def stop(self) -> None:
        self._stopping.set()

    async def run(self) -> None:
        """Do the jobs of the queue until `stop`."""
        while not self._stopping.is_set():
            await asyncio.to_thread(self._remove_old_sessions)
            try:
                job = await asyncio.to_thread(self._take_job)
                if job:
                    await self._do_job(job)
                    continue
            except StoreError as error:
                _log.warning("Jobs wait until the database answers: %s", error)
            except Exception:  # noqa: BLE001 - the next job is looked for all the same
                _log.exception("A job ended by a defect of kb")
            await asyncio.to_thread(self._stopping.wait, _BEAT)

    def _take_job(self) -> Job | None:
        """Take a job whose path is seen from here; another machine may have others at that path."""
        marker = self._shared.read_marker() if self._shared else None
        return self._jobs.take(self._owner, list(filter(None, (self._kb.config.machine, marker))))

    def _remove_old_sessions(self) -> None:
        """Remove old sessions once a day; opening the knowledge base did so before."""
        if time.monotonic() < self._next_removal:
            return
        self._next_removal = time.monotonic() + self._seconds_between_removals
        try:
            self._kb.remove_old_sessions()
            self._kb.remove_old_answers()
            self._jobs.fail_unseen()
        except StoreError as error:
            _log.warning("Sessions past their retention are not deleted: %s", error)

    async def _do_job(self, job: Job) -> None:
        self._progress, self._is_ours = Progress(0, 0, 0), True
        with self._trace("retry" if job.retry else "index"):
            work = asyncio.create_task(asyncio.to_thread(self._index_job, job))
            await self._follow_job(job, work)

    async def _follow_job(self, job: Job, work: "asyncio.Task[dict[str, Any]]") -> None:
        while not (await asyncio.wait({work}, timeout=_BEAT))[0]:
            await asyncio.to_thread(self._report_progress, job)
        await asyncio.to_thread(self._report_progress, job)
        await asyncio.to_thread(self._end_job, job, work)

    def _index_job(self, job: Job) -> dict[str, Any]:
        is_of_files = job.retry or job.only_files is not None
        key = job.asked_by if is_of_files else None
        left = count_failures_left(self._kb.config.serve, self._jobs, key)
        scope = Scope(job.only_files, job.retry, left)
        by_workers = self._kb.config.workers.broker is not None
        if not job.path:
            report = self._kb.index_uploads(
                keep=job.keep,
                scope=scope,
                by_workers=by_workers,
                on_progress=self._take_progress,
                say=_log.warning,
            )
            return report_to_values(report)
        shared = self._shared if job.root == UPLOADS else None
        report = self._kb.index(
            shared.path if shared else job.path,
            keep=job.keep,
            prune=job.prune,
            name=job.root,
            scope=scope,
            by_workers=by_workers,
            on_progress=self._take_progress,
            say=_log.warning,
        )
        return report_to_values(report)

    def _take_progress(self, progress: Progress) -> None:
        if self._stopping.is_set() or not self._is_ours:
            raise _Stopped
        self._progress = progress

    def _report_progress(self, job: Job) -> None:
        progress = self._progress
        try:
            self._is_ours = self._jobs.beat(
                job, self._owner, progress.files, progress.total, progress.chunks
            )
        except StoreError as error:
            _log.warning("The progress of a job is not stored: %s", error)

    def _end_job(self, job: Job, work: "asyncio.Task[dict[str, Any]]") -> None:
        """Write what came of a job, as soon as the database answers."""
        while True:
            try:
                return self._write_end(job, work)
            except StoreUnavailable as error:
                _log.warning("The end of a job is written when the database answers: %s", error)
            if self._stopping.wait(_BEAT):
                return None  # another process takes it over

    def _write_end(self, job: Job, work: "asyncio.Task[dict[str, Any]]") -> None:
        error = work.exception()
        if isinstance(error, _Stopped | StoreUnavailable):
            self._jobs.give_back(job, self._owner)
        elif error:
            problem = error_to_problem(error)
            self._jobs.end(job, self._owner, error=f"{problem.in_words()} (problem {problem.id})")
        else:
            self._jobs.end(job, self._owner, report=to_plain(work.result()))
