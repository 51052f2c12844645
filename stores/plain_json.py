"""Metadata as JSON that any reader knows, whatever types a program has put into them."""

import json
from typing import Any

from pydantic_core import to_jsonable_python


def write_plain_json(value: Any, *, sort_keys: bool = False) -> str:
    """Write JSON; dates, UUIDs, paths, decimals, bytes and sets as LlamaIndex's own stores do.

    Sets come in one order, so that what is the same is written alike. Raises TypeError, ValueError
    and RecursionError for what has no JSON, as NaN.
    """
    return json.dumps(
        value, ensure_ascii=False, allow_nan=False, sort_keys=sort_keys, default=_to_plain
    )


def _to_plain(value: Any) -> Any:
    plain = to_jsonable_python(value)
    return sorted(plain, key=str) if isinstance(value, set | frozenset) else plain
