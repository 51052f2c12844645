"""LlamaIndex's SQLDatabase behind two guards: statements are checked, and sessions only read."""

import asyncio
import contextvars
import functools
import logging
import math
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, NoReturn, TypeAlias, TypeVar

import sqlalchemy as sa
from llama_index.core.utilities.sql_wrapper import SQLDatabase

from engines import shares
from engines.model_calls import find_listening
from engines.tables.call_costs import AGGREGATED
from engines.tables.date_arithmetic import find_date_arithmetic
from engines.tables.known_rows import keep_rows, read_rows
from engines.tables.parser_copy import copy_for_parser
from engines.tables.query_result import QueryResult
from engines.tables.schema_text import MOST_VALUES, Look, let_reflect_vectors, table_text
from engines.tables.shown_columns import ShownColumns
from engines.tables.sql_guard import check_statement, reads_a_table
from stores.binding import replace_parameters
from stores.caches.cache import Cache, make_key
from stores.connection import (
    GONE_ERRORS,
    ONLY_READ,
    read_driver_message,
    read_error_number,
    renew_sessions,
    translate_engine_errors,
)
from stores.errors import ConfigError, QueryFailed, TookTooLong, UnsafeQuery
from stores.sql_tokens import tokenize_sql
from stores.table_names import split_table_name
from stores.values import Value

SAMPLE_ROWS: Final = 2
_MOST_CHARACTERS = 10_000_000  # of a result; a row may hold megabytes
_LOOKING_SECONDS = 2.0  # for the values of one column, while the schema is described
_TEXT_SECONDS = 60.0  # how long the description of a table is used
_THREADS = 5  # as many as an engine keeps connections
_CELL_CHARACTERS = 50  # that a cell without text counts as
_LARGEST = 10**65  # beyond the digits of DECIMAL
_TOO_LONG = 1969
_INCOMPLETE = {1260, 1931}  # GROUP_CONCAT was cut; rows are missing
# The guard reads a statement as this sql_mode has it: backslashes escape, "…" is a text.
_SESSION = (
    "SET SESSION sql_mode = 'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,"
    "NO_ENGINE_SUBSTITUTION,IGNORE_SPACE', max_statement_time = {seconds}, "
    "lock_wait_timeout = 2, innodb_lock_wait_timeout = 2, "
    f"max_recursive_iterations = 10000, group_concat_max_len = {AGGREGATED}, "
    "max_session_mem_used = 268435456"
)

_NO_REASON = (
    "it broke off while it gave its rows, and did not say why; a value that is out of range, or "
    "that cannot be computed, does that"
)

_log = logging.getLogger(__name__)
T = TypeVar("T")


Hidden: TypeAlias = Mapping[str, Collection[str]]


class _Metadata(sa.MetaData):
    """The tables that may be asked, by their names as they are written."""

    def __init__(self, tables: Collection[str], hidden: Hidden) -> None:
        super().__init__()
        self._names = sorted(map(split_table_name, tables), key=str)
        self._hidden = hidden

    def reflect(self, bind: Any, **_: Any) -> None:  # type: ignore[override]  # what is reflected is known
        """Reflect them without those that foreign keys lead to: the account may not see them."""
        for database in dict.fromkeys(database for database, _ in self._names):
            names = [table for named, table in self._names if named == database]
            super().reflect(bind, schema=database, views=True, only=names, resolve_fks=False)
        for name, hidden in self._hidden.items():
            whole = self.tables[name]
            shown = [column.name for column in whole.columns if column.name not in hidden]
            self.remove(whole)
            sa.Table(name, self, autoload_with=bind, include_columns=shown, resolve_fks=False)


