"""Single SELECTs without the transaction, ping and result objects of an engine's connections."""

from collections import namedtuple
from collections.abc import Mapping
from contextlib import closing
from functools import lru_cache, partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.pool import QueuePool


class Reader:
    """Connections of an engine, lent for good, on which every statement is its own transaction.

    A search for the nearest chunks takes half of the time that it takes on the engine. What fails
    here, on a lost connection say, raises one of `errors`; the caller does it again on the engine,
    which repairs or explains.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._dialect = engine.dialect
        self.errors = (engine.dialect.loaded_dbapi.Error, sa.exc.SQLAlchemyError)
        self._pool = QueuePool(
            partial(_self_committing, engine), pool_size=5, max_overflow=10, reset_on_return=None
        )
        self._cursor_options = {"binary": True} if engine.driver == "mariadbconnector" else {}
        event.listen(engine, "engine_disposed", lambda _: self._pool.dispose())

    def execute(self, statement: sa.TextClause, values: Mapping[str, Any]) -> list[Any]:
        """All rows of one SELECT, as named tuples."""
        sql, names = _positional(statement, self._dialect)
        with closing(self._pool.connect()) as connection:
            try:
                cursor = connection.cursor(**self._cursor_options)
                cursor.execute(sql, tuple(values[name] for name in names))
                row = _row(tuple(column[0] for column in cursor.description))
                rows = [row(*each) for each in cursor.fetchall()]
                cursor.close()
            except BaseException:
                connection.invalidate()  # an answer may be left half read
                raise
        return rows


def _self_committing(engine: sa.Engine) -> Any:
    lent = engine.raw_connection()
    lent.detach()
    connection = lent.dbapi_connection
    cursor = lent.cursor()
    cursor.execute("SET autocommit = 1")
    cursor.close()
    return connection


@lru_cache(maxsize=256)
def _positional(statement: sa.TextClause, dialect: sa.Dialect) -> tuple[str, list[str]]:
    """A statement as the driver takes it, and the names of its values in their order."""
    compiled = statement.compile(dialect=dialect)
    return str(compiled), list(compiled.positiontup or ())


@lru_cache(maxsize=64)
def _row(columns: tuple[str, ...]) -> Any:
    return namedtuple("Row", columns)  # noqa: PYI024 - the columns are known at run time
