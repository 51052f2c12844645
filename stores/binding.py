"""SQL with named parameters: which they are, and the statement that binds them."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

# Strings, quoted names and comments are skipped: a colon in them is a colon.
_PART = re.compile(
    r"'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.|\"\")*\"|`[^`]*`"
    r"|--[ \t][^\n]*|\#[^\n]*|/\*.*?\*/"
    r"|(?<![:\w\\]):(?P<name>[A-Za-z_]\w*)(?![:\w])|:",
    re.DOTALL | re.ASCII,
)


def parameter_names(sql: str) -> list[str]:
    """Each once, in the order of the text."""
    names = (found["name"] for found in _PART.finditer(sql) if found["name"])
    return list(dict.fromkeys(names))


def with_zeros(sql: str) -> str:
    """A 0 in the place of each parameter, for parsers that know none."""
    return _PART.sub(lambda found: "0" if found["name"] else found[0], sql)


def bindable(sql: str) -> sa.TextClause:
    """The statement as it is written, to be executed with a value for each parameter."""
    return sa.text(_PART.sub(lambda f: f[0] if f["name"] else f[0].replace(":", "\\:"), sql))


def with_literals(sql: str, values: Mapping[str, Any]) -> str:
    """The values as SQL writes them, to be read and never to be executed."""
    return _PART.sub(lambda f: _literal(values[f["name"]]) if f["name"] else f[0], sql)


def _literal(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, int | float | Decimal):
        return str(value)
    return "'" + str(value).replace("\\", "\\\\").replace("'", "''") + "'"
