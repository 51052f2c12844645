"""SQL with named parameters: which they are, and the statement that takes their values apart."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from stores.sql_tokens import tokenize_sql


def list_parameters(sql: str) -> list[str]:
    """List the parameters of a statement, each once, in the order of the text."""
    return list(dict.fromkeys(_list_all(sql)))


def _list_all(sql: str) -> list[str]:
    return [token.parameter for token in tokenize_sql(sql) if token.parameter]


def replace_parameters(sql: str, values: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """Write a ? for each :name, as the server prepares it; the values follow in order."""
    marked = "".join("?" if token.parameter else token.text for token in tokenize_sql(sql))
    return marked, [values[name] for name in _list_all(sql)]


def write_literals(sql: str, values: Mapping[str, Any]) -> str:
    """Write values as SQL does, for a statement to be read and never to be executed."""
    return "".join(
        _write_literal(values[token.parameter]) if token.parameter else token.text
        for token in tokenize_sql(sql)
    )


def _write_literal(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, int | float | Decimal):
        return str(value)
    return "'" + str(value).replace("\\", "\\\\").replace("'", "''") + "'"


def escape_pattern(words: str) -> str:
    """Write words so that LIKE finds them as they are."""
    return re.sub(r"([\\%_])", r"\\\1", words)
