"""The rows of the business tables, and the SQL that found them, as people read them."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from engines.answer import TableResult
from engines.tables.query_result import as_json
from kb.cli.language import gettext, ngettext
from kb.cli.rendering.layout import make_table
from kb.cli.terminal import fit_on_one_line, make_printable

_SHOWN = 20


def show_rows(console: Console, found: TableResult, *, in_words: bool) -> None:
    """Show the SQL as it ran, what was bound in it, and its first rows.

    Rows that are not `in_words`, of a model, are the answer already. Nothing is shown
    where no SQL ran.
    """
    if not found.sql:
        return
    console.print(Text(make_printable(found.sql), "dim"), soft_wrap=True)
    for name, value in found.parameters.items():
        console.print(Text(f":{name} = {fit_on_one_line(str(value))}", "dim"), soft_wrap=True)
    rows = found.rows
    if rows and in_words:
        console.print()
        console.print(_make_rows_table(found.columns, rows))
    if found.truncated:
        console.print(Text(describe_cut(len(rows)), "yellow"))
    elif len(rows) > _SHOWN:
        more = gettext("The first {shown} of {rows} rows; --json shows all.")
        console.print(Text(more.format(shown=_SHOWN, rows=len(rows)), "dim"))


def describe_cut(rows: int) -> str:
    """Say how many rows were read where there are more."""
    read = ngettext("Only the first {n} row were read.", "Only the first {n} rows were read.", rows)
    return read.format(n=rows)


def _make_rows_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    table = make_table()
    for column, example in zip(columns, rows[0], strict=True):
        side = "left" if isinstance(example, str) else "right"
        table.add_column(Text(fit_on_one_line(column)), justify=side, overflow="fold")  # type: ignore[arg-type]  # rich knows both
    for row in as_json(rows[:_SHOWN]):
        table.add_row(*("" if cell is None else Text(fit_on_one_line(str(cell))) for cell in row))
    return table
