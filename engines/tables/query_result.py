"""What a statement on the business tables gave: typed rows, and the same rows as JSON."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, TypeAlias

from stores.values import Value


@dataclass(frozen=True)
class QueryResult:
    """Rows as the driver types them: Decimal, date, datetime; `truncated` when there were more.

    `as_of` says when they were read, of rows that were kept; None: just now.
    """

    columns: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]
    truncated: bool = False
    as_of: datetime | None = None


# Executes a statement with named parameters, which are bound.
Run: TypeAlias = Callable[[str, Mapping[str, Value]], QueryResult]


def as_json(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """Return cells as JSON keeps them without loss: decimals and dates as text, bytes in hex."""
    return [[cell_as_json(cell) for cell in row] for row in rows]


def cell_as_json(cell: Any) -> Any:
    """Return a cell as `as_json` does."""
    match cell:
        case None | bool() | int() | float() | str():
            return cell
        case date() | time():
            return cell.isoformat()
        case bytes():
            return cell.hex()
    return str(cell)
