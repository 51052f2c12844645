"""The tables of kb in a database: numbered migrations, applied once, under a lock."""

from importlib import resources

import sqlalchemy as sa

from stores.connection import in_transaction
from stores.errors import StoreError
from stores.registry.script import run_script
from stores.sql import statements

_SQL = statements("registry.sql")


def migrate(engine: sa.Engine) -> None:
    """Bring the tables up to date. Raises StoreError when a newer kb was here."""
    in_transaction(engine, _begin)
    in_transaction(engine, lambda guard: _migrate(engine, guard))


def _begin(connection: sa.Connection) -> None:
    connection.execute(sa.text(_SQL["create_schema"]))
    connection.execute(sa.text(_SQL["begin_schema"]))


def _migrate(engine: sa.Engine, guard: sa.Connection) -> None:
    """DDL commits by itself, so it runs beside the connection that holds the lock."""
    migrations = _migrations()
    version = int(guard.execute(sa.text(_SQL["lock_schema"])).scalar_one())
    if version > len(migrations):
        raise StoreError(
            f"The database was opened by a newer kb (schema {version}; this one knows "
            f"{len(migrations)}). Upgrade kb, or use another database."
        )
    for script in migrations[version:]:
        run_script(engine, script)
    guard.execute(sa.text(_SQL["set_schema"]), {"version": len(migrations)})


def _migrations() -> list[str]:
    folder = resources.files("stores.sql").joinpath("migrations")
    scripts = sorted((each for each in folder.iterdir()), key=lambda each: each.name)
    return [each.read_text(encoding="utf-8") for each in scripts if each.name.endswith(".sql")]


def create_database(engine: sa.Engine, name: str) -> None:
    """Create a database if there is none of that name, which must be a plain identifier."""
    quoted = engine.dialect.identifier_preparer.quote_identifier(name)
    statement = f"CREATE DATABASE IF NOT EXISTS {quoted} CHARACTER SET utf8mb4"
    in_transaction(engine, lambda connection: connection.execute(sa.text(statement)))
