"""Tables of which somebody sees some columns: in a statement they are views of those alone.

A WITH in front of the statement gives each such table its name again, with the columns that are
shown. It hides the table itself from all that can see it, which the guard decides as for any other
WITH: of a statement that reaches behind it nothing is run. What is not listed is not there, be it a
column that was added since, `*`, or a name that MariaDB reads as that of a column.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from stores.errors import UnsafeQuery
from stores.sql_tokens import tokenize_sql
from stores.table_names import TableName, quote_name


@dataclass(frozen=True)
class ShownColumns:
    """The columns that are shown, by the names of the tables that have others too."""

    database: str
    columns: Mapping[str, Collection[str]] = field(default_factory=dict)

    def restrict(self, sql: str, *, to_check: bool = False) -> str:
        """Write a statement in which these tables have no more than these columns.

        The guard is to be given what is written `to_check`, in which they hold nothing: so each use
        of their names is that of the view. Raises UnsafeQuery for EXPLAIN, which names indexes.
        """
        views = [self._write_view(name, to_check=to_check) for name in self._list_named(sql)]
        if not views:
            return sql
        written = ""
        rest = list(tokenize_sql(sql))
        code = [token.text.upper() for token in rest if token.is_code][:2]
        if code[:1] == ["EXPLAIN"]:
            raise UnsafeQuery(
                "The statement was refused: EXPLAIN is not for tables of which you see a part."
            )
        beginning = code if code == ["WITH", "RECURSIVE"] else code[:1]
        if beginning[:1] != ["WITH"]:
            return f"WITH {', '.join(views)} {sql}"
        while beginning:
            token = rest.pop(0)
            written += token.text
            beginning = beginning[token.is_code :]
        return f"{written} {', '.join(views)}, {''.join(token.text for token in rest).lstrip()}"

    def names_hidden(self, sql: str, hidden: Collection[str]) -> bool:
        """Tell whether a statement about these tables holds the name of a column that is hidden."""
        names = {name.casefold() for name in hidden}
        tokens = (token.text.strip("`").casefold() for token in tokenize_sql(sql))
        return bool(self._list_named(sql)) and any(token in names for token in tokens)

    def _list_named(self, sql: str) -> list[str]:
        words = {token.text.strip("`").casefold() for token in tokenize_sql(sql)}
        return [name for name in self.columns if name.casefold() in words]

    def _write_view(self, name: str, *, to_check: bool) -> str:
        columns = list(map(quote_name, self.columns[name]))
        if to_check:
            return f"{quote_name(name)} AS (SELECT {', '.join(f'NULL AS {c}' for c in columns)})"
        table = TableName(self.database, name).quote()
        sql = f"SELECT {', '.join(columns)} FROM {table}"  # noqa: S608 - names of the schema, quoted
        return f"{quote_name(name)} AS ({sql})"
