"""SQL with named parameters: which they are, and the statement that takes their values apart."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from stores.sql_tokens import tokenize_sql


def list_parameters(sql: str) -> list[str]:
    """Each once, in the order of the text."""
    return list(dict.fromkeys(_parameters(sql)))


def _parameters(sql: str) -> list[str]:
    return [token.parameter for token in tokenize_sql(sql) if token.parameter]


def replace_parameters(sql: str, values: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """The statement with a ? for each :name, as the server prepares it, and its values in order."""
    marked = "".join("?" if token.parameter else token.text for token in tokenize_sql(sql))
    return marked, [values[name] for name in _parameters(sql)]


def write_literals(sql: str, values: Mapping[str, Any]) -> str:
    """The values as SQL writes them, to be read and never to be executed."""
    return "".join(
        _literal(values[token.parameter]) if token.parameter else token.text
        for token in tokenize_sql(sql)
    )


def _literal(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, int | float | Decimal):
        return str(value)
    return "'" + str(value).replace("\\", "\\\\").replace("'", "''") + "'"
