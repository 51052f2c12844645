"""SQL as files: every statement a named block, with one sentence of purpose."""

import re
from functools import cache
from importlib import resources

_BLOCK = re.compile(r"^-- (?P<name>\w+) --$", re.MULTILINE)


@cache
def statements(file: str) -> dict[str, str]:
    """Name -> statement for the `-- name --` blocks of one file of this folder."""
    text = resources.files(__name__).joinpath(file).read_text(encoding="utf-8")
    parts = _BLOCK.split(text)[1:]
    return {
        name: "\n".join(line for line in body.splitlines() if not line.startswith("--"))
        .strip()
        .rstrip(";")
        for name, body in zip(parts[::2], parts[1::2], strict=True)
    }
