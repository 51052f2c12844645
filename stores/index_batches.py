"""What a run of indexing gives to workers: batches of files, as rows that outlive them all.

A broker only tells workers to look here. What it tells twice or never does no harm.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import sqlalchemy as sa

from stores.connection import read_snapshot, run_transaction
from stores.sql import statements

_SQL = {name: sa.text(sql) for name, sql in statements("index_batches.sql").items()}


@dataclass(frozen=True)
class BatchFile:
    """A file of a batch, with what the run that gave it away has found out and decided.

    `path` is its name below the root, `place` where it is, absolute, its bytes percent-encoded.
    """

    path: str
    place: str
    document_id: str
    content_hash: str
    size: int
    is_new: bool


@dataclass(frozen=True)
class TakenBatch:
    """A batch that `owner` has taken; `directory` is None for uploaded files."""

    run: str
    number: int
    owner: str
    root: str
    directory: str | None
    files: tuple[BatchFile, ...]


@dataclass(frozen=True)
class BatchState:
    """How far a batch is: `embedded` chunks, `report` at its end.

    `deaths` workers ended over it, `returns` workers did not find its files, the last of them for a
    `reason`.
    """

    number: int
    state: Literal["waiting", "running", "done"]
    owner: str | None
    embedded: int
    deaths: int
    returns: int
    reason: str | None
    report: Mapping[str, Any] | None


@dataclass(frozen=True)
class IndexBatches:
    engine: sa.Engine

    def add(
        self, run: str, number: int, root: str, directory: str | None, files: Sequence[BatchFile]
    ) -> None:
        """Add a batch that waits for a worker."""
        place = {"root": root, "directory": directory, "files": _write_files(files)}
        self._change("add", {"run": run, "number": number, **place})

    def take(self, run: str, number: int, owner: str) -> TakenBatch | None:
        """Take a batch; None if somebody else has it, or it is over."""
        key = {"run": run, "number": number, "owner": owner}

        def work(connection: sa.Connection) -> Any:
            is_taken = connection.execute(_SQL["take"], key).rowcount
            return connection.execute(_SQL["files"], key).one() if is_taken else None

        row = run_transaction(self.engine, work)
        if row is None:
            return None
        files = tuple(BatchFile(**file) for file in json.loads(row.files))
        return TakenBatch(run, number, owner, row.root, row.directory, files)

    def beat(self, batch: TakenBatch, embedded: int) -> bool:
        """Note that the owner lives; False when the batch is not its own any more."""
        return bool(self._change("beat", {**_key(batch), "embedded": embedded}))

    def end(self, batch: TakenBatch, report: Mapping[str, Any]) -> None:
        """Write what came of a batch, unless it is another's meanwhile."""
        self._change("end", {**_key(batch), "report": json.dumps(report, ensure_ascii=False)})

    def return_unseen(self, batch: TakenBatch, reason: str) -> None:
        """Give a batch back whose files are not to be found here as they are listed."""
        self._change(
            "give_back", {**_key(batch), "returned": True, "died": False, "reason": reason}
        )

    def return_broken(self, batch: TakenBatch, reason: str) -> None:
        """Give a batch back over which the worker broke, as if it had died."""
        self._change(
            "give_back", {**_key(batch), "returned": False, "died": True, "reason": reason}
        )

    def release_dead(self, run: str, seconds: float) -> None:
        """Take the batches of a run away from workers without a sign of life for so long."""
        self._change("release", {"run": run, "seconds": seconds})

    def list_states(self, run: str) -> list[BatchState]:
        rows = read_snapshot(self.engine, lambda c: c.execute(_SQL["states"], {"run": run}).all())
        return [_row_to_state(row) for row in rows]

    def has_living(self, seconds: float) -> bool:
        """Tell whether any worker is busy, for whatever run, with a sign of life so recent."""
        values = {"seconds": seconds}
        return bool(read_snapshot(self.engine, lambda c: c.scalar(_SQL["any_living"], values)))

    def set_files(self, run: str, number: int, files: Sequence[BatchFile]) -> bool:
        """Leave all but these files out of a batch; False when a worker has taken it."""
        values = {"run": run, "number": number, "files": _write_files(files)}
        return bool(self._change("set_files", values))

    def remove(self, run: str, number: int) -> bool:
        """Remove a batch; False when a worker has taken it."""
        return bool(self._change("remove", {"run": run, "number": number}))

    def withdraw_all(self, root: str) -> None:
        """Remove all batches of a root, of which there is never more than one run."""
        self._change("withdraw", {"root": root})

    def _change(self, name: str, values: Mapping[str, Any]) -> int:
        """Run a statement, and return how many rows it has changed."""
        return run_transaction(self.engine, lambda c: c.execute(_SQL[name], values).rowcount)


def _key(batch: TakenBatch) -> dict[str, Any]:
    return {"run": batch.run, "number": batch.number, "owner": batch.owner}


def _write_files(files: Sequence[BatchFile]) -> str:
    return json.dumps([asdict(file) for file in files], ensure_ascii=False)


def _row_to_state(row: Any) -> BatchState:
    values = row._asdict()
    report = values.pop("report")
    return BatchState(**values, report=json.loads(report) if report else None)
