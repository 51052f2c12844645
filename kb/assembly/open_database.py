"""Config -> the database: the private MariaDB, started if need be, or any other by its URL."""

from collections.abc import Callable

import sqlalchemy as sa

from kb.config import Config
from stores.connection import make_engine
from stores.private_server import PrivateServer
from stores.registry.schema import create_database


def private_server(config: Config) -> PrivateServer:
    return PrivateServer(
        config.home,
        config.cache,
        mariadbd=config.mariadbd,
        buffer_pool_mb=config.database.buffer_pool_mb,
        vector_cache_mb=config.database.vector_cache_mb,
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
