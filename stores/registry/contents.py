"""What the registry holds: roots and failures; without LlamaIndex, which takes seconds."""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from stores.connection import read_snapshot
from stores.sql import statements

_SQL = {name: sa.text(sql) for name, sql in statements("registry.sql").items()}


@dataclass(frozen=True)
class FailedDocument:
    root: str
    path: str
    reason: str
    chunks: int


def list_roots(engine: sa.Engine) -> list[dict[str, Any]]:
    """List name, path, indexed_at and the number of documents of each root."""
    rows = read_snapshot(engine, lambda c: c.execute(_SQL["roots"]).mappings().all())
    return [dict(row) for row in rows]


def list_failures(engine: sa.Engine) -> list[FailedDocument]:
    rows = read_snapshot(engine, lambda connection: connection.execute(_SQL["failures"]).all())
    return [FailedDocument(**row._asdict()) for row in rows]