class GuardedDatabase(SQLDatabase):
    """The tables that may be asked, by single statements that only read them.

    Give it an engine of its own that `make_engine` made, best of an account that can only SELECT:
    each session becomes read-only, and is used once, so that nothing left in it meets the next
    caller. A table of another database than the engine's is included as `database.table`.
    `descriptions` of "table" and "table.column" reach the model, as do the values of short text
    columns unless `show_values` is off. `timeout` is in seconds. With `known_rows` a statement that
    ran before gives the rows of then, and their age. `hidden_columns` are not there; they go by
    the names of their tables, of the engine's database.
    """

    def __init__(
        self,
        engine: sa.Engine,
        include_tables: Collection[str],
        *,
        descriptions: Mapping[str, str] | None = None,
        row_limit: int = 1000,
        timeout: float = 10.0,
        show_values: bool = True,
        known_rows: Cache | None = None,
        hidden_columns: Hidden | None = None,
    ) -> None:
        if not include_tables:
            raise ConfigError("No table may be asked. Name some in tables.include.")
        self._tables = frozenset(include_tables)
        self._row_limit = row_limit
        self._timeout = timeout
        self._descriptions = descriptions or {}
        self._show_values = show_values
        self._known_rows = known_rows
        self._hidden = hidden_columns or {}
        self._texts: dict[str, tuple[float, str]] = {}
        self._threads = ThreadPoolExecutor(_THREADS, "tables")
        sa.event.listen(engine, "engine_disposed", self._renew_threads)
        renew_sessions(engine)
        let_reflect_vectors(engine)
        with translate_engine_errors(engine):
            super().__init__(
                engine,
                metadata=_Metadata(include_tables, self._hidden),
            )
        self._shown = ShownColumns(
            engine.url.database or "",
            {name: self.metadata_obj.tables[name].columns.keys() for name in self._hidden},
        )

    def run(self, sql: str, values: Mapping[str, Value] | None = None) -> QueryResult:
        """Return the rows of a statement that passes the guard, with `values` bound to its :names.

        Raises UnsafeQuery, QueryFailed, StoreUnavailable.
        """
        key = b""
        if self._known_rows:
            self._admit(sql, values)
            text = self._shown.restrict(sql)
            key = make_key(str(self._engine.url), self._row_limit, text, values or {})
            if known := read_rows(self._known_rows, key):
                return known
        begun = datetime.now(UTC)
        with self.open_rows(sql, values, most_rows=self._row_limit) as found:
            rows = list(found)
        result = QueryResult(found.columns, rows, found.truncated)
        if self._known_rows:
            keep_rows(self._known_rows, key, result, begun)
        return result

    @contextmanager
    def open_rows(
        self,
        sql: str,
        values: Mapping[str, Value] | None = None,
        *,
        most_rows: int,
        most_characters: int = _MOST_CHARACTERS,
        seconds: float | None = None,
    ) -> Iterator["RowStream"]:
        """Give the rows of a statement as the server sends them, for who need not have all at once.

        They have to be read to their end, within `seconds`, else within the time that a statement
        has. Raises as `run` does, some of it only while the rows are read.
        """
        self._admit(sql, values)
        _require_values(values or {})
        text, bound = replace_parameters(self._shown.restrict(sql), values or {})
        with self._begin_reading(seconds or self._timeout) as connection:
            streaming = connection.execution_options(stream_results=True)
            cursor = _execute_prepared(streaming, text, bound)
            try:
                yield RowStream(connection, cursor, most_rows, most_characters)
            except OSError:  # of who wrote the rows somewhere
                _abandon_result(connection, cursor)
                raise

    def _admit(self, sql: str, values: Mapping[str, Value] | None) -> None:
        """Check a statement, and note which tables it reads."""
        self.check(sql, values)
        if calls := find_listening():
            calls.tables_read.update(self.list_named_tables(sql))

    def check(self, sql: str, values: Mapping[str, Value] | None = None) -> None:
        """Raise UnsafeQuery unless the statement may run with these values of its :names."""
        text, views = self._shown.restrict(sql, to_check=True), self._hidden.keys()
        check_statement(text, self._tables, self._engine.url.database, values, views)

    def may_show(self, sql: str, values: Mapping[str, Value] | None = None) -> bool:
        """Tell whether a statement that others wrote may run, and names nothing that is hidden."""
        try:
            self.check(sql, values)
        except UnsafeQuery:
            return False
        hidden = [name for names in self._hidden.values() for name in names]
        return not self._shown.names_hidden(sql, hidden)

    def check_of_model(self, sql: str, values: Mapping[str, Value] | None = None) -> None:
        """Raise UnsafeQuery also for what runs and means nothing, as models do not know it.

        What reads no table finds what the model has written, and would be shown as evidence.
        """
        self.check(sql, values)
        code = [token for token in tokenize_sql(sql) if token.is_code]
        query = copy_for_parser(code, values or {}).parse_query()
        tables = self.metadata_obj.tables
        if query and not reads_a_table(query):
            raise UnsafeQuery(
                "The statement was refused: it reads no table, so it finds nothing of them."
            )
        if query and (reason := find_date_arithmetic(query, tables)):
            raise UnsafeQuery(f"The statement was refused: {reason}.")

    def describe_columns(self, sql: str) -> str:
        """Write a line on each table that a statement names, with its columns."""
        return "\n".join(map(self._outline_table, self.list_named_tables(sql)))

    def list_named_tables(self, sql: str) -> list[str]:
        """List the tables whose names stand in a statement."""
        words = {token.text.strip("`").lower() for token in tokenize_sql(sql)}
        return [
            name
            for name in self.get_usable_table_names()
            if split_table_name(name)[-1].lower() in words
        ]

    def get_usable_table_names(self) -> Iterable[str]:
        """Return the names of the tables that may be asked; the base class knows one database."""
        return sorted(self._tables)

    async def in_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        """Do what asyncio.to_thread does, in a few threads that only work on these tables has.

        Statements that take long so hold up no question that does not need the tables, and those
        of one asker leave threads to others. Raises TooMuchAtOnce.
        """
        share = shares.statements.get()
        if share:
            await share.take()
        call = functools.partial(contextvars.copy_context().run, work, *arguments)
        try:
            running = self._threads.submit(call)
        except BaseException:
            if share:
                share.give_back()
            raise
        if share:  # until it ends: who does not wait for it any more has it still under way
            give_back, loop = share.give_back, asyncio.get_running_loop()
            running.add_done_callback(lambda _: loop.call_soon_threadsafe(give_back))
        return await asyncio.wrap_future(running)

    def run_sql(self, command: str) -> tuple[str, dict[str, Any]]:
        """Run a statement as LlamaIndex's engines ask for it. Raises like `run`."""
        found = self.run(command)
        facts = {"result": found.rows, "col_keys": found.columns, "truncated": found.truncated}
        return str(found.rows), facts

    def get_single_table_info(self, table_name: str) -> str:
        """Describe a table to a model; looked up once a minute, as it costs statements."""
        now = time.monotonic()
        since, text = self._texts.get(table_name, (-math.inf, ""))
        if now - since >= _TEXT_SECONDS:
            look = self._make_look(table_name) if self._show_values else None
            with translate_engine_errors(self._engine):
                inspector = sa.inspect(self._engine)
                text = table_text(inspector, table_name, self._descriptions, look, self._hidden)
            self._texts[table_name] = now, text
        return text

    def outline(self, most_characters: int = 6000) -> str:
        """Write a line on each table: its columns and what it holds; names alone if too long."""
        names = sorted(self.get_usable_table_names())
        lines = [self._outline_table(name) for name in names]
        text = "\n".join(lines)
        return text if len(text) <= most_characters else ", ".join(names)[:most_characters]

    def _outline_table(self, name: str) -> str:
        table = self.metadata_obj.tables[name]
        about = self._descriptions.get(name) or table.comment
        columns = ", ".join(column.name for column in table.columns)
        return f"- {name} ({columns}){f': {about}' if about else ''}"

    def text_columns(self, table_name: str, most_characters: int) -> list[str]:
        """List the columns of short texts, as the schema declares them."""
        columns = self.metadata_obj.tables[table_name].columns
        return [
            column.name
            for column in columns
            if isinstance(column.type, sa.String)
            and column.type.length
            and column.type.length <= most_characters
        ]

    def read_texts(
        self, table_name: str, column: str, limit: int, *, distinct: bool = True
    ) -> list[str]:
        """Read texts of a column, at most `limit`; none when looking takes too long."""
        rows = self._select_rows(table_name, [column], distinct=distinct, limit=limit)
        return [text for (text,) in rows if isinstance(text, str) and text]

    def insert_into_table(self, table_name: str, data: dict[str, Any]) -> NoReturn:  # noqa: ARG002 - the base class's
        raise UnsafeQuery(f"Nothing is written to {table_name}: the database is only read.")

    def _renew_threads(self, *_: sa.Engine) -> None:
        former, self._threads = self._threads, ThreadPoolExecutor(_THREADS, "tables")
        former.shutdown(wait=False)

    @contextmanager
    def _begin_reading(self, seconds: float) -> Iterator[sa.Connection]:
        begin = time.monotonic()
        with translate_engine_errors(self._engine), self._engine.connect() as connection:
            try:
                connection.exec_driver_sql(_SESSION.format(seconds=float(seconds)))
                connection.exec_driver_sql(ONLY_READ)
                connection.exec_driver_sql("START TRANSACTION READ ONLY")
                yield connection
            except sa.exc.DBAPIError as error:
                number = read_error_number(error.orig)
                if error.connection_invalidated or number is None or number in GONE_ERRORS:
                    silence = min(seconds, self._timeout)  # at which the driver gives up
                    if time.monotonic() - begin >= silence:  # the server could not stop it
                        raise _make_failure("", _TOO_LONG) from error
                    raise
                raise _make_failure(read_driver_message(error.orig), number) from error
            except Exception as error:
                if type(error) is not Exception:
                    raise
                # The pure-Python driver drops the text of an error that comes in place of a row.
                warning = connection.exec_driver_sql("SHOW ERRORS LIMIT 1").first()
                is_late = time.monotonic() - begin >= seconds
                _, number, message = warning or ("Error", _TOO_LONG if is_late else 0, _NO_REASON)
                raise _make_failure(message, int(number)) from error

    def _make_look(self, table: str) -> Look:
        def read_choices(column: str) -> list[Any]:
            found = self._select_rows(table, [column], distinct=True, limit=MOST_VALUES + 1)
            return [] if len(found) > MOST_VALUES else sorted(value for (value,) in found if value)

        return Look(
            read_choices, lambda columns: self._select_rows(table, columns, limit=SAMPLE_ROWS)
        )

    def _select_rows(
        self, table: str, columns: Sequence[str], *, limit: int, distinct: bool = False
    ) -> list[tuple[Any, ...]]:
        preparer = self._engine.dialect.identifier_preparer
        what = ("DISTINCT " if distinct else "") + ", ".join(map(preparer.quote, columns))
        place = preparer.format_table(self.metadata_obj.tables[table])
        sql = f"SELECT {what} FROM {place} LIMIT {limit}"  # noqa: S608 - names of the schema, quoted
        try:
            with self._begin_reading(_LOOKING_SECONDS) as connection:
                return list(map(tuple, connection.exec_driver_sql(sql)))
        except TookTooLong:
            return []  # it only helps, and is left out
        except QueryFailed as error:
            _log.warning("Looking at the table %s failed: %s", table, error)
            return []


