"""Ask your documents and your database, in one MariaDB."""

from typing import TYPE_CHECKING, Any

from stores.errors import (
    BudgetSpent,
    CollectionMismatch,
    ConfigError,
    EngineError,
    InvalidVector,
    KBError,
    ModelUnavailable,
    QueryFailed,
    RootConflict,
    StoreError,
    StoreUnavailable,
    TookTooLong,
    TurnUnderWay,
    UnsafeQuery,
    UnsupportedFilter,
    UnsupportedServer,
)

if TYPE_CHECKING:
    from kb.app import KnowledgeBase
    from kb.backups import restore
    from kb.config.loading import load_config
    from kb.config.sections import Config
    from kb.indexing.report import IndexReport

    __version__: str

__all__ = [
    "BudgetSpent",
    "CollectionMismatch",
    "Config",
    "ConfigError",
    "EngineError",
    "IndexReport",
    "InvalidVector",
    "KBError",
    "KnowledgeBase",
    "ModelUnavailable",
    "QueryFailed",
    "RootConflict",
    "StoreError",
    "StoreUnavailable",
    "TookTooLong",
    "TurnUnderWay",
    "UnsafeQuery",
    "UnsupportedFilter",
    "UnsupportedServer",
    "__version__",
    "load_config",
    "restore",
]


def __getattr__(name: str) -> Any:
    """LlamaIndex takes seconds to import; `kb --help` and the file readers do without."""
    match name:
        case "KnowledgeBase":
            from kb.app import KnowledgeBase  # noqa: PLC0415 - see above

            return KnowledgeBase
        case "Config":
            from kb.config.sections import Config  # noqa: PLC0415 - see above

            return Config
        case "load_config":
            from kb.config.loading import load_config  # noqa: PLC0415 - see above

            return load_config
        case "IndexReport":
            from kb.indexing.report import IndexReport  # noqa: PLC0415 - see above

            return IndexReport
        case "restore":
            from kb.backups import restore  # noqa: PLC0415 - see above

            return restore
        case "__version__":
            from importlib.metadata import version  # noqa: PLC0415 - see above

            return version("mariadb-kb")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
