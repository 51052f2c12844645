"""Evaluations: which labelled documents are searchable, and what each run measured."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy as sa

from stores.connection import read_snapshot, run_transaction
from stores.errors import StoreError
from stores.sql import statements

_SQL = {name: sa.text(sql) for name, sql in statements("evaluations.sql").items()}

Scores = Mapping[str, Mapping[str, float]]
T = TypeVar("T")


@dataclass(frozen=True)
class EvaluationRun:
    """One profile on one labelled set; rankings were judged to the depth of `cutoff`."""

    set_name: str
    set_hash: str
    cutoff: int
    profile: str
    settings: Mapping[str, Any]
    embedding_model: str
    metrics: Mapping[str, Any]


@dataclass(frozen=True)
class StoredRun:
    """`scores` of each question by its id and then by the name of the measure; times in UTC."""

    number: int
    created_at: datetime
    run: EvaluationRun
    scores: Scores


@dataclass(frozen=True)
class Evaluations:
    engine: sa.Engine

    def has_corpus(self, chunk_table: str) -> bool:
        values = {"chunk_table": chunk_table}
        return bool(self._read(lambda c: c.scalar(_SQL["corpus"], values)))

    def add_corpus(self, chunk_table: str, set_name: str, embedding_model: str) -> None:
        values = {
            "chunk_table": chunk_table,
            "set_name": set_name,
            "embedding_model": embedding_model,
        }
        run_transaction(self.engine, lambda c: c.execute(_SQL["add_corpus"], values))

    def forget_corpus(self, chunk_table: str) -> None:
        values = {"chunk_table": chunk_table}
        run_transaction(self.engine, lambda c: c.execute(_SQL["forget_corpus"], values))

    def add(self, run: EvaluationRun, scores: Scores) -> int:
        """Keep a run; its number."""
        values = {
            **vars(run),
            "settings": json.dumps(run.settings),
            "metrics": json.dumps(run.metrics),
            "scores": json.dumps(scores),
        }
        return run_transaction(self.engine, lambda c: int(c.scalar(_SQL["add"], values) or 0))

    def find_run(self, number: int) -> StoredRun:
        """Raises StoreError when there is none of that number."""
        row = self._read(lambda c: c.execute(_SQL["run"], {"run": number}).one_or_none())
        if row is None:
            raise StoreError(f"There is no run {number}. `kb eval --history` lists them.")
        return _row_to_run(row, json.loads(row.scores))

    def list_runs(self, set_name: str | None = None) -> list[StoredRun]:
        """The latest first, all or those of a set, without the scores of their questions."""
        values = {"set_name": set_name}
        rows = self._read(lambda c: c.execute(_SQL["runs"], values).all())
        return [_row_to_run(row, {}) for row in rows]

    def list_last(self, set_name: str) -> list[tuple[StoredRun, StoredRun | None]]:
        """List the last run of each profile on a set, with the one before of the same questions."""
        last: dict[str, list[StoredRun]] = {}
        for stored in self.list_runs(set_name):
            runs = last.setdefault(stored.run.profile, [])
            if not runs or (len(runs) == 1 and _is_comparable(stored.run, runs[0].run)):
                runs.append(stored)
        return [(runs[0], runs[1] if runs[1:] else None) for runs in last.values()]

    def _read(self, work: Callable[[sa.Connection], T]) -> T:
        return read_snapshot(self.engine, work)


def _is_comparable(one: EvaluationRun, other: EvaluationRun) -> bool:
    return (one.set_hash, one.cutoff) == (other.set_hash, other.cutoff)


def _row_to_run(row: Any, scores: Scores) -> StoredRun:
    run = EvaluationRun(
        set_name=row.set_name,
        set_hash=row.set_hash,
        cutoff=row.cutoff,
        profile=row.profile,
        settings=json.loads(row.settings),
        embedding_model=row.embedding_model,
        metrics=json.loads(row.metrics),
    )
    return StoredRun(number=row.run, created_at=row.created_at, run=run, scores=scores)
