"""SELECTs without the pool, ping and result objects of an engine's connections."""

import os
import threading
from collections import deque, namedtuple
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar
from weakref import WeakKeyDictionary, ref

import sqlalchemy as sa
from sqlalchemy import event

_CONNECTIONS = 10
_STATEMENTS = 50  # prepared on one connection; the server allows 16,382 in all
_making = threading.Lock()


Trace = Callable[[], AbstractContextManager[object]]


class _AllBusy(Exception):
    pass


def find_reader(engine: sa.Engine) -> "Reader":
    """Find the one reader of an engine, however many stores are on it; the engine holds it."""
    with _making:
        reader = engine.get_execution_options().get("reader")
        if reader is None:
            reader = Reader(engine)
            engine.update_execution_options(reader=reader)
        return reader


@dataclass
class _Prepared:
    """A statement as the driver takes it, and how it takes the values."""

    sql: str
    names: Sequence[str] | None  # in the order of their places; None: the driver finds them by name
    row: Any = None

    def bind(self, values: Mapping[str, Any]) -> Any:
        return values if self.names is None else [values[name] for name in self.names]

    def make_row(self, cursor: Any) -> Any:
        """Make the type of a result's rows once, for to describe them takes a tenth of a search."""
        if self.row is None:
            columns = [column[0] for column in cursor.description]
            self.row = namedtuple("Row", columns)  # type: ignore[misc]  # noqa: PYI024 - the columns are known at run time
        return self.row


@lru_cache(maxsize=256)
def _prepare_statement(statement: sa.TextClause, dialect: sa.Dialect) -> _Prepared:
    compiled = statement.compile(dialect=dialect)
    return _Prepared(str(compiled), compiled.positiontup)


class Reader:
    """Connections of an engine, lent for good, on which every statement is its own transaction.

    A search for the nearest chunks takes less than half of the time that it takes on the engine.
    What fails here, on a lost connection say, raises one of `errors`; the caller does it again on
    the engine, which repairs or explains. `trace` stands around each SELECT, and each snapshot, of
    every reader.
    """

    trace: ClassVar[Trace | None] = None

    def __init__(self, engine: sa.Engine) -> None:
        self.errors = (engine.dialect.loaded_dbapi.Error, sa.exc.SQLAlchemyError, _AllBusy)
        self._engine = ref(engine)
        self._dialect = engine.dialect
        self._statements: WeakKeyDictionary[Any, set[str]] = WeakKeyDictionary()
        self._renew_connections()
        event.listen(engine, "engine_disposed", lambda _: self._close_all())

    def execute(self, statement: sa.TextClause, values: Mapping[str, Any]) -> list[Any]:
        """Read all rows of one SELECT, as named tuples."""
        with self._lend_cursor() as cursor, Reader.trace() if Reader.trace else nullcontext():
            return self.read_rows(cursor, statement, values)

    @contextmanager
    def open_snapshot(self) -> Iterator["Snapshot"]:
        """Open a snapshot, in which several SELECTs see one moment."""
        with self._lend_cursor() as cursor, Reader.trace() if Reader.trace else nullcontext():
            cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
            yield Snapshot(self, cursor)
            cursor.execute("COMMIT")

    def read_rows(
        self, cursor: Any, statement: sa.TextClause, values: Mapping[str, Any]
    ) -> list[Any]:
        prepared = _prepare_statement(statement, self._dialect)
        self._statements[cursor].add(prepared.sql)
        cursor.execute(prepared.sql, prepared.bind(values))
        return list(map(prepared.make_row(cursor)._make, cursor.fetchall()))

    @contextmanager
    def _lend_cursor(self) -> Iterator[Any]:
        free = self._find_free()
        try:
            cursor = free.pop()
        except IndexError:
            raise _AllBusy from None
        try:
            cursor = cursor or self._new_cursor()
            yield cursor
        except BaseException:
            free.appendleft(None)
            _close_cursor(cursor)  # an answer may be left half read
            raise
        self._give_back(cursor, free)

    def _give_back(self, cursor: Any, free: deque[Any]) -> None:
        """Lend a connection again, or close one with many statements: the driver frees none."""
        if free is not self._free:  # disposed meanwhile
            _close_cursor(cursor)
        elif len(self._statements[cursor]) > _STATEMENTS:
            free.appendleft(None)
            _close_cursor(cursor)
        else:
            free.append(cursor)

    def _renew_connections(self) -> None:
        self._process = os.getpid()
        self._free: deque[Any] = deque([None] * _CONNECTIONS)  # None: not yet connected

    def _find_free(self) -> deque[Any]:
        if self._process != os.getpid():  # after a fork; the sockets are still the parent's
            self._parents = self._free
            self._renew_connections()
        return self._free

    def _close_all(self) -> None:
        free, process = self._free, self._process
        self._renew_connections()
        if process == os.getpid():
            for cursor in free:
                _close_cursor(cursor)

    def _new_cursor(self) -> Any:
        engine = self._engine()
        if engine is None:
            raise _AllBusy
        proxy = engine.raw_connection()
        # Prepared once and then executed: a sixth of the time of a search. Not buffered: rows are
        # fetched at once, and the driver would hold them twice.
        is_mariadbs = engine.driver == "mariadbconnector"
        cursor = proxy.cursor(**({"binary": True, "buffered": False} if is_mariadbs else {}))
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
        return self.reader.read_rows(self.cursor, statement, values)


def _close_cursor(cursor: Any) -> None:
    if cursor is not None:
        with suppress(Exception):  # it is of no more use, however it ended
            cursor.connection.close()
