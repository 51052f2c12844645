"""Printing JSON on standard output, for other programs."""

import json
import re
import sys
from datetime import UTC, datetime
from typing import Any

# What would act on a terminal, and JSON leaves as it is: it stands in texts alone.
_UNSEEN = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def print_json(value: Any, indent: int | None = 2) -> None:
    """Print one JSON value on standard output, in UTF-8 whatever the locale."""
    text = json.dumps(value, ensure_ascii=False, indent=indent, default=_encode_other_value)
    text = _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace") + b"\n")
    sys.stdout.buffer.flush()


def _encode_other_value(value: object) -> str:
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC).isoformat(timespec="seconds")
    return str(value)
