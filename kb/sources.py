"""The sources that a question can be put to."""

from typing import Literal, get_args

from stores.errors import ConfigError

Source = Literal["auto", "documents", "database", "both"]
_REASONS = {
    "auto": "documents are searched unless another source is asked for",
    "documents": "documents were asked for",
    "database": "the database was asked for",
}


def route_reason(source: Source) -> str:
    """Why a question goes where it goes. Raises ConfigError for what is no source."""
    if source not in get_args(Source):
        raise ConfigError(
            f"There is no source {source!r}; there are {', '.join(get_args(Source))}."
        )
    if source == "both":
        raise ConfigError(
            "The source 'both' is not available yet; `documents`, `database` and `auto` are."
        )
    return _REASONS[source]
