"""How tables are joined: by foreign keys, and by columns of the same name that are keys."""

import re
from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from itertools import combinations
from typing import TypeAlias

import sqlalchemy as sa

Joins: TypeAlias = Mapping[str, AbstractSet[str]]
"""By table, those that it can be joined with."""

_KEY = re.compile(r"\w+_id|\w*[a-z]I[dD]|\wid")


def find_joins(tables: Collection[sa.Table]) -> Joins:
    """Find which of the tables can be joined with which."""
    joins: dict[str, set[str]] = {table.key: set() for table in tables}
    for table, other in combinations(tables, 2):
        if _are_joined(table, other):
            joins[table.key].add(other.key)
            joins[other.key].add(table.key)
    return joins


def find_joining_tables(
    table: str, chosen: AbstractSet[str], joins: Joins, scores: Mapping[str, float]
) -> tuple[str, ...]:
    """Find at most two tables over which `table` is joined with a chosen one, the likeliest ones.

    There are none where it is joined without them, or not at all.
    """
    if joins[table] & chosen:
        return ()
    near = sorted(joins[table])
    ways: list[tuple[str, ...]] = [
        (near_table,) for near_table in near if joins[near_table] & chosen
    ]
    ways += [
        (near_table, further)
        for near_table in near
        for further in sorted(joins[near_table] - {table})
        if joins[further] & chosen
    ]
    highest = max(scores.values()) or 1
    return min(ways, key=lambda way: sum(2 - scores[name] / highest for name in way), default=())


def _are_joined(table: sa.Table, other: sa.Table) -> bool:
    return (
        _refers_to(table, other)
        or _refers_to(other, table)
        or any(
            _KEY.fullmatch(column.name) for column in table.columns if column.name in other.columns
        )
    )


def _refers_to(table: sa.Table, other: sa.Table) -> bool:
    """Whether a table has a foreign key of the other, or a column with the name of its key."""
    if any(key.target_fullname.split(".")[-2] == other.name for key in table.foreign_keys):
        return True
    keys = other.primary_key.columns.keys()
    return len(keys) == 1 and keys[0] != "id" and keys[0] in table.columns
