"""Describe the schema to a model: columns, comments, keys, and a few harmless values."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from stores.table_names import split_table_name

MOST_VALUES = 20  # a column with more of them is no list of choices
_LONGEST_CHOICE = 40  # characters of a column that may be one
# Text of cells is what other people wrote: only single words and codes are repeated to a model.
_CHOICE = re.compile(r"[\w&+./-]{1,24}(?: [\w&+./-]{1,24}){0,2}")
_CODE = re.compile(r"(?=.*\d)[A-Za-z\d][\w./-]{0,24}")


class VectorType(sa.types.UserDefinedType[bytes]):
    """MariaDB's VECTOR, for reflection, which fails on types that it does not know."""

    cache_ok = True

    def __init__(self, dimensions: int | None = None) -> None:
        self.dimensions = dimensions

    def get_col_spec(self, **_: Any) -> str:
        return f"VECTOR({self.dimensions})"


def let_reflect_vectors(engine: sa.Engine) -> None:
    """Teach the dialect of this engine alone the type that it does not know."""
    dialect: Any = engine.dialect
    dialect.ischema_names = {"vector": VectorType, **dialect.ischema_names}


@dataclass(frozen=True)
class Look:
    """How to look into a table: the values of a column, if they are few, and some rows."""

    choices: Callable[[str], Sequence[Any]]
    rows: Callable[[Sequence[str]], Sequence[Sequence[Any]]]


def table_text(
    inspector: sa.Inspector,
    table: str,
    descriptions: Mapping[str, str],
    look: Look | None,
    hidden: Mapping[str, Collection[str]],
) -> str:
    """Describe one table; `descriptions` of "table" and "table.column" go before SQL comments.

    Nothing tells of `hidden` columns, by the names of their tables.
    """
    database, name = split_table_name(table)
    columns = [
        column
        for column in inspector.get_columns(name, database)
        if not isinstance(column["type"], (VectorType, sa.LargeBinary))
        and column["name"] not in hidden.get(table, ())
    ]
    comment = descriptions.get(table) or inspector.get_table_comment(name, database)["text"]
    keys = _describe_keys(inspector, table, hidden)
    lines = [f"Table {table}{f': {comment}' if comment else ''}"]
    for column in columns:
        name = column["name"]
        about = descriptions.get(f"{table}.{name}") or column.get("comment")
        values = _list_choices(column, look) if look else ""
        kind = str(column["type"]).replace(", ", ",").split(" ")[0]  # without character set
        typed = f"{name} {kind}{keys.get(name, '')}"
        lines.append("- " + "; ".join(filter(None, (typed, about, values))))
    if look:
        lines += _write_samples([column["name"] for column in columns], look)
    return "\n".join(lines)


def _describe_keys(
    inspector: sa.Inspector, table: str, hidden: Mapping[str, Collection[str]]
) -> dict[str, str]:
    """Say of each key column what it is for."""
    database, name = split_table_name(table)
    primary = inspector.get_pk_constraint(name, database)["constrained_columns"]
    keys = dict.fromkeys(primary, " primary key")
    for foreign in inspector.get_foreign_keys(name, database):
        of_database = foreign["referred_schema"]
        referred = ".".join(filter(None, (of_database, foreign["referred_table"])))
        pairs = zip(foreign["constrained_columns"], foreign["referred_columns"], strict=True)
        for here, there in pairs:
            if there in hidden.get(referred, ()):
                continue
            keys[here] = f"{keys.get(here, '')} refers to {referred}.{there}"
    return keys


def _list_choices(column: Mapping[str, Any], look: Look) -> str:
    kind = column["type"]
    if not isinstance(kind, sa.String) or not kind.length or kind.length > _LONGEST_CHOICE:
        return ""
    values = [value for value in look.choices(column["name"]) if value is not None]
    shown = [f"'{value}'" for value in values if _CHOICE.fullmatch(str(value))]
    return f"values: {', '.join(shown)}" if shown else ""


def _write_samples(columns: Sequence[str], look: Look) -> list[str]:
    lines = []
    for row in look.rows(columns):
        cells = ((name, _write_cell(cell)) for name, cell in zip(columns, row, strict=True))
        lines.append("A row: " + ", ".join(f"{name}={cell}" for name, cell in cells if cell))
    return lines


def _write_cell(cell: Any) -> str:
    match cell:
        case bool() | int() | float() | Decimal():
            return str(cell)
        case datetime() | date():
            return f"'{cell}'"
        case str() if _CODE.fullmatch(cell):
            return f"'{cell}'"
    return ""
