"""Config -> the business tables: an account that can only read them, and who answers from them."""

import math
from typing import Any

import sqlalchemy as sa
from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.llms.llm import LLM

from engines.tables.entities import EntityIndex
from engines.tables.guarded_database import GuardedDatabase
from engines.tables.tables_engine import DatabaseQueryEngine
from engines.verified.answer import write_examples
from engines.verified.matching import VerifiedMatcher
from engines.verified.verified_engine import VerifiedQueryEngine
from kb.assembly.open_database import private_server
from kb.config import Config
from stores.connection import (
    make_engine,
    read_driver_message,
    read_error_number,
    translate_engine_errors,
)
from stores.errors import ConfigError
from stores.private_server import PrivateServer
from stores.readonly_account import (
    create_account,
    find_excess_powers,
    require_tables,
    write_grants,
)

_EXAMPLES = 3  # of verified queries, for a model that writes SQL
_REFUSED = {1044, 1045, 1049, 1698}  # no such account, password or database


def open_tables(config: Config) -> GuardedDatabase:
    """Open the tables of tables.include, read by an account that can do nothing else.

    Raises ConfigError when it can do more and the configuration does not allow that, StoreError
    for a table that is not there.
    """
    engine = connect_to_tables(config)
    try:
        if not config.tables.allow_powerful_account:
            _require_weakness(config, engine)
        return make_guarded_database(config, engine)
    except BaseException:
        engine.dispose()
        raise


def make_guarded_database(config: Config, engine: sa.Engine) -> GuardedDatabase:
    """Make the database of the tables that may be asked, with the limits of the configuration."""
    return GuardedDatabase(
        engine,
        config.tables.include,
        descriptions=config.tables.descriptions,
        row_limit=config.tables.row_limit,
        timeout=config.tables.timeout,
        show_values=config.tables.show_values,
    )


def make_tables_engine(
    tables: GuardedDatabase,
    matcher: VerifiedMatcher,
    entities: EntityIndex,
    *,
    llm: LLM | None,
    embed_model: BaseEmbedding,
    streaming: bool = False,
    sql_only: bool = False,
    synthesize_response: bool = True,
) -> BaseQueryEngine:
    """Make what answers by verified queries where it can, and else by the model if there is one."""

    def find_examples(question: str) -> str:
        return write_examples(query for query, _ in matcher.find_nearest(question, _EXAMPLES))

    options: Any = {
        "streaming": streaming,
        "sql_only": sql_only,
        "synthesize_response": synthesize_response,
    }
    model = (
        DatabaseQueryEngine(
            tables,
            llm=llm,
            embed_model=embed_model,
            entities=entities,
            examples=find_examples,
            **options,
        )
        if llm
        else None
    )
    return VerifiedQueryEngine(matcher, tables.run, model, in_thread=tables.in_thread, **options)


def connect_to_tables(config: Config) -> sa.Engine:
    """Make an engine of the reading account, the tables known to be there."""
    if not config.tables.include:
        raise ConfigError("No table may be asked. Name some in tables.include of config.yaml.")
    if isinstance(config.tables.url, sa.URL):
        return _make_other_engine(config, config.tables.url)
    return _make_private_engine(config, private_server(config))


def find_powers(config: Config, engine: sa.Engine) -> list[str]:
    """List what the account may do besides reading the tables, a phrase for each power."""
    return find_excess_powers(engine, _name_database(config), config.tables.include)


def _require_weakness(config: Config, engine: sa.Engine) -> None:
    if found := find_powers(config, engine):
        advice = advise_on_account(config)
        raise ConfigError(f"The account of tables.url {'; '.join(found)}. {advice}")


def advise_on_account(config: Config) -> str:
    """Say what to do about an account of too many powers."""
    return (
        "Give it no more than "
        f"{write_grants(_name_database(config), config.tables.include)} "
        "Or, if you accept that SQL of a language model runs with these rights, set "
        "tables.allow_powerful_account to true."
    )


def _name_database(config: Config) -> str:
    url = config.tables.url
    name = config.tables.database or (url.database if isinstance(url, sa.URL) else None)
    if not name:
        raise ConfigError("tables.database is not set. Name the database of tables.include.")
    return name


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


def _make_other_engine(config: Config, url: sa.URL) -> sa.Engine:
    database = _name_database(config)
    engine = make_engine(
        url.set(database=database),
        readonly=True,
        statement_timeout=config.tables.timeout,
        socket_timeout=_socket_timeout(config),
        setting="tables.url",
    )
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
    with translate_engine_errors(engine):
        try:
            engine.connect().close()
        except sa.exc.DBAPIError as error:
            if read_error_number(error.orig) not in _REFUSED:
                raise
            raise ConfigError(
                f"tables.url was refused: {read_driver_message(error.orig)}. "
                "Correct its user, password and database."
            ) from error
