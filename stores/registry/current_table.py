"""Which of two chunk tables a collection answers from, and who may write to it meanwhile."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import sqlalchemy as sa

from stores.connection import read_snapshot
from stores.errors import CollectionMismatch
from stores.registry.collection import Collection
from stores.sql import statements

_SQL = statements("embeddings.sql")


@dataclass(frozen=True)
class OtherCollection(Collection):
    """The second table of a collection: the `next` one, or the `former` one, the way back."""

    state: Literal["next", "former"]
    since: datetime


def find_other(engine: sa.Engine, name: str = "default") -> OtherCollection | None:
    """Find the second table of a collection."""
    row = read_snapshot(
        engine, lambda c: c.execute(sa.text(_SQL["other"]), {"name": name}).one_or_none()
    )
    return OtherCollection(**row._asdict()) if row else None


def require_current(connection: sa.Connection, table: str, name: str = "default") -> None:
    """Keep the collection from being switched until this transaction ends.

    Raises CollectionMismatch when it answers from another table than this by now.
    """
    current = connection.scalar(sa.text(_SQL["hold_collection"]), {"name": name})
    if current in (None, table):
        return
    model = connection.scalar(sa.text(_SQL["is_other"]), {"table": table})
    if model is not None:
        raise CollectionMismatch(
            f"The collection {name!r} was switched to another embedding model, so nothing is "
            f"written to the vectors of {model} any more. Index again, with a configuration that "
            "names the new one."
        )
