"""Values kept in a table, for every process of the knowledge base."""

from typing import Final

import sqlalchemy as sa

from stores.caches.cache import CacheSize
from stores.connection import read_snapshot, run_transaction
from stores.reader import find_reader
from stores.sql import statements

_SQL: Final = {name: sa.text(sql) for name, sql in statements("caches.sql").items()}
_WRITES_A_TIDYING: Final = 50


class DatabasePlace:
    """Keeps values of one kind for some seconds; the oldest go when the bytes are full."""

    name = "database"
    is_far = True

    def __init__(self, engine: sa.Engine, kind: str, most_bytes: int, seconds: float) -> None:
        self._engine, self._reader = engine, find_reader(engine)
        self._kind, self._most_bytes, self._seconds = kind, most_bytes, seconds
        self._written = 0

    def find(self, key: bytes) -> bytes | None:
        values = {"id": key, "kind": self._kind}
        try:
            rows = self._reader.execute(_SQL["find"], values)
        except self._reader.errors:  # which the engine repairs or explains
            rows = read_snapshot(
                self._engine, lambda connection: list(connection.execute(_SQL["find"], values))
            )
        return bytes(rows[0].value) if rows else None

    def keep(self, key: bytes, value: bytes) -> None:
        """Keep a value, unless it alone is larger than the place."""
        if len(value) > self._most_bytes:
            return
        row = {"id": key, "kind": self._kind, "value": value, "seconds": self._seconds}
        run_transaction(self._engine, lambda connection: connection.execute(_SQL["keep"], row))
        self._written += 1
        if self._written >= _WRITES_A_TIDYING:
            self._written = 0
            self.tidy()

    def tidy(self) -> None:
        """Remove what is too old, and the oldest of what is too much."""
        values = {"kind": self._kind, "most": self._most_bytes}
        run_transaction(self._engine, lambda connection: connection.execute(_SQL["forget_old"]))
        run_transaction(
            self._engine, lambda connection: connection.execute(_SQL["forget_much"], values)
        )

    def clear(self) -> None:
        values = {"kind": self._kind}
        run_transaction(self._engine, lambda connection: connection.execute(_SQL["clear"], values))

    def measure(self) -> CacheSize:
        values = {"kind": self._kind}
        row = read_snapshot(self._engine, lambda c: c.execute(_SQL["measure"], values).one())
        return CacheSize(int(row.kept), int(row.bytes))

    def close(self) -> None:
        """Do nothing: whoever opened the engine closes it."""
