"""Guard two: an account that can only SELECT from named tables; made here, or looked at.

Tables are named as people write them: without a database they are of the one that is given.
"""

import hashlib
import hmac
import re
from collections.abc import Collection, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final

import sqlalchemy as sa

from stores.connection import read_snapshot, run_transaction
from stores.errors import StoreError
from stores.password_hash import hash_password
from stores.sql import statements
from stores.table_names import TableName, quote_name, read_table_name

_SQL = statements("accounts.sql")
_MOST_NAMED: Final = 4  # tables that a message tells of
_NAME: Final = r"`(?:[^`]|``)*`"
_GRANTEE: Final = rf"(?P<grantee>{_NAME}(?:@{_NAME})?|PUBLIC)"
_GRANT = re.compile(
    r"GRANT (?P<what>.+?) ON (?P<kind>(?:TABLE|FUNCTION|PROCEDURE|PACKAGE|PACKAGE BODY) )?"
    rf"(?P<where>(?:{_NAME}|\*)\.(?:{_NAME}|\*)) TO {_GRANTEE}"
)
_ROLE_GRANT = re.compile(rf"GRANT (?P<role>{_NAME}) TO {_GRANTEE}(?P<admin> WITH ADMIN OPTION)?")
_DEFAULT_ROLE = re.compile(r"SET DEFAULT ROLE ")
_PRIVILEGE = re.compile(r"(?P<name>[A-Z][A-Z ]*[A-Z])(?P<columns> \([^)]*\))?(?:, |$)")
_SHOWS_NO_ROW: Final = {"USAGE", "SHOW VIEW", "SHOW DATABASES"}
# By these an account sees more than tables, or holds up others; it writes nothing that lasts.
_WRITES_NOTHING: Final = {
    *("SELECT", "PROCESS", "LOCK TABLES", "CREATE TEMPORARY TABLES", "BINLOG MONITOR"),
    *("REPLICATION CLIENT", "SLAVE MONITOR", "REPLICA MONITOR"),
}


@dataclass(frozen=True)
class ReadOnlyAccount:
    name: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Power:
    """What an account may do besides reading its tables, and the statement that ends it."""

    what: str
    remedy: str = ""


@dataclass(frozen=True)
class Powers:
    """`writing` may change something, or nobody knows; `reading` only sees more than the tables."""

    account: str
    writing: Sequence[Power] = ()
    reading: Sequence[Power] = ()


def create_account(
    admin: sa.Engine, database: str, tables: Collection[str], key: str
) -> ReadOnlyAccount:
    """Create the account that may read these tables and do nothing else, or heal it.

    Its name follows from the tables and its password from `key`, a secret: whoever has that opens
    it anew, and other tables have another account. Raises StoreError for a table that is not there.
    """
    require_tables(admin, database, tables)
    account = _derive_account(database, tables, key)
    quoted = f"{quote_name(account.name)}@localhost"
    digest = hash_password(account.password)
    made = [
        _SQL[name].format(account=quoted, digest=digest)
        for name in ("create_account", "heal_account")
    ]
    grants = _write_grants(database, tables, quoted)
    run_transaction(admin, lambda c: [c.exec_driver_sql(sql) for sql in (*made, *grants)])
    return account


def require_tables(engine: sa.Engine, database: str, tables: Collection[str]) -> None:
    """Raise StoreError when the account sees no such tables."""
    wanted = {read_table_name(table, database) for table in tables}
    for name in sorted({table.database for table in wanted}):
        values = {"database": name}
        found = set(
            read_snapshot(engine, lambda c: c.execute(sa.text(_SQL["tables_of"]), values).scalars())  # noqa: B023 - called at once
        )
        if missing := sorted({t.table for t in wanted if t.database == name} - found):
            raise StoreError(
                f"The database {name} shows no table {', '.join(missing)}; it shows "
                f"{_list_near(missing, found) or 'none'}. "
                "Correct tables.include and tables.database, or let the account of tables.url read "
                "it: `kb db account` prints the SQL."
            )


def find_powers(engine: sa.Engine, database: str, tables: Collection[str]) -> Powers:
    """Find what the account of this engine may do besides reading these tables.

    What its roles may do counts, whether they are set or could be, and what everybody may.
    """
    account, grants, visible = read_snapshot(engine, _read_account)
    allowed = {read_table_name(table, database) for table in tables}
    writing: list[Power] = []
    reading: list[Power] = []
    for grant in grants:
        for power, only_reads in _judge_grant(grant, account, allowed):
            (reading if only_reads else writing).append(power)
    if others := sorted(visible - allowed):
        named = ", ".join(".".join(table) for table in others[:_MOST_NAMED])
        more = f" and {len(others) - _MOST_NAMED} more" if len(others) > _MOST_NAMED else ""
        reading.append(Power(f"sees {named}{more}"))
    return Powers(account, writing, reading)


