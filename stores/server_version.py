"""The versions of MariaDB that kb works with."""

import re
from typing import Final

MINIMUM_VERSION: Final = (11, 8)  # the first that is kept for long and has the type VECTOR
MINIMUM_OF_TABLES: Final = (10, 6)  # of the server that holds tables alone

_SERIES = re.compile(r"(?:5\.5\.5-)?(\d+)\.(\d+)")


def read_series(version: str) -> tuple[int, int] | None:
    """Read the series of what a server says of itself: 11.8; None of one that is no MariaDB."""
    numbers = _SERIES.match(version)
    if numbers is None or "mariadb" not in version.lower():
        return None
    return int(numbers[1]), int(numbers[2])


def join_version(version: tuple[int, ...]) -> str:
    """Write a version with dots."""
    return ".".join(map(str, version))
