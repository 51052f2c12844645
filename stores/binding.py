"""SQL with named parameters: which they are, and the statement that binds them."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

# Strings, quoted names and comments are skipped: a colon in them is a colon.
_PART = re.compile(
    r"'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.|\"\")*\"|`[^`]*`"
    r"|--[ \t][^\n]*|\#[^\n]*|/\*.*?\*/"
    r"|(?<![:\w\\]):(?P<name>[A-Za-z_]\w*)(?![:\w])|:",
    re.DOTALL | re.ASCII,
)


def parameter_names(sql: str) -> list[str]:
    """Each once, in the order of the text."""
    return list(dict.fromkeys(_parameters(sql)))


def _parameters(sql: str) -> list[str]:
    return [found["name"] for found in _PART.finditer(sql) if found["name"]]


def with_stand_ins(sql: str, values: Mapping[str, Any]) -> str:
    """What a parser that knows no parameters can read: an empty text for a text, else the value."""

    def stand_in(found: re.Match[str]) -> str:
        if found["name"] not in values:
            return found[0]
        value = values[found["name"]]
        return " '' " if isinstance(value, str) else f" {_literal(value)} "

    return _PART.sub(stand_in, sql)


def positional(sql: str, values: Mapping[str, Any], paramstyle: str) -> tuple[str, tuple[Any, ...]]:
    """The statement as a driver of that DB-API paramstyle reads it, and its values in order."""
    mark, percent = ("?", "%") if paramstyle == "qmark" else ("%s", "%%")
    marked = _PART.sub(lambda f: mark if f["name"] else f[0], sql.replace("%", percent))
    return marked, tuple(values[name] for name in _parameters(sql))


def with_literals(sql: str, values: Mapping[str, Any]) -> str:
    """The values as SQL writes them, to be read and never to be executed."""
    return _PART.sub(lambda f: _literal(values[f["name"]]) if f["name"] else f[0], sql)


def _literal(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, int | float | Decimal):
        return str(value)
    return "'" + str(value).replace("\\", "\\\\").replace("'", "''") + "'"
