"""SELECTs without the pool, ping and result objects of an engine's connections."""

import os
import threading
from collections import deque, namedtuple
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary, ref

import sqlalchemy as sa
from sqlalchemy import event

_CONNECTIONS = 10
_STATEMENTS = 50  # prepared on one connection; the server allows 16,382 in all
_making = threading.Lock()
_readers: "WeakKeyDictionary[sa.Engine, Reader]" = WeakKeyDictionary()


class _AllBusy(Exception):
    pass


def find_reader(engine: sa.Engine) -> "Reader":
    """The one reader of an engine, however many stores are on it."""
    with _making:
        if engine not in _readers:
            _readers[engine] = Reader(engine)
        return _readers[engine]


class Reader:
    """Connections of an engine, lent for good, on which every statement is its own transaction.

    A search for the nearest chunks takes less than half of the time that it takes on the engine.
    What fails here, on a lost connection say, raises one of `errors`; the caller does it again on
    the engine, which repairs or explains.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self.errors = (engine.dialect.loaded_dbapi.Error, sa.exc.SQLAlchemyError, _AllBusy)
        self._engine = ref(engine)
        self._dialect = engine.dialect
        self._statements: WeakKeyDictionary[Any, set[str]] = WeakKeyDictionary()
        self._open()
        event.listen(engine, "engine_disposed", lambda _: self._close())

    def execute(self, statement: sa.TextClause, values: Mapping[str, Any]) -> list[Any]:
        """All rows of one SELECT, as named tuples."""
        with self._lent() as cursor:
            return self._rows(cursor, statement, values)

    @contextmanager
    def open_snapshot(self) -> Iterator["Snapshot"]:
        """Several SELECTs that all see one moment."""
        with self._lent() as cursor:
            cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
            yield Snapshot(self, cursor)
            cursor.execute("COMMIT")

    def _rows(self, cursor: Any, statement: sa.TextClause, values: Mapping[str, Any]) -> list[Any]:
        prepared = _prepared(statement, self._dialect)
        self._statements[cursor].add(prepared.sql)
        cursor.execute(prepared.sql, prepared.bound(values))
        return list(map(prepared.row_of(cursor)._make, cursor.fetchall()))

    @contextmanager
    def _lent(self) -> Iterator[Any]:
        free = self._cursors()
        try:
            cursor = free.pop()
        except IndexError:
            raise _AllBusy from None
        try:
            cursor = cursor or self._new_cursor()
            yield cursor
        except BaseException:
            free.appendleft(None)
            _close(cursor)  # an answer may be left half read
            raise
        self._give_back(cursor, free)

    def _give_back(self, cursor: Any, free: deque[Any]) -> None:
        """The driver never frees what it prepared, so a well-used connection is given up."""
        if free is not self._free:  # disposed meanwhile
            _close(cursor)
        elif len(self._statements[cursor]) > _STATEMENTS:
            free.appendleft(None)
            _close(cursor)
        else:
            free.append(cursor)

    def _open(self) -> None:
        self._process = os.getpid()
        self._free: deque[Any] = deque([None] * _CONNECTIONS)  # None: not yet connected

    def _cursors(self) -> deque[Any]:
        if self._process != os.getpid():  # after a fork; the sockets are still the parent's
            self._parents = self._free
            self._open()
        return self._free

    def _close(self) -> None:
        free, process = self._free, self._process
        self._open()
        if process == os.getpid():
            for cursor in free:
                _close(cursor)

    def _new_cursor(self) -> Any:
        engine = self._engine()
        if engine is None:
            raise _AllBusy
        proxy = engine.raw_connection()
        # Prepared once and then executed: a sixth of the time of a search.
        prepare = {"binary": True} if engine.driver == "mariadbconnector" else {}
        cursor = proxy.cursor(**prepare)
        cursor.execute("SET autocommit = 1")
        proxy.detach()
        self._statements[cursor] = set()
        return cursor


@dataclass(frozen=True)
class Snapshot:
    """A connection of a reader while all its SELECTs see one moment."""

    reader: Reader
    cursor: Any

    def execute(self, statement: sa.TextClause, values: Mapping[str, Any]) -> list[Any]:
        return self.reader._rows(self.cursor, statement, values)  # noqa: SLF001 - a part of it


def _close(cursor: Any) -> None:
    if cursor is not None:
        with suppress(Exception):  # it is of no more use, however it ended
            cursor.connection.close()


@dataclass
class _Prepared:
    """A statement as the driver takes it, and how it takes the values."""

    sql: str
    names: Sequence[str] | None  # in the order of their places; None: the driver finds them by name
    row: Any = None

    def bound(self, values: Mapping[str, Any]) -> Any:
        return values if self.names is None else [values[name] for name in self.names]

    def row_of(self, cursor: Any) -> Any:
        """Asked of the driver once: to describe a result takes it a tenth of a search."""
        if self.row is None:
            columns = [column[0] for column in cursor.description]
            self.row = namedtuple("Row", columns)  # type: ignore[misc]  # noqa: PYI024 - the columns are known at run time
        return self.row


@lru_cache(maxsize=256)
def _prepared(statement: sa.TextClause, dialect: sa.Dialect) -> _Prepared:
    compiled = statement.compile(dialect=dialect)
    return _Prepared(str(compiled), compiled.positiontup)
