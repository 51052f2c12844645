"""What a worker tells of a batch, as it is stored as JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self


@dataclass(frozen=True)
class BatchReport:
    """`written` are (path, is new) of documents, of `chunks`; `embedded` counts their embeddings.

    `failures` are (path, reason, hash of the content if it will not be read ever). `inner` are
    (path, reason) of what is inside of files. `vanished` are paths of files that were gone when
    they were to be read. `error` says why the run cannot go on.
    """

    written: list[tuple[str, bool]] = field(default_factory=list)
    chunks: int = 0
    embedded: int = 0
    failures: list[tuple[str, str, str | None]] = field(default_factory=list)
    inner: list[tuple[str, str]] = field(default_factory=list)
    vanished: list[str] = field(default_factory=list)
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        return cls(**values)
