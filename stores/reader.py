"""Single SELECTs without the transaction, ping and result objects of an engine's connections."""

from collections import deque, namedtuple
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

_CONNECTIONS = 10


class _AllBusy(Exception):
    pass


class Reader:
    """Connections of an engine, lent for good, on which every statement is its own transaction.

    A search for the nearest chunks takes half of the time that it takes on the engine. What fails
    here, on a lost connection say, raises one of `errors`; the caller does it again on the engine,
    which repairs or explains.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self.errors = (engine.dialect.loaded_dbapi.Error, sa.exc.SQLAlchemyError, _AllBusy)
        self._engine = engine
        self._free: deque[Any] = deque([None] * _CONNECTIONS)  # cursors; None: not yet connected
        event.listen(engine, "engine_disposed", lambda _: self._close())

    def execute(self, statement: sa.TextClause, values: Mapping[str, Any]) -> list[Any]:
        """All rows of one SELECT, as named tuples."""
        prepared = _prepared(statement, self._engine.dialect)
        try:
            cursor = self._free.pop()
        except IndexError:
            raise _AllBusy from None
        try:
            if cursor is None:
                cursor = _lent_cursor(self._engine)
            cursor.execute(prepared.sql, [values[name] for name in prepared.names])
            rows = list(map(prepared.row_of(cursor)._make, cursor.fetchall()))
        except BaseException:
            self._free.appendleft(None)
            _close(cursor)  # an answer may be left half read
            raise
        self._free.append(cursor)
        return rows

    def _close(self) -> None:
        for _ in range(len(self._free)):
            _close(self._free.pop())
            self._free.appendleft(None)


def _lent_cursor(engine: sa.Engine) -> Any:
    proxy = engine.raw_connection()
    connection: Any = proxy.driver_connection
    options = {"binary": True} if engine.driver == "mariadbconnector" else {}
    cursor = connection.cursor(**options)
    cursor.execute("SET autocommit = 1")
    proxy.detach()
    return cursor


def _close(cursor: Any) -> None:
    if cursor is not None:
        with suppress(Exception):  # it is of no more use, however it ended
            cursor.connection.close()


@dataclass
class _Prepared:
    """A statement as the driver takes it, and the names of its values in their order."""

    sql: str
    names: Sequence[str]
    row: Any = None

    def row_of(self, cursor: Any) -> Any:
        """Asked of the driver once: to describe a result takes it a tenth of a search."""
        if self.row is None:
            columns = [column[0] for column in cursor.description]
            self.row = namedtuple("Row", columns)  # type: ignore[misc]  # noqa: PYI024 - the columns are known at run time
        return self.row


@lru_cache(maxsize=256)
def _prepared(statement: sa.TextClause, dialect: sa.Dialect) -> _Prepared:
    compiled = statement.compile(dialect=dialect)
    return _Prepared(str(compiled), compiled.positiontup or ())
