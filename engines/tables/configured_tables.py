"""Tables that cannot be asked now, as far as the configuration tells of them.

By these descriptions a question for the tables is known, and is not answered from documents.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Protocol

from engines.tables.query_result import QueryResult
from stores.values import Value


class DescribedTables(Protocol):
    """What a choice between sources needs to know of tables."""

    def get_usable_table_names(self) -> Iterable[str]: ...

    def get_single_table_info(self, table_name: str) -> str: ...

    def outline(self) -> str: ...

    def text_columns(self, table_name: str, most_characters: int) -> list[str]: ...

    def read_texts(
        self, table_name: str, column: str, limit: int, *, distinct: bool = True
    ) -> list[str]: ...


class ConfiguredTables:
    """Describes tables by their names and by what `descriptions` say; their rows are not known."""

    def __init__(self, tables: Collection[str], descriptions: Mapping[str, str]) -> None:
        self._tables = sorted(tables)
        self._descriptions = descriptions

    def get_usable_table_names(self) -> Iterable[str]:
        return self._tables

    def get_single_table_info(self, table_name: str) -> str:
        """Describe a table in the form that `table_text` has."""
        about = self._descriptions.get(table_name)
        columns = [
            f"- {name.removeprefix(f'{table_name}.')}; {text}"
            for name, text in self._descriptions.items()
            if name.startswith(f"{table_name}.")
        ]
        return "\n".join([f"Table {table_name}{f': {about}' if about else ''}", *columns])

    def outline(self) -> str:
        return "\n".join(map(self.get_single_table_info, self._tables))

    def text_columns(self, _table_name: str, _most_characters: int) -> list[str]:
        return []

    def read_texts(
        self, _table_name: str, _column: str, _limit: int, *, distinct: bool = True
    ) -> list[str]:  # pragma: no cover - there are no columns to read
        del distinct
        return []

    def run(self, _sql: str, _values: Mapping[str, Value]) -> QueryResult:
        """Find nothing: no name that a question holds is known."""
        return QueryResult((), ())
