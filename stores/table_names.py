"""Names of tables as people write them: `orders`, or `shop.orders` in a database of its own."""

from typing import NamedTuple


class TableName(NamedTuple):
    database: str
    table: str

    def quote(self) -> str:
        """Return the name as SQL has it."""
        return f"{quote_name(self.database)}.{quote_name(self.table)}"


def split_table_name(written: str) -> tuple[str | None, str]:
    """Return the database that a name begins with, None where it has none, and the table."""
    database, _, table = written.rpartition(".")
    return database or None, table


def read_table_name(written: str, database: str) -> TableName:
    """Return the name of a table, which is of `database` unless it says another one."""
    named, table = split_table_name(written)
    return TableName(named or database, table)


def quote_name(name: str) -> str:
    """Quote a name for SQL."""
    return "`" + name.replace("`", "``") + "`"
