"""URL -> hardened Engine; whole transactions retried; driver errors translated once."""

import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import sqlalchemy as sa
import tenacity
from sqlalchemy import event

from stores.errors import ServerIsReadOnly, StoreError, StoreUnavailable, UnsupportedServer
from stores.server_version import MINIMUM_VERSION, read_series
from stores.tls import list_tls_arguments

# Deadlock, lock wait timeout, record changed since last read, table altered since the snapshot.
RETRIED_ERRORS = {1213, 1205, 1020, 1412}
# Those of a server that is away, or that answers nobody: 1047 is a Galera node without a majority.
GONE_ERRORS = {2002, 2003, 2006, 2013, 1040, 1047, 1053, 1203, 1226, 1927}
_READ_ONLY = {
    1290,
    1836,
}  # by the option read_only, by innodb_read_only; 1290 also of other options
_NO_MARIADB = "is not a MariaDB variant"  # as SQLAlchemy says it
_DEAD = (
    "socket error",
    "broken pipe",
    "connection reset",
    "connection lost",
    "connection refused",
    "timed out",
    "not connected",
)
_SESSION = (
    "SET time_zone = '+00:00', sql_mode = 'TRADITIONAL,ONLY_FULL_GROUP_BY', "
    "innodb_lock_wait_timeout = 10"
)
# The variables of these have other names before MariaDB 11.1, where tables may lie.
_ISOLATION = "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ"
ONLY_READ: Final = "SET SESSION TRANSACTION READ ONLY"
_SERVER_SIZES = (
    "SELECT @@mhnsw_max_cache_size AS vector_cache_bytes, "
    "@@innodb_buffer_pool_size AS buffer_pool_bytes, "
    "@@max_allowed_packet AS max_packet_bytes, "
    "@@innodb_log_file_size AS log_bytes"
)
_CLUSTER_NODE = (
    "SELECT 1 FROM information_schema.global_variables "
    "WHERE variable_name = 'WSREP_ON' AND variable_value = 'ON'"
)
_SETTING = "database.url"
_GRANT = (
    " In database.url name a database that exists and an account that may do everything in it: "
    "CREATE DATABASE kb; GRANT ALL ON kb.* TO the account."
)
_RIGHTS = (
    " The account of database.url needs SELECT, INSERT, UPDATE and DELETE in its database, as "
    "`kb db account --own` prints them; to set up kb, or a new version of it, also CREATE, ALTER, "
    "INDEX, DROP and LOCK TABLES: open it once by an account that has them."
)
_ADVICE = {
    1044: _GRANT,  # access to the database denied
    1045: " Correct the user and the password in database.url.",
    1046: " End database.url with the name of a database.",
    1049: _GRANT,  # no such database
    1142: _RIGHTS,  # a command denied
}
_UNTRUSTED = "CERTIFICATE_VERIFY_FAILED"
_DRIVERS = {"mariadb+mariadbconnector", "mariadb+pymysql"}

T = TypeVar("T")


@dataclass(frozen=True)
class ServerInfo:
    version: str
    vector_cache_bytes: int
    buffer_pool_bytes: int
    max_packet_bytes: int
    log_bytes: int


def make_engine(
    url: str | sa.URL,
    *,
    before_connect: Callable[[], None] | None = None,
    readonly: bool = False,
    statement_timeout: float | None = None,
    socket_timeout: int = 3600,
    pool_size: int = 5,
    connect_args: Mapping[str, Any] | None = None,
    setting: str = _SETTING,
) -> sa.Engine:
    """A pooled engine that notices dead connections and speaks UTC, utf8mb4 and strict SQL.

    No text that it sends is more than one statement. `ssl`, `ssl_ca`, `ssl_cert`, `ssl_key` and
    `ssl_verify_cert` in the URL ask for TLS. `before_connect` runs before each new
    connection. The timeouts are in seconds: a server that stops a statement by itself does so
    after `statement_timeout`; one that sends nothing for `socket_timeout` is given up. `setting` is
    where the URL is configured, for messages.
    """
    url = _check_url(url, setting)
    session = _write_settings(statement_timeout, readonly=readonly)
    engine = _create_engine(
        url,
        pool_pre_ping=True,
        pool_recycle=3600,
        pool_size=pool_size,
        max_overflow=10,
        hide_parameters=True,
        execution_options={"setting": setting, "session": session},
        connect_args={
            "local_infile": False,
            "connect_timeout": 10,
            # One of the drivers takes the later of the two for both.
            "read_timeout": socket_timeout,
            "write_timeout": socket_timeout,
            **_list_tls_arguments(url, setting),
            **(connect_args or {}),
        },
    )
    _prepare_sessions(engine, session)
    _recognise_dead_connections(engine)
    if before_connect:
        event.listen(engine, "do_connect", lambda *_: before_connect())
    return engine


