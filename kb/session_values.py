"""Chat sessions as JSON tells them."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from stores.chats.session_list import SessionInfo


def info_values(info: SessionInfo) -> dict[str, Any]:
    """Return a session of what JSON knows; what a search found only when one was made."""
    values = asdict(info)
    if info.excerpt is None:
        del values["excerpt"]
    return write_times_in_utc(values)


def write_times_in_utc(values: Mapping[str, Any]) -> dict[str, Any]:
    """Write the times among some values, which the database keeps in UTC."""
    return {
        name: value.replace(tzinfo=UTC).isoformat() if isinstance(value, datetime) else value
        for name, value in values.items()
    }
