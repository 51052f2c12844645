"""Everything that speaks SQL about kb's own tables; usable alone."""

from stores.connection import make_engine
from stores.errors import (
    CollectionMismatch,
    InvalidVector,
    KBError,
    RootConflict,
    StoreError,
    StoreUnavailable,
    UnsupportedFilter,
    UnsupportedServer,
)
from stores.vector_store import MariaDBVectorStore

__all__ = [
    "CollectionMismatch",
    "InvalidVector",
    "KBError",
    "MariaDBVectorStore",
    "RootConflict",
    "StoreError",
    "StoreUnavailable",
    "UnsupportedFilter",
    "UnsupportedServer",
    "make_engine",
]