def _list_tls_arguments(url: sa.URL, setting: str) -> dict[str, Any]:
    try:
        return list_tls_arguments(url)
    except ValueError as error:
        raise StoreError(f"{setting} {error}") from error


def _create_engine(url: sa.URL, **options: Any) -> sa.Engine:
    try:
        return sa.create_engine(url, **options)
    except ModuleNotFoundError as error:
        raise StoreError(
            f"{url.drivername}:// needs {error.name}: pip install 'mariadb-kb[pymysql]'"
        ) from error


def _check_url(url: str | sa.URL, setting: str) -> sa.URL:
    try:
        url = sa.make_url(url)
    except sa.exc.ArgumentError:
        raise StoreError(
            f"{setting} is not a URL. Write mariadb+mariadbconnector://user:password@host/database"
        ) from None
    url = url.set(drivername=url.drivername.replace("mysql+", "mariadb+"))
    if url.drivername not in _DRIVERS:
        raise StoreError(
            f"{setting} begins with {url.drivername}://, which kb does not speak. "
            f"Use {' or '.join(f'{driver}://' for driver in sorted(_DRIVERS))}."
        )
    return url.update_query_dict({"charset": "utf8mb4"}) if "pymysql" in url.drivername else url


def _write_settings(statement_timeout: float | None, *, readonly: bool) -> tuple[str, ...]:
    settings = _SESSION
    if statement_timeout is not None:
        settings += f", max_statement_time = {float(statement_timeout)}"
    return (settings, f"{_ISOLATION}, READ ONLY" if readonly else _ISOLATION)


class _SingleStatementsOnly:
    """A packet of the driver's kind: COM_SET_OPTION with MYSQL_OPTION_MULTI_STATEMENTS_OFF."""

    def payload(self, *_: Any) -> bytearray:
        header = b"\x00\x00\x00\x00"  # the driver fills it
        return bytearray(header + b"\x1b\x01\x00")

    def is_binary(self) -> bool:
        return False

    def type(self) -> str:
        return "COM_SET_OPTION"

    def get_sql(self) -> None:
        return None


def _prepare_sessions(engine: sa.Engine, settings: Sequence[str]) -> None:
    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        try:
            if engine.driver == "mariadbconnector":
                _allow_single_statements_only(connection)
                _double_full_buffers(connection._client)  # noqa: SLF001 - as above
            _prepare_session(connection, settings)
        except BaseException:
            with suppress(Exception):  # the server may just have gone
                connection.close()
            raise


def _allow_single_statements_only(connection: Any) -> None:
    """MariaDB's driver always asks for several at once, and has no way to ask for less."""
    client = getattr(connection, "_client", None)
    if client is None:
        raise StoreError(
            "The compiled part of MariaDB's driver cannot be kept to one statement at a time. "
            "Remove it, and its pure Python part takes over: pip uninstall mariadb-binary"
        )
    client.execute(_SingleStatementsOnly(), connection._configuration, True)  # noqa: SLF001, FBT003 - the driver has no public way


def _double_full_buffers(client: Any) -> None:
    """Have a connection double its buffer for the rows of a result when that is full.

    The driver makes it larger by 16 KB at a time and copies all that it has read, which takes time
    by the square of the rows: benchmarks/large_results.py.
    """
    itself, grow = weakref.proxy(client), type(client)._ensure_space  # noqa: SLF001 - there is no other way

    def ensure_space(needed: int) -> None:
        if itself._recv_buf_capacity - itself._recv_len < needed:  # noqa: SLF001 - as above
            grow(itself, max(needed, itself._recv_buf_capacity))  # noqa: SLF001 - as above

    client._ensure_space = ensure_space  # noqa: SLF001 - as above


def _prepare_session(connection: Any, settings: Sequence[str]) -> None:
    cursor = connection.cursor()
    for statement in ("SET NAMES utf8mb4", *settings):
        cursor.execute(statement)
    cursor.close()


