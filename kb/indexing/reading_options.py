"""What the configuration says about reading files."""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class ReadingOptions:
    """Which files are read and what of them, the same for all files of a run."""

    max_file: int = 200_000_000
    """Bytes of a file that is read at once."""
    max_parted_file: int = 2_000_000_000
    """Bytes of one that is read by parts."""
    most_at_once: int = 16_000_000
    """Bytes of a file that is read at once though its format can be read by parts."""
    part: int = 4_000_000
    """Bytes of a part, unless what must stay together is longer."""
    part_pages: int = 500
    hidden_sheets: bool = False
    """Whether the hidden sheets of workbooks are read."""


READING: Final = ContextVar("reading", default=ReadingOptions())  # noqa: B039 - it is frozen
"""Set where a run begins, and in the child that reads its files."""
