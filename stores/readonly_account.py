"""Guard two: an account that can only SELECT from named tables; made here, or looked at."""

import hashlib
import hmac
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

import sqlalchemy as sa

from stores.connection import read_snapshot, run_transaction
from stores.errors import StoreError
from stores.password_hash import hash_password
from stores.sql import statements

_SQL = statements("accounts.sql")
_GRANT = re.compile(
    r"GRANT (?P<what>.+?) ON (?P<kind>(?:TABLE|FUNCTION|PROCEDURE|PACKAGE|PACKAGE BODY) )?"
    r"(?P<where>(?:`(?:[^`]|``)+`|\*)\.(?:`(?:[^`]|``)+`|\*)) TO "
)
_READS = re.compile(r"SELECT(?: \([^)]*\))?")  # the table, or some of its columns


@dataclass(frozen=True)
class ReadOnlyAccount:
    name: str
    password: str = field(repr=False)


def create_account(
    admin: sa.Engine, database: str, tables: Collection[str], key: str
) -> ReadOnlyAccount:
    """Create the account that may read these tables and do nothing else, or heal it.

    Its name follows from the tables and its password from `key`, a secret: whoever has that opens
    it anew, and other tables have another account. Raises StoreError for a table that is not there.
    """
    require_tables(admin, database, tables)
    account = _derive_account(database, tables, key)
    quoted = f"{_quote_name(account.name)}@localhost"
    digest = hash_password(account.password)
    made = [
        _SQL[name].format(account=quoted, digest=digest)
        for name in ("create_account", "heal_account")
    ]
    grants = [
        _SQL["allow_reading"].format(
            table=f"{_quote_name(database)}.{_quote_name(table)}", account=quoted
        )
        for table in sorted(tables)
    ]
    run_transaction(admin, lambda c: [c.exec_driver_sql(sql) for sql in (*made, *grants)])
    return account


def require_tables(engine: sa.Engine, database: str, tables: Collection[str]) -> None:
    """Raise StoreError when the account sees no such tables in the database."""
    values = {"database": database}
    rows = read_snapshot(engine, lambda c: c.execute(sa.text(_SQL["tables_of"]), values).scalars())
    found = set(rows)
    if missing := sorted(set(tables) - found):
        there = ", ".join(sorted(found)) or "none"
        raise StoreError(
            f"The database {database} shows no table {', '.join(missing)}; it shows {there}. "
            "Correct tables.include and tables.database."
        )


def find_excess_powers(engine: sa.Engine, database: str, tables: Collection[str]) -> list[str]:
    """Find what the account of this engine may do besides reading these tables, a phrase each."""
    grants, visible = read_snapshot(
        engine,
        lambda c: (
            c.exec_driver_sql(_SQL["grants"]).scalars().all(),
            c.exec_driver_sql(_SQL["visible_tables"]).all(),
        ),
    )
    allowed = {(database, table) for table in tables}
    seen = {(row.database_name, row.table_name) for row in visible}
    others = sorted(f"{schema}.{table}" for schema, table in seen - allowed)
    return [*_describe_grants(grants, allowed), *_describe_sight(others)]


def write_grants(database: str, tables: Collection[str]) -> str:
    """Write the statements that give an account what it needs, for an administrator to run."""
    lines = (
        f"GRANT SELECT ON {_quote_name(database)}.{_quote_name(t)} TO …;" for t in sorted(tables)
    )
    return " ".join(lines)


def _describe_grants(grants: Collection[str], allowed: set[tuple[str, str]]) -> Iterator[str]:
    names = {f"{_quote_name(database)}.{_quote_name(table)}" for database, table in allowed}
    for grant in grants:
        found = _GRANT.match(grant)
        if found is None:
            yield f"has more than table grants ({grant.partition(' IDENTIFIED')[0]})"
        elif found["what"] != "USAGE" and not (
            _READS.fullmatch(found["what"]) and found["where"] in names and not found["kind"]
        ):
            yield f"may {found['what']} on {found['where']}"
        if grant.endswith("WITH GRANT OPTION"):
            yield "may give its rights to others"


def _describe_sight(others: list[str]) -> Iterator[str]:
    if others:
        more = f" and {len(others) - 3} more" if len(others) > 3 else ""  # noqa: PLR2004 - enough to know which
        yield f"sees {', '.join(others[:3])}{more}"


def _derive_account(database: str, tables: Collection[str], key: str) -> ReadOnlyAccount:
    facts = "\0".join((database, *sorted(tables)))
    name = f"kb_reader_{hashlib.sha256(facts.encode()).hexdigest()[:12]}"
    return ReadOnlyAccount(name, hmac.new(key.encode(), name.encode(), "sha256").hexdigest())


def _quote_name(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"
