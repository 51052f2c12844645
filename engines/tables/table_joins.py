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


def table_joins(tables: Collection[sa.Table]) -> Joins:
    joins: dict[str, set[str]] = {table.name: set() for table in tables}
    for table, other in combinations(tables, 2):
        if _are_joined(table, other):
            joins[table.name].add(other.name)
            joins[other.name].add(table.name)
    return joins


def between(
    table: str, chosen: AbstractSet[str], joins: Joins, scores: Mapping[str, float]
) -> tuple[str, ...]:
    """At most two tables over which `table` is joined with a chosen one, the likeliest by scores.

    None where it is joined without them, or not at all.
    """
    if joins[table] & chosen:
        return ()
    near = sorted(joins[table])
    ways: list[tuple[str, ...]] = [(each,) for each in near if joins[each] & chosen]
    ways += [
        (each, further)
        for each in near
        for further in sorted(joins[each] - {table})
        if joins[further] & chosen
    ]
    highest = max(scores.values()) or 1
    return min(ways, key=lambda way: sum(2 - scores[each] / highest for each in way), default=())


def _are_joined(table: sa.Table, other: sa.Table) -> bool:
    return (
        _refers(table, other)
        or _refers(other, table)
        or any(
            _KEY.fullmatch(column.name) for column in table.columns if column.name in other.columns
        )
    )


def _refers(table: sa.Table, other: sa.Table) -> bool:
    """By a foreign key, or by a column with the name of the other's key."""
    if any(key.target_fullname.split(".")[-2] == other.name for key in table.foreign_keys):
        return True
    keys = other.primary_key.columns.keys()
    return len(keys) == 1 and keys[0] != "id" and keys[0] in table.columns
