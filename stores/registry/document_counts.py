"""How many documents and chunks there are in each language, kept as documents change.

The counts are the sum of rows: a transaction that changes documents adds what it changes, so that
writers never wait for each other. When the rows are many, all documents are counted anew.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import sqlalchemy as sa

from stores.audiences import Groups, bind_groups, require_visible
from stores.connection import read_snapshot, run_transaction
from stores.sql import statements

_SQL = {name: sa.text(sql) for name, sql in statements("document_counts.sql").items()}
_IDS: Final[sa.BindParameter[list[Any]]] = sa.bindparam("ids", expanding=True)
_COUNT_SOME: Final = _SQL["count_some"].bindparams(_IDS)
_REMOVE: Final = _SQL["remove"].bindparams(_IDS)
_MOST_ROWS: Final = 200

_Counts = dict[str, tuple[int, int]]
"""Documents and chunks by language."""


def count_totals(engine: sa.Engine, groups: Groups | None = None) -> tuple[int, int]:
    """Count documents and chunks, or those that some groups may see."""
    if groups is None:
        return read_snapshot(engine, read_totals)
    counted = _count_visible(engine, groups).values()
    return sum(documents for documents, _ in counted), sum(chunks for _, chunks in counted)


def read_totals(connection: sa.Connection) -> tuple[int, int]:
    """Read how many documents and chunks there are as of this moment."""
    row = connection.execute(_SQL["totals"]).one()
    return int(row.documents), int(row.chunks)


def measure_language_shares(engine: sa.Engine, groups: Groups | None = None) -> dict[str, float]:
    """Measure the part of the documents in each language; unknown ones are left out."""
    if groups is not None:
        counted = _count_visible(engine, groups)
        total = sum(documents for documents, _ in counted.values())
        return {name: documents / total for name, (documents, _) in counted.items() if name}
    rows = read_snapshot(engine, lambda connection: connection.execute(_SQL["shares"]).all())
    return {row.language: float(row.share) for row in rows if row.language}


def _count_visible(engine: sa.Engine, groups: Groups) -> _Counts:
    """Count the documents that some groups may see, one by one."""
    statement = sa.text(_SQL["count_visible"].text.format(visible=require_visible(":groups")))
    values = {"groups": bind_groups(groups)}
    rows = read_snapshot(engine, lambda connection: connection.execute(statement, values).all())
    return {row.language: (int(row.documents), int(row.chunks)) for row in rows}


@contextmanager
def keep_counts(connection: sa.Connection, ids: Sequence[str]) -> Iterator[None]:
    """Note what the block makes of some documents, which all have a row of the registry."""
    before = _count_some(connection, ids)
    yield
    after = _count_some(connection, ids)
    for language in sorted(before.keys() | after.keys()):
        earlier, later = before.get(language, (0, 0)), after.get(language, (0, 0))
        if earlier != later:
            _note_change(connection, language, later[0] - earlier[0], later[1] - earlier[1])


def tidy_counts(engine: sa.Engine) -> None:
    """Count all documents anew when the rows have become many."""
    rows = read_snapshot(engine, lambda connection: connection.scalar(_SQL["count_rows"]))
    if int(rows or 0) > _MOST_ROWS:
        run_transaction(engine, _count_anew)


def _count_anew(connection: sa.Connection) -> None:
    """Replace the rows by a new count as of one moment; what is added after it stays beside it."""
    connection.execute(_SQL["wait_to_count"])
    ids = connection.scalars(_SQL["rows"]).all()
    counted = connection.execute(_SQL["count_all"]).all()
    connection.execute(_REMOVE, {"ids": ids})
    for row in counted:
        _note_change(connection, row.language, row.documents, row.chunks)


def _count_some(connection: sa.Connection, ids: Sequence[str]) -> _Counts:
    if not ids:
        return {}
    rows = connection.execute(_COUNT_SOME, {"ids": ids})
    return {row.language: (int(row.documents), int(row.chunks)) for row in rows}


def _note_change(connection: sa.Connection, language: str, documents: int, chunks: int) -> None:
    values = {"language": language, "documents": documents, "chunks": chunks}
    connection.execute(_SQL["add"], values)