class RowStream:
    """The rows of a statement as they come, up to a limit, to be gone through once.

    `truncated` says at their end whether there were more.
    """

    def __init__(
        self,
        connection: sa.Connection,
        cursor: sa.CursorResult[Any],
        most_rows: int,
        most_characters: int,
    ) -> None:
        self.columns = tuple(cursor.keys())
        self.truncated = False
        self._connection = connection
        self._cursor = cursor
        self._most_rows = most_rows
        self._most_characters = most_characters

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        characters = 0
        for count, row in enumerate(self._cursor):
            characters += sum(
                _CELL_CHARACTERS + (len(cell) if isinstance(cell, str | bytes) else 0)
                for cell in row
            )
            if count == self._most_rows or (count and characters > self._most_characters):
                _abandon_result(self._connection, self._cursor)
                self.truncated = True
                return
            yield tuple(row)
        warnings = self._connection.exec_driver_sql("SHOW WARNINGS")  # that it left something out
        self.truncated = any(int(number) in _INCOMPLETE for _, number, _ in warnings)


def _abandon_result(connection: sa.Connection, cursor: sa.CursorResult[Any]) -> None:
    """Leave the rest of a result, which may be endless, with the server; closing would read it."""
    result: Any = getattr(cursor.cursor, "_result", None)
    if hasattr(result, "unbuffered_active"):
        result.unbuffered_active = False  # PyMySQL would still try when it is collected
    connection.invalidate()


