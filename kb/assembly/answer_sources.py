"""The sources that a question can be put to."""

from typing import Literal, get_args

from stores.errors import ConfigError

Source = Literal["auto", "documents", "database", "both"]


def require_source(source: str) -> None:
    """Raises ConfigError for what is no source."""
    if source not in get_args(Source):
        raise ConfigError(
            f"There is no source {source!r}; there are {', '.join(get_args(Source))}."
        )
