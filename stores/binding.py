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


def with_stand_ins(sql: str, values: Mapping[str, Any]) -> str:
    """What a parser that knows no parameters can read: an empty text for a text, 0 for others."""

    def stand_in(found: re.Match[str]) -> str:
        if found["name"] not in values:
            return found[0]
        return " '' " if isinstance(values[found["name"]], str) else "0"

    return _PART.sub(stand_in, sql)


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