def _execute_prepared(
    connection: sa.Connection, text: str, values: Sequence[Value]
) -> sa.CursorResult[Any]:
    """Have the server prepare the text: it takes one statement, and no driver reads it.

    Some drivers look for the places of values in the text by a lexer of their own; here they find
    them in a text of ours.
    """
    mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
    using = f" USING {', '.join([mark] * len(values))}" if values else ""
    return connection.exec_driver_sql(f"EXECUTE IMMEDIATE {mark}{using}", (text, *values))


def _require_values(values: Mapping[str, Value]) -> None:
    for name, value in values.items():
        if isinstance(value, float | Decimal) and not math.isfinite(value):
            raise QueryFailed(f"The value of :{name} is {value}, which is no number to MariaDB.")
        if isinstance(value, int) and abs(value) >= _LARGEST:
            raise QueryFailed(f"The value of :{name} has more digits than MariaDB's numbers have.")
        if isinstance(value, str) and any("\ud800" <= sign <= "\udfff" for sign in value):
            raise QueryFailed(f"The value of :{name} holds half a character, which is no text.")


def _make_failure(message: str, number: int) -> QueryFailed:
    if number == _TOO_LONG:
        return TookTooLong("The statement took too long, and was stopped.")
    return QueryFailed(f"MariaDB refused the statement: {' '.join(message.split())[:500]}")
