"""Tables that the public MariaDB integrations of frameworks have written; they are only read."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, assert_never

import sqlalchemy as sa
from llama_index.core.schema import NodeRelationship, TextNode
from llama_index.core.vector_stores.utils import metadata_dict_to_node
from pydantic_core import from_json

from stores.chunks import vectors
from stores.connection import make_engine, read_snapshot
from stores.errors import StoreError
from stores.sql import statements
from stores.table_names import TableName, read_table_name

Framework = Literal["langchain", "llamaindex", "haystack"]
PACKAGES: Final[Mapping[Framework, str]] = {
    "langchain": "langchain-mariadb",
    "llamaindex": "llama-index-vector-stores-mariadb",
    "haystack": "mariadb-haystack",
}
TABLES: Final[Mapping[Framework, str]] = {
    "langchain": "langchain_embedding",
    "llamaindex": "llamaindex",
    "haystack": "haystack_documents",
}
"""What each package calls its table by itself."""
COLLECTIONS: Final = "langchain_collection"

_SQL: Final = statements("foreign_tables.sql")
_PLACES: Final[Mapping[Framework, str]] = {
    "langchain": "langchain_places",
    "llamaindex": "llamaindex_places",
    "haystack": "haystack_places",
}
_ROWS: Final[Mapping[Framework, str]] = {
    "langchain": "langchain_rows",
    "llamaindex": "llamaindex_rows",
    "haystack": "haystack_rows",
}
_COLUMNS: Final[Mapping[Framework, tuple[str, ...]]] = {
    "langchain": ("id", "content", "metadata", "embedding", "collection_id"),
    "llamaindex": ("id", "node_id", "text", "metadata", "embedding"),
    "haystack": ("id", "content", "meta", "embedding"),
}
_VECTOR: Final = re.compile(r"vector\((\d+)\)", re.IGNORECASE)
_SETTING: Final = "the URL of the table"


@dataclass(frozen=True)
class ForeignRow:
    """A row as a chunk: `node` has its text and metadata, and its vector where it has one."""

    id: str
    node: TextNode


@dataclass(frozen=True)
class ForeignDocument:
    """Rows that are pieces of one document, by their places in the table and in order."""

    name: str
    places: list[Any]


@dataclass(frozen=True)
class ForeignTable:
    """A table of one of the packages; `name` is what its rows are called together."""

    engine: sa.Engine
    framework: Framework
    table: TableName
    name: str
    dimension: int
    collection: str | None = None

    def list_documents(self) -> list[ForeignDocument]:
        """List what the rows are pieces of; a row that names nothing is a document by itself."""
        statement = sa.text(_SQL[_PLACES[self.framework]].format_map({"table": self.table.quote()}))
        values = {"collection": self.collection} if self.collection else {}
        rows = read_snapshot(self.engine, lambda c: c.execute(statement, values).all())
        documents: dict[str, list[Any]] = {}
        for row in rows:
            documents.setdefault(row.document or row.id, []).append(row.place)
        return [ForeignDocument(name, places) for name, places in documents.items()]

    def read_rows(self, places: Sequence[Any]) -> dict[Any, ForeignRow]:
        """Read rows by their places, without those that are gone. Raises StoreError."""
        statement = sa.text(
            _SQL[_ROWS[self.framework]].format_map({"table": self.table.quote()})
        ).bindparams(sa.bindparam("places", expanding=True))
        rows = read_snapshot(
            self.engine, lambda c: c.execute(statement, {"places": list(places)}).all()
        )
        return {row.place: _make_row(self.framework, row) for row in rows}


def open_foreign_table(
    url: str | sa.URL,
    framework: Framework,
    table: str | None = None,
    *,
    collection: str | None = None,
    collections_table: str = COLLECTIONS,
) -> ForeignTable:
    """Open the table of a package, which it names `table` unless its user did.

    Of langchain-mariadb one `collection` is opened; the only one without a name. Close its `engine`
    by `dispose`. Raises StoreError, StoreUnavailable.
    """
    engine = make_engine(url, readonly=True, setting=_SETTING)
    try:
        return _look_into(engine, framework, table, collection, collections_table)
    except BaseException:
        engine.dispose()
        raise


def _look_into(
    engine: sa.Engine,
    framework: Framework,
    written: str | None,
    collection: str | None,
    collections_table: str,
) -> ForeignTable:
    if not engine.url.database:
        raise StoreError("The URL names no database: end it with that of the table, …/name.")
    table = read_table_name(written or TABLES[framework], engine.url.database)
    dimension = _check_columns(engine, framework, table)
    if framework != "langchain":
        return ForeignTable(engine, framework, table, table.table, dimension)
    collections = read_table_name(collections_table, engine.url.database)
    found_id, label = _find_collection(engine, collections, collection)
    return ForeignTable(engine, framework, table, label, dimension, found_id)


def _check_columns(engine: sa.Engine, framework: Framework, table: TableName) -> int:
    """Check that a table is one of the package's; return the dimension of its vectors."""
    rows = read_snapshot(
        engine, lambda c: c.execute(sa.text(_SQL["columns"]), table._asdict()).all()
    )
    types = {row.name: str(row.type) for row in rows}
    shown = f"{table.database}.{table.table}"
    if not types:
        raise StoreError(
            f"There is no table {shown} that this account may read. Name the one that "
            f"{PACKAGES[framework]} has written: --table"
        )
    if missing := [name for name in _COLUMNS[framework] if name not in types]:
        raise StoreError(
            f"{shown} lacks the columns {', '.join(missing)}, which a table of "
            f"{PACKAGES[framework]} has. Where they have other names, make a view that gives them "
            "these, and name the view."
        )
    dimension = _VECTOR.fullmatch(types["embedding"])
    if dimension is None:
        raise StoreError(f"{shown} has {types['embedding']} as embedding, which is no vector.")
    return int(dimension[1])


