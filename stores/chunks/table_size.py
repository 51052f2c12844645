"""About how many rows a table has, for what depends on its size and not on each row."""

import time
from typing import Any, Final

import sqlalchemy as sa

from stores.sql import statements

_ESTIMATE = sa.text(statements("chunks.sql")["estimate_rows"])
_KNOWN_SECONDS: Final = 30.0


class TableSize:
    """The server's own estimate of a table's rows, which it keeps as it writes them."""

    def __init__(self, table: str) -> None:
        self._table = table
        self._rows = 0
        self._until = 0.0

    def estimate_rows(self, connection: Any) -> int:
        """Estimate the rows, from what the server said half a minute ago at most."""
        now = time.monotonic()
        if now >= self._until:
            rows = list(connection.execute(_ESTIMATE, {"table": self._table}))
            self._rows, self._until = int(rows[0].estimate or 0), now + _KNOWN_SECONDS
        return self._rows