def renew_sessions(engine: sa.Engine) -> None:
    """Begin each use of an engine of `make_engine` with a session that nobody has used."""
    settings = engine.get_execution_options()["session"]

    @event.listens_for(engine, "reset")
    def renew(connection: Any, _record: Any, _state: Any) -> None:
        if hasattr(connection, "reset"):
            connection.reset()
            _prepare_session(connection, settings)

    @event.listens_for(engine, "checkin")
    def leave(connection: Any, record: Any) -> None:
        if connection is not None and not hasattr(connection, "reset"):  # PyMySQL
            record.invalidate()


def _recognise_dead_connections(engine: sa.Engine) -> None:
    """The pure-Python driver reports the death of its socket without an error number."""

    @event.listens_for(engine, "handle_error")
    def recognise(context: sa.engine.ExceptionContext) -> None:
        error = context.original_exception
        if context.is_disconnect or not isinstance(error, engine.dialect.dbapi.Error):  # type: ignore[union-attr]  # the dialect is connected
            return
        number = read_error_number(error)
        if number in GONE_ERRORS or (not number and _sounds_dead(error)):
            context.is_disconnect = True


def _sounds_dead(error: BaseException) -> bool:
    return any(words in str(error).lower() for words in _DEAD)


def read_error_number(error: BaseException | None) -> int | None:
    """Read the server's error number, whichever driver raised."""
    number = getattr(error, "errno", None)
    if number is None and error is not None and error.args and isinstance(error.args[0], int):
        number = error.args[0]
    return number or None


def read_driver_message(error: BaseException | None) -> str:
    """Read the server's words without its number, whichever driver raised."""
    match getattr(error, "args", ()):
        case (int(), str() as words):
            return words
    return str(error)


def _may_succeed_later(error: BaseException) -> bool:
    if not isinstance(error, sa.exc.DBAPIError):
        return False
    if "codec can't encode" in str(error.orig):  # the pure-Python driver numbers it as a lost one
        return False
    if _UNTRUSTED in str(error.orig):  # PyMySQL numbers it as a server that is away
        return False
    number = read_error_number(error.orig)
    return (
        error.connection_invalidated
        or number in RETRIED_ERRORS | GONE_ERRORS
        or (not number and error.orig is not None and _sounds_dead(error.orig))
    )


def is_lost(error: BaseException) -> bool:
    """Tell whether an error, also one of the driver's own, means that the server is away."""
    found = getattr(error, "orig", None) or error
    number = read_error_number(found)
    return number in GONE_ERRORS or (not number and _sounds_dead(found))


def run_transaction(
    engine: sa.Engine, work: Callable[[sa.Connection], T], *, attempts: int = 8
) -> T:
    """Run `work` and commit, the whole of it again after a deadlock or a lost connection.

    Raises StoreUnavailable when the server stays away, StoreError for what it refuses.
    """
    return _retry(engine.begin, engine, work, attempts)


def read_snapshot(engine: sa.Engine, work: Callable[[sa.Connection], T], *, attempts: int = 8) -> T:
    """Run what only reads, all of it as of one moment; retried like `run_transaction`."""
    return _retry(engine.connect, engine, work, attempts)


def _retry(
    connect: Callable[[], AbstractContextManager[sa.Connection]],
    engine: sa.Engine,
    work: Callable[[sa.Connection], T],
    attempts: int,
) -> T:
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(_may_succeed_later),
        wait=tenacity.wait_random_exponential(multiplier=0.05, max=3),
        stop=tenacity.stop_after_attempt(attempts),
        reraise=True,
    )

    def work_once() -> T:
        with connect() as connection:
            return work(connection)

    with translate_engine_errors(engine):
        return retrying(work_once)


def translate_engine_errors(engine: sa.Engine) -> AbstractContextManager[None]:
    """Translate errors as `translate_errors` does, naming the setting of the engine's URL."""
    return translate_errors(engine.url, engine.get_execution_options().get("setting", _SETTING))


