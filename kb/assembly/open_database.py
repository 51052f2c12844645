"""Config -> the database: the private MariaDB, started if need be, or any other by its URL."""

import secrets
from collections.abc import Callable

import sqlalchemy as sa

from kb.config.sections import Config
from stores.connection import make_engine
from stores.errors import ConfigError
from stores.private_server import PrivateServer
from stores.readonly_account import write_own_account_sql
from stores.registry.schema import create_database, list_begun_databases


def private_server(config: Config) -> PrivateServer:
    return PrivateServer(
        config.home,
        config.cache,
        mariadbd=config.mariadbd,
        buffer_pool_mb=config.database.buffer_pool_mb,
        vector_cache_mb=config.database.vector_cache_mb,
    )


def require_begun(config: Config) -> None:
    """Raise ConfigError where no knowledge base was begun; nothing is made to find out."""
    url = config.database.url
    if isinstance(url, sa.URL):
        engine, name = make_engine(url), url.database
    else:
        server = private_server(config)
        if not server.has_data():
            raise ConfigError(
                "There is no knowledge base: nothing was indexed yet, and nothing is in "
                f"{config.home}. `kb init` writes a config.yaml, `kb index PATH` begins one, "
                "`kb demo` shows one."
            )
        server.ensure_running()
        engine, name = make_engine(server.url("")), config.database.name
    try:
        begun = list_begun_databases(engine)
    finally:
        engine.dispose()
    if name not in begun:
        others = f" Its server has one in {', '.join(begun)}." if begun else ""
        raise ConfigError(
            f"There is no knowledge base in the database {name}: nothing was indexed there yet."
            f"{others} Correct database.{'url' if isinstance(url, sa.URL) else 'name'}, or begin "
            "one: `kb index PATH`."
        )


def open_database(config: Config, say: Callable[[str], None] = lambda _: None) -> sa.Engine:
    """Make the engine of config.database, its server running."""
    if isinstance(config.database.url, sa.URL):
        return make_engine(config.database.url)
    return open_private_database(config, config.database.name, say)


def open_private_database(
    config: Config, name: str, say: Callable[[str], None] = lambda _: None
) -> sa.Engine:
    """Make the engine of a database of the private server, which is fetched and started."""
    server = private_server(config)
    server.fetch(say)
    server.ensure_running()
    admin = make_engine(server.url(""), before_connect=server.ensure_running)
    create_database(admin, name)
    admin.dispose()
    return make_engine(server.url(name), before_connect=server.ensure_running)


def write_own_account_script(config: Config) -> str:
    """Write the SQL that makes an account for kb which changes no table, and how kb is told of it.

    Raises ConfigError for the private server, where kb is alone.
    """
    url, password = config.database.url, secrets.token_urlsafe(24)
    if not isinstance(url, sa.URL):
        raise ConfigError(
            "database.url is embedded: on the private server kb has an account of its own. Set it "
            "to that of your server to have the SQL of one there."
        )
    own = url.set(username="kb_writer", password=password)
    lines = [
        "-- Run this on the server of database.url, as an administrator of it.",
        "-- '%' lets the account in from every address: write that of kb's machine instead.",
        write_own_account_sql(str(url.database), password).rstrip(),
        "-- What it lacks are CREATE, ALTER, INDEX, DROP and LOCK TABLES: set kb up, and each new",
        "-- version of it, by an account that has them: `kb status` does so. kb embeddings",
        "-- and kb restore need them, too. Then, in config.yaml:",
        "-- database:",
        f"--   url: {own.render_as_string(hide_password=False)}",
    ]
    return "\n".join(lines)
