"""What the configuration says about reading files."""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:  # the child that reads files needs no configuration
    from kb.config.asking import DocumentsConfig


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

    @classmethod
    def from_config(cls, documents: "DocumentsConfig") -> Self:
        return cls(
            max_file=documents.max_file_mb * 1_000_000,
            max_parted_file=documents.max_parted_file_mb * 1_000_000,
            hidden_sheets=documents.hidden_sheets,
        )


READING: Final = ContextVar("reading", default=ReadingOptions())  # noqa: B039 - it is frozen
"""Set where a run begins, and in the child that reads its files."""
