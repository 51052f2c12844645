"""The tables of kb in a database: numbered migrations, each applied under a lock.

To write a migration, add `stores/sql/migrations/NNNN_what.sql` with the next number; `;` at the end
of a line divides its statements, and a file that was released is never edited. Every statement must
do no harm when it runs again, for DDL commits by itself and a migration that is killed begins anew
from its first statement: write IF NOT EXISTS, INSERT IGNORE, and an UPDATE whose WHERE leaves out
the rows that it has changed. Then bring `tests/mariadb/schema.sql` to the new shape: the tests
build each earlier version, migrate it, and break every migration off after every statement.

Chunk tables are no part of this: there are as many as people name, of any dimension and with any
filter keys, so each brings itself up to date where it is opened (`ChunkTable.set_up`).
"""

from importlib import resources

import sqlalchemy as sa

from stores.connection import read_snapshot, run_transaction
from stores.errors import StoreError
from stores.registry.script import run_script
from stores.sql import statements

_SQL = {name: sa.text(sql) for name, sql in statements("registry.sql").items()}


def migrate(engine: sa.Engine) -> None:
    """Bring the tables up to date. Raises StoreError when a newer kb was here.

    Where they are, nothing is written: the server may be read-only.
    """
    scripts = read_migrations()
    if read_snapshot(engine, _read_version) == len(scripts):
        return

    def create_version(connection: sa.Connection) -> None:
        connection.execute(_SQL["create_schema"])
        connection.execute(_SQL["begin_schema"])

    run_transaction(engine, create_version)
    while run_transaction(engine, lambda guard: _apply_next(engine, guard, scripts)):
        pass


def _read_version(connection: sa.Connection) -> int | None:
    """Read the number of the last migration; None in a database without any."""
    if not connection.scalar(_SQL["has_schema"]):
        return None
    version = connection.scalar(_SQL["version"])
    return None if version is None else int(version)


def read_migrations() -> list[str]:
    """Read the scripts of all migrations, in their order."""
    folder = resources.files("stores.sql").joinpath("migrations")
    files = sorted(folder.iterdir(), key=lambda file: file.name)
    return [file.read_text(encoding="utf-8") for file in files if file.name.endswith(".sql")]


def _apply_next(engine: sa.Engine, guard: sa.Connection, scripts: list[str]) -> bool:
    """Apply the next migration and note it; False when there is none.

    DDL commits by itself, so the script runs beside the connection that holds the lock.
    """
    version = int(guard.execute(_SQL["lock_schema"]).scalar_one())
    if version > len(scripts):
        raise StoreError(
            f"The database was opened by a newer kb (schema {version}; this one knows "
            f"{len(scripts)}). Upgrade kb, or use another database."
        )
    if version == len(scripts):
        return False
    run_script(engine, scripts[version])
    guard.execute(_SQL["set_schema"], {"version": version + 1})
    return True


def list_begun_databases(engine: sa.Engine) -> list[str]:
    """List the databases of the server in which a knowledge base was begun."""
    return list(read_snapshot(engine, lambda c: c.execute(_SQL["list_begun"]).scalars()))


def create_database(engine: sa.Engine, name: str) -> None:
    """Create a database if there is none of that name, which must be a plain identifier."""
    quoted = engine.dialect.identifier_preparer.quote_identifier(name)
    statement = f"CREATE DATABASE IF NOT EXISTS {quoted} CHARACTER SET utf8mb4"
    run_transaction(engine, lambda connection: connection.execute(sa.text(statement)))
