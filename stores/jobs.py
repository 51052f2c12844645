"""What is to be indexed: a queue in the database, for any number of processes."""

import json
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import sqlalchemy as sa

from stores.connection import read_snapshot, run_transaction
from stores.errors import StoreError
from stores.sql import statements

_SQL = {name: sa.text(sql) for name, sql in statements("jobs.sql").items()}
_NEXT: Final = _SQL["next"].bindparams(sa.bindparam("sees", expanding=True))
_MOST_TOGETHER: Final = 50  # files, so that those of others do not wait long for them
DEAD_SECONDS: Final = 60  # without a sign of life, until another process takes a job over


@dataclass(frozen=True)
class Job:
    """`files` of `total` are done; `report` is the end of it, `error` why there is none.

    `path` is "" for the uploaded files that the database keeps; `seen_by` says who else can see it:
    the name of a machine or the id of a shared directory, None for everybody.

    `only_files` of the directory are looked at, None for all; with `retry` also those that could
    not be read before and have not changed. With `keep` documents whose files are gone stay, with
    `prune` they go even when nothing is found at all.
    """

    id: str
    path: str
    root: str | None
    seen_by: str | None
    only_files: Sequence[str] | None
    keep: bool
    prune: bool
    retry: bool
    asked_by: str | None
    status: Literal["queued", "running", "done", "failed"]
    files: int
    total: int
    chunks: int
    report: Mapping[str, Any] | None
    error: str | None
    created: datetime
    started: datetime | None
    ended: datetime | None


@dataclass(frozen=True)
class Jobs:
    engine: sa.Engine

    def add(
        self,
        path: str,
        *,
        root: str | None = None,
        seen_by: str | None = None,
        only_files: Sequence[str] | None = None,
        keep: bool = False,
        prune: bool = False,
        retry: bool = False,
        asked_by: str | None = None,
    ) -> Job:
        """A job at the end of its asker's queue, or the one there that does the same.

        Files join those of a job that waits, so that many small uploads are indexed together.
        """
        same = {
            "path": path,
            "root": root,
            "seen_by": seen_by,
            "only_files": None if only_files is None else json.dumps(sorted(only_files)),
            "keep": keep,
            "prune": prune,
            "retry": retry,
            "asked_by": asked_by,
        }

        def work(connection: sa.Connection) -> str:
            waiting = connection.execute(_SQL["waiting"], same).one_or_none()
            if waiting and _join(connection, waiting, only_files):
                return str(waiting.id)
            new = {"id": secrets.token_hex(6), **same}
            connection.execute(_SQL["forget"])
            connection.execute(_SQL["add"], new)
            return str(new["id"])

        return self.one(run_transaction(self.engine, work))

    def take(self, owner: str, sees: Collection[str] = ()) -> Job | None:
        """The next job, which is the owner's until its end, among those that the owner can do.

        `sees` are the machines and shared directories whose paths the owner sees.
        """

        def work(connection: sa.Connection) -> str | None:
            dead = {"seconds": DEAD_SECONDS}
            job_id = connection.scalar(_NEXT, {**dead, "sees": list(sees)})
            ours = {"id": job_id, "owner": owner, **dead}
            is_taken = job_id and connection.execute(_SQL["take"], ours).rowcount
            return str(job_id) if is_taken else None

        job_id = run_transaction(self.engine, work)
        return None if job_id is None else self.one(job_id)

    def beat(self, job: Job, owner: str, files: int, total: int, chunks: int) -> bool:
        """Note how far it is; False when it is the owner's no more."""
        values = {"id": job.id, "owner": owner, "files": files, "total": total, "chunks": chunks}
        return bool(
            run_transaction(self.engine, lambda c: c.execute(_SQL["beat"], values).rowcount)
        )

    def end(
        self,
        job: Job,
        owner: str,
        *,
        report: Mapping[str, Any] | None = None,
        error: str | None = None,
    ) -> None:
        values = {
            "id": job.id,
            "owner": owner,
            "status": "failed" if error else "done",
            "report": json.dumps(report, ensure_ascii=False) if report else None,
            "error": error,
        }
        run_transaction(self.engine, lambda c: c.execute(_SQL["end"], values))

    def give_back(self, job: Job, owner: str) -> None:
        values = {"id": job.id, "owner": owner}
        run_transaction(self.engine, lambda c: c.execute(_SQL["give_back"], values))

    def fail_unseen(self) -> None:
        """Fail the jobs whose path nobody came to see within a day."""
        run_transaction(self.engine, lambda c: c.execute(_SQL["fail_unseen"]))

    def count_unreadable(self, asked_by: str) -> int:
        """The files of somebody's uploads and retries of a day that could not be read."""
        values = {"asked_by": asked_by}
        return int(read_snapshot(self.engine, lambda c: c.scalar(_SQL["unreadable"], values)))

    def count_by_status(self) -> dict[str, int]:
        """Count the jobs of each state; one that no job is in has 0."""
        rows = read_snapshot(self.engine, lambda c: c.execute(_SQL["count"]).all())
        found = {row.status: int(row.jobs) for row in rows}
        return dict.fromkeys(("queued", "running", "done", "failed"), 0) | found

    def all(self, limit: int = 100) -> list[Job]:
        """The last ones, the newest first."""
        return self._read_jobs(None, limit)

    def one(self, job_id: str) -> Job:
        """Raises StoreError when there is none of that id."""
        for job in self._read_jobs(job_id, 1) if job_id.isascii() else ():
            return job
        raise StoreError(f"There is no job {job_id!r}.")

    def _read_jobs(self, job_id: str | None, limit: int) -> list[Job]:
        values = {"id": job_id, "limit": limit}
        rows = read_snapshot(self.engine, lambda c: c.execute(_SQL["jobs"], values).all())
        return [_row_to_job(row) for row in rows]


def _join(connection: sa.Connection, waiting: Any, only_files: Sequence[str] | None) -> bool:
    """Have a job do these files, too; return whether there is room for them."""
    if only_files is None:
        return True
    together = {*json.loads(waiting.only_files), *only_files}
    if len(together) > _MOST_TOGETHER:
        return False
    values = {"id": waiting.id, "only_files": json.dumps(sorted(together))}
    connection.execute(_SQL["join"], values)
    return True


def _row_to_job(row: Any) -> Job:
    values = row._asdict()
    report = values.pop("report")
    for flag in ("keep", "prune", "retry"):
        values[flag] = bool(values[flag])
    only_files = values.pop("only_files")
    return Job(
        **values,
        only_files=json.loads(only_files) if only_files else None,
        report=json.loads(report) if report else None,
    )
