"""What the registry holds: roots and failures; without LlamaIndex, which takes seconds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from stores.audiences import Groups, bind_groups, require_visible
from stores.connection import read_snapshot
from stores.sql import statements

_SQL = statements("registry.sql")


@dataclass(frozen=True)
class FailedDocument:
    root: str
    path: str
    reason: str
    chunks: int


def list_roots(engine: sa.Engine, groups: Groups | None = None) -> list[dict[str, Any]]:
    """List name, path, indexed_at and the number of documents of each root.

    Who is limited to groups is told of roots with documents that these may see.
    """
    rows = _read_visible(engine, "roots" if groups is None else "visible_roots", groups)
    return [row._asdict() for row in rows]


def list_failures(engine: sa.Engine, groups: Groups | None = None) -> list[FailedDocument]:
    rows = _read_visible(engine, "failures" if groups is None else "visible_failures", groups)
    return [FailedDocument(**row._asdict()) for row in rows]


def _read_visible(
    engine: sa.Engine, statement: str, groups: Groups | None
) -> Sequence[sa.Row[Any]]:
    """Read a statement, of what groups may see if they are given."""
    text = sa.text(_SQL[statement].format(visible=require_visible(":groups")))
    values = {} if groups is None else {"groups": bind_groups(groups)}
    return read_snapshot(engine, lambda connection: connection.execute(text, values).all())
