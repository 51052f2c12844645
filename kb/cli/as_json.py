"""JSON on standard output, for other programs."""

import json
import sys
from datetime import UTC, datetime
from typing import Any


def print_json(value: Any, indent: int | None = 2) -> None:
    """One JSON value on standard output, in UTF-8 whatever the locale."""
    text = json.dumps(value, ensure_ascii=False, indent=indent, default=_plain)
    sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace") + b"\n")
    sys.stdout.buffer.flush()


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC).isoformat(timespec="seconds")
    return str(value)