def _find_collection(
    engine: sa.Engine, collections: TableName, label: str | None
) -> tuple[str, str]:
    statement = sa.text(_SQL["langchain_collections"].format(collections=collections.quote()))
    rows = read_snapshot(engine, lambda c: c.execute(statement).all())
    known = {str(row.label): str(row.id) for row in rows}
    if label is None and len(known) == 1:
        label = next(iter(known))
    if label is None or label not in known:
        asked = "Several collections are there" if label is None else f"There is no {label!r}"
        raise StoreError(
            f"{asked}; name one of these: --collection. There are "
            f"{', '.join(map(repr, known)) or 'none'}."
        )
    return known[label], label


def _make_row(framework: Framework, row: Any) -> ForeignRow:
    metadata = from_json(row.metadata) if row.metadata else {}
    if not isinstance(metadata, dict):
        raise StoreError(f"The row {row.id!r} has metadata that are no JSON object.")
    node = _make_text_node(framework, row.id, row.text or "", metadata)
    node.embedding = vectors.from_bytes(row.embedding) if row.embedding else None
    return ForeignRow(str(row.id), node)


def _make_text_node(
    framework: Framework, id_: str, text: str, metadata: dict[str, Any]
) -> TextNode:
    """Make a node whose text for the embedding model is what the package had embedded."""
    match framework:
        case "langchain" | "haystack":
            hidden = list(metadata)
            return TextNode(text=text, metadata=metadata, excluded_embed_metadata_keys=hidden)
        case "llamaindex":
            try:
                node = metadata_dict_to_node(metadata, text)
            except ValueError as error:
                raise StoreError(f"The row {id_!r} holds no node of LlamaIndex.") from error
            if not isinstance(node, TextNode):
                kind = type(node).__name__
                raise StoreError(f"The row {id_!r} is a {kind} of LlamaIndex, which is no text.")
            return node
        case _:
            assert_never(framework)


def follows(node: TextNode, other: ForeignRow) -> bool:
    """Whether a node of LlamaIndex says that another row is the piece behind it."""
    related = node.relationships.get(NodeRelationship.NEXT)
    return related is not None and not isinstance(related, list) and related.node_id == other.id
