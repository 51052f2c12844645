"""Values as JSON tells them: times in UTC, and nothing of this machine in what errors say."""

from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from engines.visible_text import hide_places
from stores.jobs import Job

_WORDS: Final = ("reason", "route_reason", "error", "errors")
T = TypeVar("T")


def to_plain(value: T) -> T:
    """Return what the server tells of a value: errors without places, naive times in UTC."""
    return cast("T", _to_plain(value))


def _to_plain(value: Any) -> Any:
    match value:
        case Mapping():
            return {name: _to_plain_part(name, item) for name, item in value.items()}
        case list() | tuple():
            return [_to_plain(item) for item in value]
        case datetime() if value.tzinfo is None:
            return value.replace(tzinfo=UTC)
    if is_dataclass(value) and not isinstance(value, type):
        names = [part.name for part in fields(value)]
        return replace(
            value, **{name: _to_plain_part(name, getattr(value, name)) for name in names}
        )
    return value


def _to_plain_part(name: str, value: Any) -> Any:
    return _to_plain_words(value) if name in _WORDS else _to_plain(value)


def _to_plain_words(value: Any) -> Any:
    match value:
        case str():
            return hide_places(value)
        case Mapping():
            return {name: _to_plain_words(item) for name, item in value.items()}
    return _to_plain(value)


def job_to_values(job: Job) -> dict[str, Any]:
    """Return a job with the name of what is indexed, and not where it is on this machine."""
    values: dict[str, Any] = to_plain({**asdict(job), "path": job.root or Path(job.path).name})
    del values["seen_by"]
    return values
