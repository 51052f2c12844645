"""Mutants of statements, with the server as the judge of what those that pass the guard read.

`make fuzz FUZZ_SECONDS=600 FUZZ_SEED=1` runs it; no test run does by itself. A finding prints its
statement, and the seed that leads there again.
"""

import os
import random
import re
import time
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

import pytest
import sqlalchemy as sa
from test_sql_guard import ALLOWED, REFUSED

from engines.tables.guarded_database import GuardedDatabase
from engines.tables.sql_guard import check_statement
from stores.binding import write_literals
from stores.connection import make_engine, read_error_number
from stores.errors import QueryFailed, TookTooLong, UnsafeQuery
from stores.sql_tokens import tokenize_sql

SECONDS = float(os.environ.get("FUZZ_SECONDS", "120"))
SEED = int(os.environ.get("FUZZ_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
MUTANTS = int(os.environ.get("FUZZ_MUTANTS", "200000"))
SCHEMA = """
CREATE TABLE customers (id INT PRIMARY KEY, customer_id INT, name VARCHAR(40));
CREATE TABLE orders (order_id INT PRIMARY KEY, id INT, customer_id INT, total DECIMAL(8,2),
  status VARCHAR(40), ordered_at DATETIME, a VARCHAR(40), b VARCHAR(40), INDEX `by day` (id));
CREATE TABLE order_items (order_id INT, id INT, quantity INT);
CREATE TABLE secrets (id INT PRIMARY KEY, secret VARCHAR(40));
INSERT INTO customers VALUES (1, 1, 'Ana'), (2, 2, 'Bo');
INSERT INTO orders VALUES (1, 1, 1, 9.90, 'new', '2026-01-31', '[1]', 'b'),
  (2, 2, 2, 5, 'sent', NULL, '{"b": 2}', NULL);
INSERT INTO order_items VALUES (1, 1, 3), (2, 2, 4);
INSERT INTO secrets VALUES (1, 'canary')"""
TABLES = ["customers", "orders", "order_items"]
FOREIGN = re.compile(
    r"`(?:information_schema|mysql|performance_schema|sys)`\.`|`test_\w+`\.`secrets`(?!\.)|canary"
)
PIECES = [
    piece
    for line in (
        "FROM , secrets information_schema.system_variables mysql.user SELECT secret UNION ALL",
        "1e5 1e5FROM 1. .5 0x41 b'1' x'41' N'a' _utf8mb4'a' '' \"\" `a` `secrets` `` ' \" \\ \\'",
        "-- # /* */ /**/ /*! /*M! /*+ ( ) ; . .. * = := :x ? @a @@version { } LATERAL (p0)",
        "FOR UPDATE PARTITION SYSTEM_TIME NEXT VALUE PREVIOUS OFFSET FETCH LIMIT ROWS EXAMINED",
        "ANALYSE(1) INTO OUTFILE TABLE VALUES WITH RECURSIVE AS ON USING JOIN STRAIGHT_JOIN",
        "NATURAL CROSS LEFT OUTER EXCEPT INTERSECT EXISTS IN ANY INTERVAL DAY EXTRACT(YEAR TRIM(",
        "JSON_TABLE( CONVERT( MATCH( AGAINST CASE WHEN END DUAL dual USE FORCE IGNORE INDEX KEY",
        "COLLATE BINARY DATE NOT NULL IS DISTINCT OVER WINDOW ROLLUP HIGH_PRIORITY SQL_NO_CACHE",
        "SQL_CALC_FOUND_ROWS DISTINCTROW SLEEP(1) USER() LEFT( MID( \u00a0 \u2003 é ٣ ²",
    )
    for piece in line.split(" ")
]


@pytest.fixture
def tables(engine: sa.Engine) -> sa.Engine:
    with engine.begin() as connection:
        for statement in SCHEMA.split(";\n"):
            connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
    return engine


@pytest.mark.timeout(SECONDS + 300)
@pytest.mark.parametrize("driver", ["mariadbconnector", "pymysql"])
def test_no_mutant_that_passes_reads_writes_or_holds_what_it_may_not(database, tables, driver):
    print(f"\nFUZZ_SEED={SEED} {driver}")
    chance = random.Random(f"{SEED} {driver}")
    asked = make_engine(database.set(drivername=f"mariadb+{driver}"), socket_timeout=5)
    guarded = GuardedDatabase(asked, TABLES, timeout=0.5, show_values=False)
    seen, before = Counter[str](), checksum(tables)
    end = time.monotonic() + SECONDS / 2
    for sql in mutants(chance):
        if time.monotonic() > end or seen["mutants"] >= MUTANTS / 2:
            break
        seen["mutants"] += 1
        try:
            check_statement(sql, TABLES, database.database)
        except UnsafeQuery:
            continue
        seen["passed"] += 1
        seen["ran"] += judge(sql, guarded, tables)
        seen["bound"] += judge_binding(sql, guarded, chance)
    asked.dispose()
    print(dict(seen))
    assert checksum(tables) == before
    assert seen["ran"] > seen["mutants"] / 1000, "too few mutants run for a verdict"


def judge(sql: str, guarded: GuardedDatabase, powerful: sa.Engine) -> bool:
    """Run it with an account that may do everything: whatever it reads or writes shows."""
    with powerful.connect() as connection:
        try:
            explained = re.sub(
                r"\A\s*EXPLAIN\b(?:\s+(?:EXTENDED|FORMAT\s*=\s*JSON))?",
                "",
                sql,
                flags=re.IGNORECASE,
            )
            run_plain(connection, f"EXPLAIN EXTENDED {explained}")
            notes = str(run_plain(connection, "SHOW WARNINGS"))
        except sa.exc.DBAPIError:
            return False
    assert not FOREIGN.search(notes), f"reads more than it may: {sql!r}\n{notes}"
    begin = time.monotonic()
    try:
        found = guarded.run(sql)
    except TookTooLong:
        assert time.monotonic() - begin < 3, f"could not be stopped: {sql!r}"
        return True
    except QueryFailed as error:
        refused = str(error)
        number = read_error_number(getattr(error.__cause__, "orig", None))
    else:
        assert "canary" not in str(found.rows), f"reads secrets: {sql!r}"
        return True
    assert number not in {1792, 1044, 1142, 1143}, f"does more than read: {sql!r} {refused}"
    return False


def judge_binding(sql: str, guarded: GuardedDatabase, chance: random.Random) -> bool:
    """A bound value means what it means as a literal, whatever stands around it."""
    tokens = list(tokenize_sql(sql))
    kinds = [token.kind for token in tokens if token.kind != "space"]
    texts = [place for place, token in enumerate(tokens) if token.kind == "text"]
    # Texts side by side are one text, and a value beside a text has that for its alias.
    if not texts or "comment" in kinds or ("text", "text") in pairwise(kinds):
        return False
    place = chance.choice(texts)
    named = "".join(":x" if i == place else token.text for i, token in enumerate(tokens))
    value = "".join(chance.choices("ab'\"\\`?%#-/*;:,() \n\0é😀", k=chance.randrange(8)))
    outcomes = []
    for statement, values in ((named, {"x": value}), (write_literals(named, {"x": value}), {})):
        try:
            outcomes.append(guarded.run(statement, values).rows)
        except (UnsafeQuery, QueryFailed):
            return False
    assert RANDOM.search(sql) or outcomes[0] == outcomes[1], f"{named!r} {value!r}: {outcomes}"
    return True


RANDOM = re.compile(r"RAND|NOW|SYSDATE|UUID|CURRENT|UTC|LOCALTIME|CURTIME", re.IGNORECASE)


def mutants(chance: random.Random) -> Iterator[str]:
    seeds = [*ALLOWED, *(sql for statements in REFUSED.values() for sql in statements)]
    seeds = [sql for sql in seeds if len(sql) < 500]
    while True:
        sql = chance.choice(seeds)
        for _ in range(chance.choice((1, 1, 2, 2, 3, 5))):
            sql = mutated(sql, chance, seeds)
        yield sql


def mutated(sql: str, chance: random.Random, seeds: list[str]) -> str:
    parts = [token.text for token in tokenize_sql(sql)] or [" "]
    place = chance.randrange(len(parts))
    match chance.randrange(9):
        case 0:
            parts.insert(place, chance.choice(PIECES))
        case 1:
            parts.insert(place, f" {chance.choice(PIECES)} ")
        case 2:
            del parts[place]
        case 3:
            parts[place] = chance.choice(PIECES)
        case 4:
            other = chance.randrange(len(parts))
            parts[place], parts[other] = parts[other], parts[place]
        case 5:
            parts.insert(place, parts[chance.randrange(len(parts))])
        case 6:
            spaces = [i for i, part in enumerate(parts) if part.isspace()] or [place]
            parts[chance.choice(spaces)] = chance.choice(("", "", "/**/", "\n", "--\n", "\t"))
        case 7:
            text = "".join(parts)
            at = chance.randrange(len(text) + 1)
            return (
                text[:at]
                + chance.choice(("", *"'\"`\\.,-1e(){}@ \n"))
                + text[at + chance.randrange(2) :]
            )
        case _:
            other_parts = [token.text for token in tokenize_sql(chance.choice(seeds))]
            return "".join(parts[:place] + other_parts[chance.randrange(len(other_parts) or 1) :])
    return "".join(parts)


def run_plain(connection: sa.Connection, sql: str) -> list[tuple]:
    result = connection.exec_driver_sql(sql, execution_options={"no_parameters": True})
    return [tuple(row) for row in result] if result.returns_rows else []


def checksum(engine: sa.Engine) -> list[tuple]:
    with engine.connect() as connection:
        return run_plain(connection, "CHECKSUM TABLE customers, orders, order_items, secrets")
