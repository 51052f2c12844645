"""Values as JSON tells them: times in UTC, and nothing of this machine in what errors say."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

_PLACES: Final = re.compile(
    r" (?:to|for) user '[^']*'@'[^']*'| at \S*[/:]\S*|\w+://\S+"
    r"|(?<![\w./])/(?:[\w.@~-]+/)+[\w.@~-]*"
)
_WORDS: Final = ("reason", "route_reason", "error", "errors")


def without_places(text: str) -> str:
    """Without the accounts, sockets and directories of this machine."""
    return _PLACES.sub("", text)


def plain(value: Any) -> Any:
    """What the server tells of a value: the words of errors without places, naive times in UTC."""
    match value:
        case Mapping():
            return {
                name: _told(each) if name in _WORDS else plain(each) for name, each in value.items()
            }
        case list() | tuple():
            return [plain(each) for each in value]
        case datetime() if value.tzinfo is None:
            return value.replace(tzinfo=UTC)
    return value


def _told(value: Any) -> Any:
    match value:
        case str():
            return without_places(value)
        case Mapping():
            return {name: _told(each) for name, each in value.items()}
    return plain(value)
