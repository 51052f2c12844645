"""The indexed files as people look through them."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import sqlalchemy as sa

from stores.audiences import Groups, bind_groups, require_visible
from stores.binding import escape_pattern
from stores.chunks.where import INDEXED_CHARACTERS, to_json_path
from stores.connection import read_snapshot
from stores.errors import StoreError
from stores.sql import statements

if TYPE_CHECKING:
    from stores.chunks.chunk_table import ChunkTable

_SQL = statements("document_list.sql")
_ALL: Final = 2**62  # rows
Sort: TypeAlias = Literal["name", "status", "passages", "size", "indexed"]
_ORDERS: Final[dict[Sort, str]] = {
    "name": "by_name_first",
    "status": "by_status_first",
    "passages": "by_passages_first",
    "size": "by_size_first",
    "indexed": "by_time_first",
}


@dataclass(frozen=True)
class ListedDocument:
    """What the registry holds of a file; the times in UTC."""

    id: str
    root: str
    path: str
    status: Literal["indexed", "failed"]
    reason: str | None
    size: int | None
    modified_at: datetime | None
    media_type: str | None
    title: str | None
    language: str | None
    chunks: int
    indexed_at: datetime | None
    checked_at: datetime


@dataclass(frozen=True)
class StoredPassage:
    """A chunk of a document, without its vector."""

    id: str
    text: str
    metadata: dict[str, Any]


@dataclass(frozen=True)
class Folder:
    """A folder of documents, and how many of those that were asked for are in it."""

    name: str
    documents: int


@dataclass(frozen=True)
class Chosen:
    """Which documents are asked for: all but those that a field rules out.

    `search` is a part of the name or the title. In a `folder`, by its path in its root and "" for
    the top, are those that are in it, and with `is_deep` those in folders of it, too.
    """

    status: str | None = None
    roots: Sequence[str] | None = None
    search: str | None = None
    folder: str | None = None
    is_deep: bool = True

    @property
    def depth(self) -> int:
        """The place in a path, from 1, where the name of what is in the folder begins."""
        return len(self.folder) + 2 if self.folder else 1

    def write_condition(self) -> tuple[str, dict[str, Any]]:
        """Write it as a condition and the values that it binds."""
        values: dict[str, Any] = {}
        if self.status is not None:
            values["status"] = self.status
        if self.roots is not None:
            values["roots"] = list(self.roots)
        if self.search:
            values["pattern"] = f"%{escape_pattern(self.search)}%"
        if self.folder:
            values["below"] = f"{escape_pattern(self.folder)}/%"
        if self.folder is not None and not self.is_deep:
            values["depth"] = self.depth
        where = [_SQL[_CONDITIONS[name]] for name in values] or [_SQL["everything"]]
        return " AND ".join(where), values


_CONDITIONS: Final = {
    "status": "by_status",
    "roots": "by_roots",
    "pattern": "by_words",
    "below": "below_folder",
    "depth": "directly",
}


@dataclass(frozen=True)
class DocumentList:
    """The documents, or with `groups` those that these may see: no other is there."""

    engine: sa.Engine
    groups: Groups | None = None

    def list_page(
        self,
        *,
        status: str | None = None,
        roots: Sequence[str] | None = None,
        search: str | None = None,
        offset: int = 0,
        limit: int = 100,
    ) -> tuple[list[ListedDocument], int]:
        """List those of a page, and count all that match; `roots` None stands for every root."""
        chosen = Chosen(status, roots, search)
        return self.list_sorted(chosen, offset=offset, limit=limit)

    def list_sorted(
        self,
        chosen: Chosen,
        sort: Sort = "name",
        *,
        descending: bool = False,
        offset: int = 0,
        limit: int = 100,
    ) -> tuple[list[ListedDocument], int]:
        """List those of a page in an order, and count all that are chosen."""
        where, values = chosen.write_condition()
        order = _SQL[_ORDERS[sort]].format(direction="DESC" if descending else "ASC")
        return self._read_page(where, values, offset, limit, order)

    def list_some(self, chosen: Chosen, behind: str, limit: int) -> list[ListedDocument]:
        """List some of the chosen in the order of their ids, from one on, then from the first."""
        where, values = chosen.write_condition()
        where = self._limit(where, values)
        statement = _fill_statement("some", where, values)

        def work(connection: sa.Connection) -> list[ListedDocument]:
            later = connection.execute(
                statement, {**values, "behind": behind, "limit": limit}
            ).all()
            rest = {**values, "behind": "", "limit": limit - len(later)}
            earlier = connection.execute(statement, rest).all() if len(later) < limit else []
            rows = {row.id: row for row in (*later, *earlier)}.values()
            return [ListedDocument(**row._asdict()) for row in rows]

        return read_snapshot(self.engine, work)

    def list_folders(self, chosen: Chosen) -> list[Folder]:
        """List the folders in the chosen folder that hold documents of the other fields."""
        where, values = replace(chosen, is_deep=True).write_condition()
        where = self._limit(where, values)
        statement = _fill_statement("folders", where, values)
        bound = {**values, "depth": chosen.depth}
        rows = read_snapshot(self.engine, lambda c: c.execute(statement, bound).all())
        return [Folder(row.name, row.documents) for row in rows]

    def one(self, root: str, path: str) -> ListedDocument:
        """Find one file. Raises StoreError when there is none of that name."""
        found, _ = self._read_page(_SQL["by_path"], {"root": root, "path": path}, 0, 1)
        if not found:
            raise StoreError(f"There is no document {path!r} in {root!r}.")
        return found[0]

    def find(self, name: str) -> ListedDocument:
        """Find one file by the name of its root and its path: `handbook/policies/returns.md`.

        Raises StoreError when there is none of that name.
        """
        found, _ = self._read_page(_SQL["by_name"], {"name": name}, 0, 1)
        if not found:
            raise StoreError(
                f"There is no document {name!r}. Name it as `kb documents list` does: ROOT/PATH."
            )
        return found[0]

    def list_passages(
        self, table: "ChunkTable", document: ListedDocument, *, offset: int = 0, limit: int = _ALL
    ) -> list[StoredPassage]:
        """List the passages of a document, or some, in their order, without LlamaIndex."""
        statement = sa.text(_SQL["passages"].format(table=f"`{table.name}`"))
        values = {"id": document.id, "offset": offset, "limit": limit}
        rows = read_snapshot(self.engine, lambda c: c.execute(statement, values).all())
        return [StoredPassage(row.id, row.text, json.loads(row.metadata)) for row in rows]

    def count_passages_before(
        self, table: "ChunkTable", document: ListedDocument, chunk_id: str
    ) -> int:
        """Count the passages of a document that stand before the one of an id."""
        statement = sa.text(_SQL["passages_before"].format(table=f"`{table.name}`"))
        values = {"id": document.id, "chunk": chunk_id}
        return int(read_snapshot(self.engine, lambda c: c.scalar(statement, values)))

    def one_around(self, root: str, path: str) -> ListedDocument:
        """Find one file, or that which has a file of this path inside, such as an archive.

        Raises StoreError when there is none.
        """
        parts = path.split("/")
        for length in range(len(parts), 1, -1):
            values = {"root": root, "path": "/".join(parts[:length])}
            found, _ = self._read_page(_SQL["by_path"], values, 0, 1)
            if found:
                return found[0]
        return self.one(root, parts[0])

    def count_values(
        self, table: "ChunkTable", key: str, roots: Sequence[str] | None = None
    ) -> dict[str | float, int]:
        """Count the documents that hold each short value of a metadata key."""
        bound: dict[str, Any] = {"key": to_json_path(key)}
        if roots is not None:
            bound["roots"] = list(roots)
        where = self._limit(_SQL["everything" if roots is None else "by_roots"], bound)
        statement = _fill_statement("values", where, bound, table=f"`{table.name}`")
        counts: Counter[str | float] = Counter()
        for row in read_snapshot(self.engine, lambda c: c.execute(statement, bound).all()):
            held = json.loads(row.value)
            for value in held if isinstance(held, list) else [held]:
                if _is_short(value):
                    counts[value] += row.documents
        return dict(counts)

    def _read_page(
        self,
        where: str,
        values: dict[str, Any],
        offset: int,
        limit: int,
        order: str = _SQL["by_name_first"].format(direction="ASC"),
    ) -> tuple[list[ListedDocument], int]:
        values = {**values}
        where = self._limit(where, values)
        listed = _fill_statement("list", where, values, order=order)
        counted = _fill_statement("count", where, values)
        page = {**values, "offset": offset, "limit": limit}

        def work(connection: sa.Connection) -> tuple[list[ListedDocument], int]:
            rows = connection.execute(listed, page).all()
            total = connection.execute(counted, values).scalar_one()
            return [ListedDocument(**row._asdict()) for row in rows], int(total)

        return read_snapshot(self.engine, work)

    def _limit(self, where: str, values: dict[str, Any]) -> str:
        """Require of documents besides that the groups may see them."""
        if self.groups is None:
            return where
        values["groups"] = bind_groups(self.groups)
        return f"({where}) AND {require_visible(':groups')}"


def _is_short(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= INDEXED_CHARACTERS
    return isinstance(value, int | float) and not isinstance(value, bool)


def _fill_statement(name: str, where: str, values: dict[str, Any], **holes: str) -> sa.TextClause:
    statement = sa.text(_SQL[name].format(where=where, **holes))
    if "roots" in values:
        return statement.bindparams(sa.bindparam("roots", expanding=True))
    return statement
