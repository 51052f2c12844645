"""Values as JSON tells them: times in UTC, and nothing of this machine in what errors say."""

import re
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from stores.jobs import Job

_PLACES: Final = re.compile(
    r" (?:to|for) user '[^']*'@'[^']*'|(?<= account) \S+@\S+(?= of tables)"
    r"| FROM `[^`]*`(?:@`[^`]*`)?|, by (?:`[^`]*`|PUBLIC)| at \S*[/:]\S*|\w+://\S+"
    r"|(?<![\w./])/(?:[\w.@~-]+/)+[\w.@~-]*"
)
_WORDS: Final = ("reason", "route_reason", "error", "errors")


def without_places(text: str) -> str:
    """Return a text without the accounts, sockets and directories of this machine."""
    return _PLACES.sub("", text)


def to_plain(value: Any) -> Any:
    """Return what the server tells of a value: errors without places, naive times in UTC."""
    match value:
        case Mapping():
            return {
                name: _to_plain_words(item) if name in _WORDS else to_plain(item)
                for name, item in value.items()
            }
        case list() | tuple():
            return [to_plain(item) for item in value]
        case datetime() if value.tzinfo is None:
            return value.replace(tzinfo=UTC)
    return value


def _to_plain_words(value: Any) -> Any:
    match value:
        case str():
            return without_places(value)
        case Mapping():
            return {name: _to_plain_words(item) for name, item in value.items()}
    return to_plain(value)


def job_values(job: Job) -> dict[str, Any]:
    """Return a job with the name of what is indexed, and not where it is on this machine."""
    values: dict[str, Any] = to_plain({**asdict(job), "path": job.root or Path(job.path).name})
    del values["seen_by"]
    return values
