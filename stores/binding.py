"""SQL with named parameters: which they are, and the statement that takes their values apart."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from stores.sql_tokens import tokens_of


def parameter_names(sql: str) -> list[str]:
    """Each once, in the order of the text."""
    return list(dict.fromkeys(_parameters(sql)))


def _parameters(sql: str) -> list[str]:
    return [token.parameter for token in tokens_of(sql) if token.parameter]


def with_places(sql: str, values: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """The statement with a ? for each :name, as the server prepares it, and its values in order."""
    marked = "".join("?" if token.parameter else token.text for token in tokens_of(sql))
    return marked, [values[name] for name in _parameters(sql)]


def with_literals(sql: str, values: Mapping[str, Any]) -> str:
    """The values as SQL writes them, to be read and never to be executed."""
    return "".join(
        _literal(values[token.parameter]) if token.parameter else token.text
        for token in tokens_of(sql)
    )


def _literal(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, int | float | Decimal):
        return str(value)
    return "'" + str(value).replace("\\", "\\\\").replace("'", "''") + "'"
