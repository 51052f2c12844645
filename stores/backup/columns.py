"""The values of any column as texts, from which MariaDB makes the same values again."""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, assert_never

import sqlalchemy as sa

from stores.errors import StoreError
from stores.sql import statements

_SQL = statements("backup.sql")

Written: TypeAlias = Literal["text", "printed", "float", "bits", "hexadecimal"]
_WRITTEN: Final[dict[Written, str]] = {
    "text": "char varchar tinytext text mediumtext longtext enum set json",
    "printed": "tinyint smallint mediumint int bigint decimal double year date time datetime "
    "timestamp uuid inet4 inet6",
    "float": "float",
    "bits": "bit",
    "hexadecimal": "binary varbinary tinyblob blob mediumblob longblob vector geometry point "
    "linestring polygon multipoint multilinestring multipolygon geometrycollection",
}
_TYPES: Final = {kind: written for written, kinds in _WRITTEN.items() for kind in kinds.split()}


@dataclass(frozen=True)
class Column:
    """A column that is written; `type` is MariaDB's word for it, without length or sign."""

    name: str
    type: str

    @property
    def written(self) -> Written:
        """How a value is written. Raises StoreError for a type that nothing is known of."""
        if self.type not in _TYPES:
            raise StoreError(
                f"The column {self.name} is of the type {self.type}, which kb cannot back up."
            )
        return _TYPES[self.type]

    def select(self, name: str) -> str:
        """Write the SQL that reads the column, quoted as `name`, as text."""
        match self.written:
            case "text":
                return name
            case "printed":
                return f"CAST({name} AS CHAR)"
            case "float":  # by itself it is printed with six digits
                return f"CAST(CAST({name} AS DOUBLE) AS CHAR)"
            case "bits":
                return f"CAST({name} + 0 AS CHAR)"
            case "hexadecimal":
                return f"HEX({name})"
            case _:
                assert_never(self.written)

    def insert(self, parameter: str) -> str:
        """Write the SQL that makes a value of what is bound to a parameter."""
        return f"CAST({parameter} AS UNSIGNED)" if self.written == "bits" else parameter

    def bind(self, value: str | None) -> str | bytes | None:
        """Make what is bound of a text. Raises ValueError."""
        if value is None or self.written != "hexadecimal":
            return value
        return bytes.fromhex(value)


def read_columns(connection: sa.Connection, table: str) -> list[Column]:
    """Read the columns of a table that are written, in their order."""
    rows = connection.execute(sa.text(_SQL["columns"]), {"table": table})
    return [Column(row.name, row.type.lower()) for row in rows]


def select_rows(table: str, columns: list[Column]) -> sa.TextClause:
    """Write the SELECT of all rows of a table."""
    values = ", ".join(column.select(quote(column.name)) for column in columns)
    return sa.text(_SQL["rows"].format(values=values or "NULL", table=quote(table)))


def insert_row(table: str, columns: list[Column]) -> sa.TextClause:
    """Write the INSERT of one row, its values bound by their numbers: v0, v1 and so on."""
    return sa.text(
        _SQL["insert"].format(
            table=quote(table),
            columns=", ".join(quote(column.name) for column in columns),
            values=", ".join(column.insert(f":v{i}") for i, column in enumerate(columns)),
        )
    )


def quote(name: str) -> str:
    """Quote a name for a text of SQLAlchemy, to which a colon begins a parameter."""
    return "`" + name.replace("`", "``").replace(":", r"\:") + "`"
