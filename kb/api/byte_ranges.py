"""Which bytes of a file a request asks for (RFC 9110, 14): one range of them, or all."""

import re
from typing import Final

from starlette.datastructures import Headers

from kb.api.problem_codes import Code
from kb.api.problems import Problem

_ONE: Final = re.compile(r"bytes=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.ASCII | re.IGNORECASE)


def find_range(headers: Headers, size: int, etag: str) -> range | None:
    """Find the positions that are asked for; None for all, as of several ranges or another file.

    Raises Problem for a range beyond the end.
    """
    asked = _ONE.fullmatch(headers.get("range", ""))
    if asked is None or not any(asked.groups()) or headers.get("if-range", etag) != etag:
        return None
    first, last = asked.groups()
    if first and last and int(last) < int(first):
        return None
    start = int(first) if first else max(0, size - int(last))
    stop = min(int(last) + 1, size) if first and last else size
    if start >= size:
        raise Problem(
            Code.RANGE_BEYOND_END, {"bytes": size}, headers={"Content-Range": f"bytes */{size}"}
        )
    return range(start, stop)
