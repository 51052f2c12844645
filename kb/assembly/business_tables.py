"""Config -> the business tables: an account that can only read them, and who answers from them."""

import logging
import math
import secrets
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.callbacks import CallbackManager
from llama_index.core.llms.llm import LLM

from engines.tables.entities import EntityIndex
from engines.tables.guarded_database import GuardedDatabase
from engines.tables.tables_engine import DatabaseQueryEngine
from engines.verified.answer import write_examples
from engines.verified.matching import VerifiedMatcher
from engines.verified.verified_engine import VerifiedQueryEngine
from kb.assembly.access_rules import HiddenColumns, require_columns
from kb.assembly.open_database import private_server
from kb.assembly.outage import Outage
from kb.config.databases import DRIVER
from kb.config.sections import Config
from stores.caches.cache import Cache
from stores.connection import (
    make_engine,
    read_driver_message,
    read_error_number,
    translate_engine_errors,
)
from stores.errors import ConfigError, UnsupportedServer
from stores.private_server import PrivateServer
from stores.readonly_account import (
    Power,
    Powers,
    create_account,
    find_powers,
    require_tables,
    write_account_sql,
)
from stores.server_version import MINIMUM_OF_TABLES, join_version, read_series
from stores.table_names import split_table_name

_EXAMPLES = 3  # of verified queries, for a model that writes SQL
_REFUSED = {1044, 1045, 1049, 1698}  # no such account, password or database
_log = logging.getLogger(__name__)


def open_tables(
    config: Config, outage: Outage | None = None, known_rows: Cache | None = None
) -> GuardedDatabase:
    """Open the tables of tables.include, read by an account that can write nothing.

    One that sees more than these tables is told of in the log. An `outage` is remembered for the
    next who tries. Raises ConfigError when it can write
    and the configuration does not allow that, StoreError for a table that is not there.
    """
    engine = connect_to_tables(config, outage)
    try:
        _require_weakness(config, find_account_powers(config, engine))
        opened = make_guarded_database(config, engine, known_rows)
        require_columns(config, opened.metadata_obj)
    except BaseException:
        engine.dispose()
        raise
    return opened


def make_guarded_database(
    config: Config,
    engine: sa.Engine,
    known_rows: Cache | None = None,
    hidden: HiddenColumns = frozenset(),
) -> GuardedDatabase:
    """Make the database of the tables that may be asked, with the limits of the configuration."""
    columns: dict[str, list[str]] = {}
    for table, column in sorted(hidden):
        columns.setdefault(table, []).append(column)
    return GuardedDatabase(
        engine,
        config.tables.include,
        descriptions=config.tables.descriptions,
        row_limit=config.tables.row_limit,
        timeout=config.tables.timeout,
        show_values=config.tables.show_values,
        known_rows=known_rows,
        hidden_columns=columns,
    )


def make_tables_engine(
    tables: GuardedDatabase,
    matcher: VerifiedMatcher,
    entities: EntityIndex,
    *,
    llm: LLM | None,
    sql_llm: LLM | None = None,
    embed_model: BaseEmbedding,
    instructions: str = "",
    streaming: bool = False,
    sql_only: bool = False,
    synthesize_response: bool = True,
    last_model: bool = False,
    callback_manager: CallbackManager | None = None,
) -> BaseQueryEngine:
    """Make what answers by verified queries where it can, and else by the model if there is one."""

    def find_examples(question: str) -> str:
        return write_examples(query for query, _ in matcher.find_nearest(question, _EXAMPLES))

    options: Any = {
        "streaming": streaming,
        "sql_only": sql_only,
        "synthesize_response": synthesize_response,
        "callback_manager": callback_manager,
    }
    model = (
        DatabaseQueryEngine(
            tables,
            llm=llm,
            sql_llm=sql_llm,
            embed_model=embed_model,
            entities=entities,
            examples=find_examples,
            instructions=instructions,
            last_model=last_model,
            **options,
        )
        if llm
        else None
    )
    return VerifiedQueryEngine(matcher, tables.run, model, in_thread=tables.in_thread, **options)


def connect_to_tables(config: Config, outage: Outage | None = None) -> sa.Engine:
    """Make an engine of the reading account, the tables known to be there."""
    _require_included_tables(config)
    if isinstance(config.tables.url, sa.URL):
        return _make_other_engine(config, config.tables.url, outage)
    return _make_private_engine(config, private_server(config))


def find_account_powers(config: Config, engine: sa.Engine) -> Powers:
    """Find what the account may do besides reading the tables."""
    return find_powers(engine, _name_database(config), config.tables.include)


