"""Check the business tables: what their account may do, and whether verified queries run."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import sqlalchemy as sa

from kb.assembly.business_tables import (
    advise_on_writing,
    connect_to_tables,
    describe_powers,
    find_account_powers,
    make_guarded_database,
)
from kb.config.sections import Config
from kb.doctor.check import Check
from kb.doctor.server import check_encryption, explain_refusal
from kb.verified_query_file import find_failures, read_verified_queries
from stores.errors import KBError
from stores.text.translations import Message


def check_tables(config: Config) -> Iterator[Check]:
    """Check whether the account that runs SQL of a model can only read, and only the tables."""
    name = Message("Tables")
    try:
        engine = connect_to_tables(config)
        powers = find_account_powers(config, engine)
    except KBError as error:
        yield explain_refusal(name, error, config.tables.url)
        return
    yield from check_encryption(engine, "tables.url")
    account = engine.url.username
    if powers.writing:
        state: Literal["warn", "fail"] = "warn" if config.tables.allow_powerful_account else "fail"
        seen = f"{powers.account} {describe_powers([*powers.writing, *powers.reading])}"
        yield Check(name, state, seen, advise_on_writing(powers))
    elif powers.reading:
        seen = f"{powers.account} {describe_powers(powers.reading)}"
        wider = Message(
            "kb asks tables.include alone, but the account would not hinder it. `kb db account` "
            "prints the SQL of an account for these alone."
        )
        yield Check(name, "warn", seen, wider)
    else:
        tables = ", ".join(config.tables.include)
        seen = Message("{account} only reads {tables}", account=account, tables=tables)
        yield Check(name, "ok", seen)
    if file := config.tables.verified_queries:
        yield _check_verified_queries(config, file, engine)
    engine.dispose()


def _check_verified_queries(config: Config, file: Path, engine: sa.Engine) -> Check:
    """Check whether the verified queries of the file still run."""
    name = Message("Verified queries")
    try:
        queries = read_verified_queries(file)
        failures = find_failures(queries, make_guarded_database(config, engine).run)
    except KBError as error:
        return Check(name, "fail", str(error))
    if not failures:
        return Check(name, "ok", Message("all {n} of {file} run", n=len(queries), file=file))
    seen = "; ".join(f"{query}: {reason}" for query, reason in failures.items())
    advice = Message("Correct them in {file}, or take them out.", file=file)
    return Check(name, "warn", seen, advice)