@contextmanager
def translate_errors(url: sa.URL, setting: str = _SETTING) -> Iterator[None]:
    """Raise SQLAlchemy's and the driver's errors as ours, without statement, values or password."""
    try:
        yield
    except sa.exc.DBAPIError as error:
        reason = " ".join(read_driver_message(error.orig).split()).rstrip(".")[:500]
        if _may_succeed_later(error) and read_error_number(error.orig) not in RETRIED_ERRORS:
            raise StoreUnavailable(
                f"MariaDB at {_describe_place(url)} does not answer: {reason}. "
                f"{_suggest_look(url, setting)}"
            ) from error
        if read_error_number(error.orig) in _READ_ONLY and "read" in reason.lower():
            raise ServerIsReadOnly(
                f"MariaDB at {_describe_place(url)} is read-only, as a replica is: it can be asked "
                f"and not be written to. Name the server that it follows in {setting}."
            ) from error
        advice = (
            f" Name in ssl_ca of {setting} who issued the server's certificate, and the host as "
            "the certificate has it."
            if _UNTRUSTED in reason
            else _suggest_correction(read_error_number(error.orig), setting)
        )
        raise StoreError(f"MariaDB at {_describe_place(url)} refused: {reason}.{advice}") from error
    except sa.exc.InvalidRequestError as error:
        if _NO_MARIADB not in str(error):
            raise
        raise UnsupportedServer(
            f"The server at {_describe_place(url)} is no MariaDB, which alone has what kb "
            f"needs: vectors, limits on statements, one statement at a time. Correct {setting}."
        ) from error
    except sa.exc.TimeoutError as error:
        raise StoreUnavailable(
            f"No connection to MariaDB at {_describe_place(url)} became free in time. "
            "Fewer questions at once, or a larger pool, would help."
        ) from error


def _suggest_correction(number: int | None, setting: str) -> str:
    if number not in _ADVICE or setting == _SETTING:
        return _ADVICE.get(number or 0, "")
    return f" Correct {setting}: its user, its password, and a database that this user may read."


def _describe_place(url: sa.URL) -> str:
    where = url.query.get("unix_socket") or f"{url.host or '127.0.0.1'}:{url.port or 3306}"
    return f"{where}/{url.database or ''}"


def _suggest_look(url: sa.URL, setting: str) -> str:
    if "unix_socket" in url.query:
        return "`kb db status` shows its state and its log."
    looks_closer = " `kb doctor` looks closer." if "." in setting else ""  # at keys of config.yaml
    return f"Is it running, and is {setting} right?{looks_closer}"


def is_cluster_node(connection: sa.Connection) -> bool:
    """Tell whether the server is one of a Galera cluster, which writes nothing while it alters."""
    return bool(connection.exec_driver_sql(_CLUSTER_NODE).scalar())


def ask_for_nothing(engine: sa.Engine) -> None:
    """Ask the server for nothing but an answer. Raises StoreUnavailable without one."""
    read_snapshot(engine, lambda connection: connection.scalar(sa.text("SELECT 1")))


def read_cipher(engine: sa.Engine) -> str:
    """Read the cipher of a connection, "" of one without TLS."""
    status = sa.text("SHOW SESSION STATUS LIKE 'Ssl_cipher'")
    return str(read_snapshot(engine, lambda connection: connection.execute(status).one()[1]))


def measure_clock_lead(engine: sa.Engine) -> float:
    """Measure by how many seconds the server's clock is ahead of this machine's."""
    begun = datetime.now(UTC)
    asked = sa.text("SELECT UTC_TIMESTAMP(6)")
    theirs: datetime = read_snapshot(engine, lambda connection: connection.scalar(asked))
    ours = begun + (datetime.now(UTC) - begun) / 2
    return (theirs.replace(tzinfo=UTC) - ours).total_seconds()


def count_slow_statements(engine: sa.Engine) -> tuple[int, float]:
    """Count the statements that were slow since the server began, and in how many seconds."""
    counted = sa.text("SHOW GLOBAL STATUS WHERE Variable_name IN ('Slow_queries', 'Uptime')")
    rows = read_snapshot(engine, lambda connection: connection.execute(counted).all())
    found = {name.lower(): value for name, value in rows}
    return int(found["slow_queries"]), float(found["uptime"])


def read_server_info(engine: sa.Engine) -> ServerInfo:
    """Ask the server who it is. Raises UnsupportedServer below MariaDB 11.8."""
    return read_snapshot(engine, _read_server)


def _read_server(connection: sa.Connection) -> ServerInfo:
    version = str(connection.scalar(sa.text("SELECT VERSION()")))
    _check_version(version)
    row = connection.execute(sa.text(_SERVER_SIZES)).one()
    return ServerInfo(version=version, **row._asdict())


def _check_version(version: str) -> None:
    series = read_series(version)
    if series is not None:
        if series >= MINIMUM_VERSION:
            return
        raise UnsupportedServer(
            f"The server is MariaDB {version}; kb needs 11.8 or later for vectors. Upgrade it, "
            "point database.url at another server, or set it to `embedded` for a private one."
        )
    raise UnsupportedServer(
        f"The server says {version!r}, which is not MariaDB. Point database.url at MariaDB 11.8 or "
        "later, or set it to `embedded` for a private one."
    )
