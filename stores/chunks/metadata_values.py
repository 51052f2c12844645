"""What the metadata of chunks hold: which keys, which values, between which ends."""

import json
from collections import defaultdict
from typing import Any

from stores.chunks.ranked_search import Search
from stores.chunks.where import to_json_path


def list_values(
    search: Search, key: str, *, within: str = "", offset: int = 0, limit: int
) -> tuple[list[Any], int]:
    """List the different values of a key that hold a text in any case, and count them all.

    Numbers, strings and truth values of the same text are different; null is none.
    """
    asked = {"path": to_json_path(key), "within": within}
    rows = search.run("values", asked | {"offset": offset}, limit=limit)
    values = [json.loads(row.value) for row in rows]
    return values, _count(search, asked)


def count_values(search: Search, key: str) -> int:
    """Count the different values of a key."""
    return _count(search, {"path": to_json_path(key), "within": ""})


def find_extremes(search: Search, key: str) -> tuple[Any, Any]:
    """Find the least and the greatest value of a key; None where numbers and strings are mixed."""
    [row] = search.run("extremes", {"path": to_json_path(key)})
    numbers, strings = (row.least, row.greatest), (row.first, row.last)
    if numbers[0] is not None and strings[0] is not None:
        return None, None
    return strings if numbers[0] is None else numbers


def list_keys(search: Search) -> dict[str, set[str]]:
    """List the keys at the top of the metadata, with the types that JSON has for their values."""
    types: dict[str, set[str]] = defaultdict(set)
    for row in search.run("keys"):
        types[row.name].add(row.type)
    return dict(types)


def _count(search: Search, asked: dict[str, Any]) -> int:
    [row] = search.run("count_values", asked)
    return int(row[0])
