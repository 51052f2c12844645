"""Everything that speaks SQL about kb's own tables; usable alone."""

from typing import TYPE_CHECKING, Any

import stores.telemetry  # noqa: F401 - before anything that it is about
from stores.errors import (
    CollectionMismatch,
    InvalidVector,
    KBError,
    RootConflict,
    StoreError,
    StoreUnavailable,
    TurnUnderWay,
    UnsupportedFilter,
    UnsupportedServer,
)

if TYPE_CHECKING:
    from stores.chunks.vector_store import MariaDBVectorStore
    from stores.connection import make_engine

__all__ = [
    "CollectionMismatch",
    "InvalidVector",
    "KBError",
    "MariaDBVectorStore",
    "RootConflict",
    "StoreError",
    "StoreUnavailable",
    "TurnUnderWay",
    "UnsupportedFilter",
    "UnsupportedServer",
    "make_engine",
]


def __getattr__(name: str) -> Any:
    """LlamaIndex takes a second to import; the errors and the file readers do without it."""
    if name == "MariaDBVectorStore":
        from stores.chunks.vector_store import MariaDBVectorStore  # noqa: PLC0415 - see above

        return MariaDBVectorStore
    if name == "make_engine":
        from stores.connection import make_engine  # noqa: PLC0415 - see above

        return make_engine
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