def write_account_sql(database: str, tables: Collection[str], password: str) -> str:
    """Write the statements that make the account of tables.url, for an administrator to run."""
    account = "kb_reader@'%'"
    made = _SQL["account_of_administrator"].format(account=account, password=password)
    return "".join(f"{sql};\n" for sql in (made, *_write_grants(database, tables, account)))


def write_own_account_sql(database: str, password: str) -> str:
    """Write the statements that make an account of database.url which changes no table."""
    account = "kb_writer@'%'"
    made = _SQL["own_account"].format(account=account, password=password)
    rows = _SQL["allow_rows"].format(account=account, database=_quote_pattern(database))
    return f"{made};\n{rows};\n"


def _quote_pattern(database: str) -> str:
    """Quote the name of a database where GRANT would take it for a pattern: kb_1 is not kbx1."""
    return quote_name(re.sub(r"[\\_%]", r"\\\g<0>", database))


def _list_near(missing: Sequence[str], found: Collection[str]) -> str:
    """List a few of the tables that are there, first those whose names are like the missing."""
    near = [close for name in missing for close in get_close_matches(name, found, n=2)]
    shown = list(dict.fromkeys([*near, *sorted(found)]))[:_MOST_NAMED]
    more = len(found) - len(shown)
    return ", ".join(sorted(shown)) + (f" and {more} more" if more else "")


def _write_grants(database: str, tables: Collection[str], account: str) -> list[str]:
    names = sorted({read_table_name(table, database) for table in tables})
    return [_SQL["allow_reading"].format(table=name.quote(), account=account) for name in names]


def _read_account(connection: sa.Connection) -> tuple[str, list[str], set[TableName]]:
    """Read the name of the account, all its grants with those of its roles, and what it sees."""
    account = str(connection.scalar(sa.text(_SQL["account"])))
    rows = connection.exec_driver_sql(_SQL["visible_tables"]).all()
    grants = dict.fromkeys(connection.exec_driver_sql(_SQL["grants"]).scalars())
    given = filter(None, map(_ROLE_GRANT.match, grants))
    roles = [found["role"] for found in given if "`@`" in found["grantee"]]  # not a role's own
    try:
        for role in roles:
            connection.exec_driver_sql(_SQL["take_role"].format(role=role))
            grants |= dict.fromkeys(connection.exec_driver_sql(_SQL["grants"]).scalars())
    finally:
        if roles:
            connection.invalidate()  # its session has another role than it began with
    return account, list(grants), {TableName(row.database_name, row.table_name) for row in rows}


def _judge_grant(
    grant: str, account: str, allowed: AbstractSet[TableName]
) -> Iterator[tuple[Power, bool]]:
    """Yield what a grant allows besides reading the tables, and whether that only reads."""
    if role := _ROLE_GRANT.match(grant):
        if role["admin"]:
            remedy = f"REVOKE ADMIN OPTION FOR {role['role']} FROM {role['grantee']};"
            yield Power(f"may give its role {role['role']} to others", remedy), False
        return
    found = _GRANT.match(grant)
    if found is None:
        if not _DEFAULT_ROLE.match(grant):
            yield Power(f"has a right that kb does not know ({grant})"), False
        return
    where, grantee = f"{found['kind'] or ''}{found['where']}", found["grantee"]
    is_own = grantee.replace("`", "") == account.replace("`", "")
    of_whom = "" if is_own else f", by {grantee}"
    for only_reads, names in _sort_privileges(found, allowed):
        words = ", ".join(names)
        yield (
            Power(f"may {words} on {where}{of_whom}", f"REVOKE {words} ON {where} FROM {grantee};"),
            only_reads,
        )
    if " WITH GRANT OPTION" in grant[found.end() :]:
        remedy = f"REVOKE GRANT OPTION ON {where} FROM {grantee};"
        yield Power(f"may give its rights on {where} to others{of_whom}", remedy), False


def _sort_privileges(
    grant: re.Match[str], allowed: AbstractSet[TableName]
) -> Iterator[tuple[bool, list[str]]]:
    """Sort what a grant says besides reading the tables: what only reads or holds up, the rest."""
    is_allowed = not grant["kind"] and grant["where"] in {table.quote() for table in allowed}
    privileges = list(_PRIVILEGE.finditer(grant["what"]))
    if "".join(found[0] for found in privileges) != grant["what"]:
        yield False, [grant["what"]]
        return
    harmless = _SHOWS_NO_ROW | ({"SELECT"} if is_allowed else set())
    left = [found for found in privileges if found["name"] not in harmless]
    for only_reads in (False, True):
        names = [
            f"{found['name']}{found['columns'] or ''}"
            for found in left
            if (found["name"] in _WRITES_NOTHING) is only_reads
        ]
        if names:
            yield only_reads, names


def _derive_account(database: str, tables: Collection[str], key: str) -> ReadOnlyAccount:
    facts = "\0".join((database, *sorted(tables)))
    name = f"kb_reader_{hashlib.sha256(facts.encode()).hexdigest()[:12]}"
    return ReadOnlyAccount(name, hmac.new(key.encode(), name.encode(), "sha256").hexdigest())
