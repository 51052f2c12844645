"""The versions of MariaDB that kb works with."""

from typing import Final

MINIMUM_VERSION: Final = (11, 8)  # the first that is kept for long and has the type VECTOR
