"""How much each key has uploaded."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from stores.connection import run_transaction
from stores.sql import statements

_SQL = {name: sa.text(sql) for name, sql in statements("uploads.sql").items()}


@dataclass(frozen=True)
class Amount:
    """Of files, or the most that there may be; None for as many as come."""

    files: int | None
    bytes: int | None

    def allows(self, sizes: Iterable[int]) -> bool:
        sizes = list(sizes)
        return (self.files is None or len(sizes) <= self.files) and (
            self.bytes is None or sum(sizes) <= self.bytes
        )


@dataclass(frozen=True)
class Uploads:
    engine: sa.Engine

    def keep(
        self,
        key: str | None,
        sizes: Mapping[str, int],
        most: Amount,
        put: Callable[[sa.Connection], None],
    ) -> Amount | None:
        """Note the files that a key uploads, by the ids of their documents, and `put` them there.

        `put` is given the connection on which that is one transaction. Whoever uploads or removes
        one of the files waits meanwhile. When they would be more than `most`, nothing is done and
        what there is already is answered; when `put` raises, or could not be noted, nothing is
        noted. It is called again after a lost connection. Without a key nothing is counted.
        """

        def work(connection: sa.Connection) -> Amount | None:
            if key is None:
                put(connection)
                return None
            rows = connection.execute(_SQL["kept"], {"uploaded_by": key}).all()
            kept = {row.id: int(row.bytes) for row in rows}
            if not most.allows({**kept, **sizes}.values()):
                return Amount(len(kept), sum(kept.values()))
            new = [{"id": name, "uploaded_by": key, "bytes": sizes[name]} for name in sorted(sizes)]
            connection.execute(_SQL["keep"], new)
            put(connection)
            return None

        return run_transaction(self.engine, work)