def _require_weakness(config: Config, powers: Powers) -> None:
    if powers.writing and not config.tables.allow_powerful_account:
        raise ConfigError(
            f"The account {powers.account} of tables.url {describe_powers(powers.writing)}, and kb "
            f"takes none that may do more than read. {advise_on_writing(powers)}"
        )
    if more := [*powers.writing, *powers.reading]:
        _log.warning("The account %s of tables.url %s.", powers.account, describe_powers(more))


def describe_powers(powers: Sequence[Power]) -> str:
    """Say what an account may do, as the end of a sentence that begins with its name."""
    return "; ".join(power.what for power in powers)


def advise_on_writing(powers: Powers) -> str:
    """Say what to do about an account that may write."""
    remedies = " ".join(power.remedy for power in powers.writing if power.remedy)
    return (
        f"Have an administrator of that server run: {remedies} Or make an account for kb: `kb db "
        "account` prints the SQL. Or, if you accept that SQL of a language model runs with these "
        "rights, set tables.allow_powerful_account to true."
    )


def write_account_script(config: Config) -> str:
    """Write the SQL that makes an account for exactly these tables, and how kb is told of it.

    Raises ConfigError where no table, or not their database, is named.
    """
    _require_included_tables(config)
    database, password = _name_database(config), secrets.token_urlsafe(24)
    url = config.tables.url
    server = url if isinstance(url, sa.URL) else sa.URL.create(DRIVER, host="HOST", port=3306)
    reader = server.set(username="kb_reader", password=password, database=database)
    lines = [
        "-- Run this on the server that holds the tables, as an administrator of it.",
        "-- '%' lets the account in from every address: write that of kb's machine instead.",
        write_account_sql(database, config.tables.include, password).rstrip(),
        "-- Then, in config.yaml:",
        "-- tables:",
        f"--   url: {reader.render_as_string(hide_password=False)}",
    ]
    return "\n".join(lines)


def _require_included_tables(config: Config) -> None:
    if not config.tables.include:
        raise ConfigError("No table may be asked. Name some in tables.include of config.yaml.")


def _name_database(config: Config) -> str:
    """Name the database of the tables that are named without one."""
    url = config.tables.url
    name = config.tables.database or (url.database if isinstance(url, sa.URL) else None)
    databases = [split_table_name(table)[0] for table in config.tables.include]
    if name or all(databases):
        return str(name or databases[0])
    raise ConfigError("tables.database is not set. Name the database of tables.include.")


def _make_private_engine(config: Config, server: PrivateServer) -> sa.Engine:
    server.ensure_running()
    database = _name_database(config)
    admin = make_engine(server.url(""), before_connect=server.ensure_running)
    try:
        key = admin.url.password or ""
        account = create_account(admin, database, config.tables.include, key)
    finally:
        admin.dispose()
    url = server.url(database).set(username=account.name, password=account.password)
    return make_engine(
        url,
        before_connect=server.ensure_running,
        readonly=True,
        statement_timeout=config.tables.timeout,
        socket_timeout=_socket_timeout(config),
    )


def _make_other_engine(config: Config, url: sa.URL, outage: Outage | None) -> sa.Engine:
    database = _name_database(config)
    engine = make_engine(
        url.set(database=database),
        readonly=True,
        statement_timeout=config.tables.timeout,
        socket_timeout=_socket_timeout(config),
        setting="tables.url",
    )
    if outage:
        outage.watch(engine)
    try:
        _require_entry(engine)
        require_tables(engine, database, config.tables.include)
    except BaseException:
        engine.dispose()
        raise
    return engine


def _socket_timeout(config: Config) -> int:
    """Return the seconds after which a statement that the server cannot stop is left alone."""
    return math.ceil(config.tables.timeout) + 5


def _require_entry(engine: sa.Engine) -> None:
    """Raise an error unless a MariaDB on which the limits hold lets the account in."""
    with translate_engine_errors(engine):
        try:
            with engine.connect() as connection:
                version = str(connection.scalar(sa.text("SELECT VERSION()")))
        except sa.exc.DBAPIError as error:
            if read_error_number(error.orig) not in _REFUSED:
                raise
            raise ConfigError(
                f"tables.url was refused: {read_driver_message(error.orig)}. "
                "Correct its user, password and database."
            ) from error
    if (read_series(version) or (0, 0)) < MINIMUM_OF_TABLES:
        raise UnsupportedServer(
            f"The server of tables.url is {version}. kb can hold SQL of others to its limits on "
            f"MariaDB {join_version(MINIMUM_OF_TABLES)} or later alone."
        )
