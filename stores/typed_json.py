"""JSON that keeps what a database's cells and an answer's evidence are made of."""

import json
import math
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from numbers import Real
from typing import Any

from stores.text.surrogates import replace_lone_surrogates


def dumps(value: object) -> str:
    """Any value: what JSON has no type for is an object of one key, its type, or else its text.

    A mapping that would be taken for one is written as the object `mapping` of its key and value.
    """
    return json.dumps(_to_json(value), ensure_ascii=False)


def loads(text: str) -> Any:
    """What was written by `dumps`; tuples come back as lists, and keys as text."""
    return json.loads(text, object_hook=_from_json)


def _to_json(value: object) -> Any:
    match value:
        case None | bool() | int():
            return value
        case Mapping():
            return _write_mapping(
                {replace_lone_surrogates(str(key)): _to_json(each) for key, each in value.items()}
            )
        case list() | tuple() | set() | frozenset():
            return [_to_json(each) for each in value]
        case Real() if math.isfinite(value):
            return float(value)
        case _:
            return _write_typed(value)


def _write_mapping(written: dict[str, Any]) -> Any:
    if len(written) == 1 and (written.keys() & _READ.keys() or _MAPPING in written):
        return {_MAPPING: next(iter(written.items()))}
    return written


def _write_typed(value: object) -> Any:
    for name, kind, written, _ in _TYPES:
        if isinstance(value, kind):
            return {name: written(value)}
    return replace_lone_surrogates(str(value))


# A datetime is a date too, so it comes first.
_TYPES: tuple[tuple[str, type, Callable[[Any], Any], Callable[[Any], Any]], ...] = (
    ("decimal", Decimal, str, Decimal),
    ("datetime", datetime, datetime.isoformat, datetime.fromisoformat),
    ("date", date, date.isoformat, date.fromisoformat),
    ("time", time, time.isoformat, time.fromisoformat),
    ("seconds", timedelta, timedelta.total_seconds, lambda seconds: timedelta(seconds=seconds)),
    ("bytes", bytes, bytes.hex, bytes.fromhex),
    ("float", Real, str, float),
)
_READ = {name: read for name, _, _, read in _TYPES}
_MAPPING = "mapping"


def _from_json(found: dict[str, Any]) -> Any:
    """An object of one key that is no type of ours, or holds none, stays what it is."""
    if len(found) == 1:
        [(name, written)] = found.items()
        try:
            if name == _MAPPING:
                return dict([written])
            return _READ[name](written)
        except (KeyError, TypeError, ValueError, ArithmeticError):
            return found
    return found
