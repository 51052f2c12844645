"""The registry of indexed files: roots, documents, and the one way to replace a document.

Importing it brings no LlamaIndex, which takes seconds; writing a document does.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import sqlalchemy as sa

from stores.audiences import Groups
from stores.chunks.chunk_table import ChunkTable
from stores.connection import read_snapshot, run_transaction
from stores.errors import ConfigError, StoreError
from stores.registry.access import (
    AccessRules,
    Audience,
    find_id_at,
    find_place,
    give_groups,
    hold_given,
    note_change,
    read_audience_id,
    read_given,
    read_marks,
    read_stored_marks,
    set_audiences,
)
from stores.registry.contents import FailedDocument, list_failures, list_roots
from stores.registry.current_table import require_current
from stores.registry.document_counts import (
    count_totals,
    keep_counts,
    measure_language_shares,
    tidy_counts,
)
from stores.registry.root_lock import hold_root
from stores.sql import statements

if TYPE_CHECKING:
    from llama_index.core.schema import BaseNode

_SQL = {name: sa.text(sql) for name, sql in statements("registry.sql").items()}
_REASON_CHARACTERS = 2000
_CHUNKS_A_STATEMENT = 500
_MOVES_A_TRANSACTION = 500

T = TypeVar("T")


@dataclass(frozen=True)
class KnownDocument:
    """What the registry holds of a file; `chunks` is 0 when it was never indexed.

    `stored` counts the chunks that are there; `failed_hash` is of the content that could not be
    read, when reading that again would not help. `size` and `title` are of what was indexed.
    """

    id: str
    path: str
    title: str | None
    size: int | None
    status: Literal["indexed", "failed"]
    reason: str | None
    content_hash: str | None
    failed_hash: str | None
    chunks: int
    stored: int

    def is_current(self, content_hash: str) -> bool:
        """Whether this content is indexed, and nobody removed chunks of it behind our back."""
        return (
            self.status == "indexed"
            and self.content_hash == content_hash
            and self.chunks == self.stored
        )

    def has_failed(self, content_hash: str) -> bool:
        """Whether this content could not be read, and will not be."""
        return self.status == "failed" and self.failed_hash == content_hash


@dataclass(frozen=True)
class MovedDocument:
    """A document with the path that it is given, and whether it must be read again there."""

    document: KnownDocument
    path: str
    read_again: bool


@dataclass(frozen=True)
class IndexedDocument:
    """A document as it is about to be indexed; `modified_at` in UTC, None for what is no file."""

    id: str
    root: str
    path: str
    content_hash: str | None
    size: int
    modified_at: datetime | None
    media_type: str
    title: str
    language: str


@dataclass(frozen=True)
class Part:
    """A part of a document that is too large for one transaction; `chunks` counts up to its end."""

    number: int
    chunks: int
    is_last: bool


def chunk_prefix(document_id: str, part: int) -> str:
    """Return what the ids of the chunks of a part begin with, in the order of the parts.

    Those of the first part are numbered as those of a document that has but one.
    """
    return f"{document_id}:p{part:05d}:" if part else f"{document_id}:"


@dataclass(frozen=True)
class StorableDocument:
    """A document, or a part of one, with the rows of its chunks, ready to be written."""

    document: IndexedDocument
    rows: list[dict[str, Any]]
    part: Part | None = None

    @property
    def values(self) -> dict[str, Any]:
        """What the registry notes of it; a content counts as indexed from its last part on."""
        values = {**asdict(self.document), "chunks": len(self.rows)}
        if self.part:
            values["chunks"] = self.part.chunks
        if self.part and not self.part.is_last:
            values["content_hash"] = None
        return values


def document_id(root: str, path: str) -> str:
    """Make the id of a new document, which is the same wherever its root moves.

    The document keeps it when it moves itself, and with it the ids of its chunks, by which chats,
    feedback and logged searches name it.
    """
    return hashlib.sha256(f"{root}\0{path}".encode()).hexdigest()[:32]


@dataclass(frozen=True)
class DocumentRegistry:
    """The registry of one chunk table.

    With `access`, documents are for who meets its rules; with `groups`, documents are counted and
    listed that these may see.
    """

    engine: sa.Engine
    table: ChunkTable
    access: AccessRules | None = None
    groups: Groups | None = None

    def find_root_path(self, root: str) -> str | None:
        """Find where the directory of that name was last indexed; None when there is none."""
        path = self._fetch(lambda c: c.scalar(_SQL["root_path"], {"name": root}))
        return None if path is None else str(path)

    def set_root(self, root: str, path: str | None) -> None:
        """Note where the directory of that name is, None for documents that are no files."""
        self._write(lambda c: c.execute(_SQL["set_root"], {"name": root, "path": path}))

    def list_roots(self) -> list[dict[str, Any]]:
        """List name, path, indexed_at and the number of documents of each root."""
        return list_roots(self.engine, self.groups)

    def hold_root(
        self, root: str, waiting: Callable[[], None]
    ) -> AbstractContextManager[Callable[[], bool]]:
        """Be the only run that indexes a root; `waiting` is called while another one does.

        Yields a call that says whether that is still so.
        """
        return hold_root(self.engine, root, waiting)

    def find_known(self, root: str) -> dict[str, KnownDocument]:
        """Find what is known of the files of a root, by their paths."""
        statement = sa.text(_SQL["documents"].text.format(table=f"`{self.table.name}`"))
        rows = self._fetch(lambda c: c.execute(statement, {"root": root}).all())
        return {row.path: KnownDocument(**row._asdict()) for row in rows}

    @contextmanager
    def warm_up_after(self) -> Iterator[None]:
        """Have what the block wrote be searched for once, so that no question is the slower for it.

        The server forgets what its vector index has around new chunks.
        """
        last = self._fetch(self.table.find_last_key)
        yield
        with suppress(StoreError):  # what was written stands
            self._fetch(lambda c: self.table.warm_up(c, lambda: False, after=last))

    def prepare(
        self, document: IndexedDocument, nodes: Iterable["BaseNode"], part: Part | None = None
    ) -> StorableDocument:
        """Make the rows of a document or part. Raises InvalidVector or StoreError with the node."""
        from stores.chunks.chunk_rows import node_to_row  # noqa: PLC0415 - see above

        rows = [node_to_row(node, self.table.dimension) for node in nodes]
        return StorableDocument(document, rows, part)

    def replace(self, document: IndexedDocument, nodes: Iterable["BaseNode"]) -> None:
        """Replace a document in one transaction: old chunks out, new chunks in, the registry told.

        Raises InvalidVector or StoreError, and then the old version stays.
        """
        self.replace_all([self.prepare(document, nodes)])

    def replace_all(self, documents: Sequence[StorableDocument]) -> None:
        """Replace documents and parts of documents, all of them in one transaction.

        Until the last part of a document is replaced, the next run reads it again, and the other
        parts answer as they did. Raises StoreError, and then all old versions stay.
        """
        whole = [storable.document.id for storable in documents if not storable.part]
        rows = [row for storable in documents for row in storable.rows]

        def work(connection: sa.Connection) -> None:
            if self.access:
                self.access.require_current(connection)
            self._put_together(connection, documents)
            self.table.delete_documents(connection, whole)
            for storable in documents:
                if storable.part:
                    self._delete_part(connection, storable.document.id, storable.part)
            self.table.put(connection, rows)
            if self.access:
                self._set_audiences(connection, self.access, documents)

        self._transact(work)

    def apply_access(self) -> None:
        """Have all documents seen by the rules of `access`, and by no others from then on.

        Raises ConfigError when others have been applied since these were opened.
        """
        if self.access:
            self.access.apply(self.engine, self.table.name)

    def find_content_hash(self, document_id: str) -> str | None:
        """Find the hash of the content that is indexed of a document."""
        found = self._fetch(lambda c: c.scalar(_SQL["content_hash"], {"id": document_id}))
        return None if found is None else str(found)

    def read_groups(self, document_id: str) -> list[str]:
        """Read the groups that somebody gave to a document."""
        given = self._fetch(lambda c: read_given(c, [document_id]))
        return list(given.get(document_id, ()))

    def give_groups(self, document_id: str, groups: Sequence[str]) -> None:
        """Give a document groups, in the place of those that somebody gave it before.

        Whoever sees it from now on is in one of them, and meets its rule and its own marks. Raises
        ConfigError without `access`, and when other rules have been applied since.
        """
        self._transact(lambda c: self.give_groups_within(c, document_id, groups))

    def identify(self, connection: sa.Connection, root: str, path: str) -> str:
        """Return the id of the document at a place, or the one that a new one gets there."""
        if known := find_id_at(connection, root, path):
            return known
        new_id, again = document_id(root, path), path
        while find_place(connection, new_id):
            again += "\0"  # which no path has
            new_id = document_id(root, again)
        return new_id

    def give_groups_within(
        self, connection: sa.Connection, document_id: str, groups: Sequence[str]
    ) -> None:
        """Do so in a caller's transaction, also to a document that is not there yet."""
        if self.access is None:
            raise ConfigError(
                "Without `access` in config.yaml everybody sees all documents, and groups of one "
                "would close nothing. Write `access`, or give it no groups."
            )
        self.access.require_current(connection)
        place = find_place(connection, document_id)
        give_groups(connection, document_id, groups)
        if place:
            marks = read_stored_marks(connection, document_id, self.table.name)
            given = read_given(connection, [document_id]).values()
            audience = self.access.make_audience(*place, marks | {*given})
            set_audiences(connection, [(document_id, audience)])
            note_change(connection)

    def _set_audiences(
        self,
        connection: sa.Connection,
        access: AccessRules,
        documents: Sequence[StorableDocument],
    ) -> None:
        """Set who may see documents that are just written; of a part, what all parts demand."""
        audiences: list[tuple[str, Audience]] = []
        reaches_others = False
        given = hold_given(connection, [storable.document.id for storable in documents])
        for storable in documents:
            document = storable.document
            marks = read_marks(row["metadata"] for row in storable.rows)
            if document.id in given:
                marks |= {given[document.id]}
            if storable.part:  # the others are there, or were
                marks |= read_stored_marks(connection, document.id, self.table.name)
            audience = access.make_audience(document.root, document.path, marks)
            if storable.part and read_audience_id(connection, document.id) != audience.id:
                reaches_others = True
            audiences.append((document.id, audience))
        set_audiences(connection, audiences)
        if reaches_others:
            note_change(connection)

    def _put_together(
        self, connection: sa.Connection, documents: Sequence[StorableDocument]
    ) -> None:
        """Note that documents are indexed, and how many there are now."""
        values = [storable.values for storable in documents]
        connection.execute(_SQL["claim_document"], values)
        with keep_counts(connection, [each["id"] for each in values]):
            for each in values:  # the driver cannot send times with and without fractions in one go
                connection.execute(_SQL["put_document"], each)

    def _delete_part(self, connection: sa.Connection, document: str, part: Part) -> None:
        """Delete the chunks of a part, and with the last one what the document had behind it."""
        behind = f"{document}~" if part.is_last else chunk_prefix(document, part.number + 1)
        bounds = {"id": document, "first": chunk_prefix(document, part.number), "behind": behind}
        between = sa.text(_SQL["chunks_between"].text.format(table=f"`{self.table.name}`"))
        former = connection.scalars(between, bounds).all()
        for start in range(0, len(former), _CHUNKS_A_STATEMENT):
            where = self.table.make_where()
            where.require_any("chunk_id", former[start : start + _CHUNKS_A_STATEMENT])
            self.table.delete(connection, where)

    def move_all(self, moves: Sequence[MovedDocument]) -> None:
        """Give documents other paths, each together with what its chunks say of it.

        A chunk of a file inside of a document keeps the path in there. With `read_again` the
        content counts as not indexed, and it answers as it was until then.
        """
        for start in range(0, len(moves), _MOVES_A_TRANSACTION):
            some = moves[start : start + _MOVES_A_TRANSACTION]
            self._transact(partial(self._move_together, some))

    def _move_together(self, moves: Sequence[MovedDocument], connection: sa.Connection) -> None:
        chunks = sa.text(_SQL["move_chunks"].text.format(table=f"`{self.table.name}`"))
        for move in moves:
            values = {
                "id": move.document.id,
                "path": move.path,
                "inside": len(move.document.path) + 1,
                "read_again": move.read_again,
            }
            connection.execute(_SQL["move_document"], values)
            connection.execute(chunks, values)
        self.table.note_change(connection)

    def fail(
        self,
        root: str,
        path: str,
        reason: str,
        failed_hash: str | None = None,
        *,
        known_id: str | None = None,
    ) -> None:
        """Record why a file could not be indexed; what was last indexed of it stays.

        `failed_hash` is of its content, when that is what cannot be read; `known_id` that of a
        document that is known under the path, which may have moved there.
        """
        failed_id = known_id or document_id(root, path)
        values = {
            "id": failed_id,
            "root": root,
            "path": path,
            "reason": reason[:_REASON_CHARACTERS],
            "failed_hash": failed_hash,
        }

        def work(connection: sa.Connection) -> None:
            connection.execute(_SQL["fail_document"], values)
            if self.access and read_audience_id(connection, failed_id) is None:
                self.access.require_current(connection)
                given = hold_given(connection, [failed_id]).values()
                audience = self.access.make_audience(root, path, given)
                set_audiences(connection, [(failed_id, audience)])

        self._write(work)

    def remove(
        self, document_id: str, remove_file: Callable[[sa.Connection], object] = lambda _: None
    ) -> None:
        """Forget a document, and remove its file while nobody else can put one in its place."""

        def work(connection: sa.Connection) -> None:
            with keep_counts(connection, [document_id]):
                connection.execute(_SQL["remove_document"], {"id": document_id})
            connection.execute(_SQL["note_removal"], {"id": document_id})
            connection.execute(_SQL["forget_upload"], {"id": document_id})
            give_groups(connection, document_id, ())
            remove_file(connection)
            self.table.delete_document(connection, document_id)

        self._transact(work)

    def forget_root(self, root: str) -> None:
        """Forget the name of a directory of which no document is left."""
        self._write(lambda c: c.execute(_SQL["forget_root"], {"root": root}))

    def count_totals(self) -> tuple[int, int]:
        """Count documents and chunks."""
        return count_totals(self.engine, self.groups)

    def has_documents(self) -> bool:
        """Say whether any document is indexed, without counting them."""
        if self.groups is not None:
            return self.count_totals() != (0, 0)
        return bool(self._fetch(lambda c: c.scalar(_SQL["has_documents"])))

    def measure_language_shares(self) -> dict[str, float]:
        """Measure the part of the documents in each language; unknown ones are left out."""
        return measure_language_shares(self.engine, self.groups)

    def list_failures(self) -> list[FailedDocument]:
        return list_failures(self.engine, self.groups)

    def _transact(self, work: Callable[[sa.Connection], None]) -> None:
        """Run a transaction that changes documents and their chunks.

        Raises CollectionMismatch when the collection answers from another table by now.
        """

        def work_if_current(connection: sa.Connection) -> None:
            require_current(connection, self.table.name)
            work(connection)

        self.table.transact(self.engine, work_if_current)
        with suppress(StoreError):  # what was written stands; who writes next will try again
            tidy_counts(self.engine)

    def _fetch(self, work: Callable[[sa.Connection], T]) -> T:
        return read_snapshot(self.engine, work)

    def _write(self, work: Callable[[sa.Connection], Any]) -> None:
        run_transaction(self.engine, work)
