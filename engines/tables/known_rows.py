"""Rows of the business tables that were read before, with the moment at which they were."""

from datetime import datetime

from engines.tables.query_result import QueryResult
from stores import typed_json
from stores.caches.cache import Cache


def read_rows(cache: Cache, key: bytes) -> QueryResult | None:
    """Read what a statement gave before; None when that is not kept any more."""
    kept = cache.find(key)
    if kept is None:
        return None
    columns, rows, truncated, as_of = typed_json.loads(kept.decode())
    return QueryResult(tuple(columns), list(map(tuple, rows)), truncated, as_of)


def keep_rows(cache: Cache, key: bytes, result: QueryResult, as_of: datetime) -> None:
    """Keep what a statement gave that began then, where it can be written without loss."""
    rows = list(map(list, result.rows))
    written = typed_json.dumps([result.columns, rows, result.truncated, as_of])
    if typed_json.loads(written)[1] == rows:
        cache.keep(key, written.encode())
