"""Taking an export into a base: what is there stays, and what broke off is gone on with.

A document is written in one transaction, a session in another. What is there in the same content
is left, so that an import may run again; what is there in another one is replaced only on request.
"""

import secrets
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from string import Formatter
from types import SimpleNamespace
from typing import Any, BinaryIO, Final, Protocol
from zipfile import BadZipFile, ZipFile

import sqlalchemy as sa
from llama_index.core.schema import BaseNode, TextNode

from stores.backup.archive import OnProgress, Progress, SavedUpload, copy_upload
from stores.chunks.chunk_rows import node_to_row, row_to_node
from stores.chunks.chunk_table import ChunkTable
from stores.chunks.vector_index import build_index_after
from stores.connection import read_snapshot, run_transaction
from stores.errors import RootConflict, StoreError, VerifiedQueryConflict
from stores.moves.move_file import (
    MoveManifest,
    Part,
    SavedChunk,
    SavedDocument,
    SavedOriginal,
    SavedRoot,
    read_items,
)
from stores.moves.session_lines import (
    Item,
    drop_memory,
    is_of_session,
    put_session,
    read_items_of,
    read_session_lines,
    remove_session,
)
from stores.plain_json import write_plain_json
from stores.registry.access import give_groups
from stores.registry.document_registry import (
    DocumentRegistry,
    IndexedDocument,
    KnownDocument,
    StorableDocument,
    chunk_prefix,
    document_id,
)
from stores.registry.document_registry import Part as DocumentPart
from stores.sql import statements
from stores.text.translations import Message
from stores.verified_queries import Editor, VerifiedQueries, VerifiedQuery, row_to_query

TAKING_IN: Final = Message("Taking in")
_SQL = statements("moves.sql")
_CHUNKS_TOGETHER: Final = 500
_TEMPLATES: Final = {"metadata_template", "text_template"}  # of a LlamaIndex node
_PLACES: Final = {"key", "value", "metadata_str", "content"}

Embed = Callable[[list[TextNode]], None]


class PutOriginal(Protocol):
    """Puts an uploaded file where such files are, if it may also in the place of another one."""

    def __call__(
        self, connection: sa.Connection, saved: SavedOriginal, source: BinaryIO, *, replace: bool
    ) -> None: ...


@dataclass
class ImportReport:
    """How many of each kind were written and left; `refused` names what is there in other words."""

    documents: int = 0
    uploads: int = 0
    sessions: int = 0
    verified: int = 0
    left: int = 0
    refused: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Choices:
    """What of an export is taken in, and how.

    `names` are roots by their names in the export, `directories` by those in the base. Without
    `replace` what is there in another content stays, and is refused.
    """

    parts: Collection[Part]
    replace: bool = False
    names: Mapping[str, str] = field(default_factory=dict)
    directories: Mapping[str, str] = field(default_factory=dict)

    def name_root(self, name: str) -> str:
        return self.names.get(name, name)


@dataclass(frozen=True)
class Target:
    """The base that an export is taken into; `embed` gives chunks the vectors of another model."""

    registry: DocumentRegistry
    memory: ChunkTable
    uploads_root: str
    put_original: PutOriginal
    find_original: Callable[[str], bytes | None]
    embed: Embed | None = None

    @property
    def engine(self) -> sa.Engine:
        return self.registry.engine


def take_in(
    archive: ZipFile,
    manifest: MoveManifest,
    target: Target,
    choices: Choices,
    *,
    on_progress: OnProgress = lambda *_: None,
    say: Callable[[str], None] = lambda _: None,
) -> ImportReport:
    """Take in what is chosen of an export that was checked. Raises RootConflict, StoreError."""
    report = ImportReport()
    parts = [part for part in manifest.parts if part in choices.parts]
    total = sum(manifest.parts[part].lines for part in parts)
    progress = Progress(on_progress, TAKING_IN, total)

    with ExitStack() as opened:

        def read(part: Part) -> Iterator[Item]:
            for item in opened.enter_context(closing(read_items(archive, manifest, part))):
                yield item
                progress.advance()

        if "documents" in parts:
            _check_roots(target.registry, manifest.roots, target.uploads_root, choices)
            files = {upload.path: upload for upload in manifest.uploads}
            expected = manifest.parts["documents"].lines
            with (
                target.registry.warm_up_after(),
                build_index_after(target.engine, target.registry.table, expected, say),
            ):
                for root, items in _group_by_head(read("documents"), "root"):
                    _RootImport(archive, files, target, choices, report, root).take_in(items, say)
        if "sessions" in parts:
            _take_in_sessions(read("sessions"), target, choices, report)
        if "verified" in parts:
            _take_in_verified(read("verified"), target.engine, choices, report)
    return report


def _group_by_head(items: Iterator[Item], head: str) -> Iterator[tuple[Any, Iterator[Item]]]:
    """Group lines behind each one of a kind; what is not read of a group is passed over."""
    following = next(items, None)

    def read_rest() -> Iterator[Item]:
        nonlocal following
        while (following := next(items, None)) is not None and following[0] != head:
            yield following

    while following is not None:
        kind, first = following
        if kind != head:
            raise BadZipFile(f"a {kind} belongs to no {head}")
        rest = read_rest()
        yield first, rest
        for _ in rest:
            pass


def _check_roots(
    registry: DocumentRegistry, roots: Iterable[SavedRoot], uploads: str, choices: Choices
) -> None:
    """Raise RootConflict when a root of the export has the name of another one in the base."""
    exported = {choices.name_root(root.name): root for root in roots}
    if unknown := choices.names.keys() - {root.name for root in exported.values()}:
        raise RootConflict(f"The export has no root {min(unknown)!r} that could be renamed.")
    if unknown := choices.directories.keys() - exported.keys():
        raise RootConflict(f"No root {min(unknown)!r} is imported that could have a directory.")
    for name, root in exported.items():
        here = registry.find_root_path(name)
        there = choices.directories.get(name, root.directory)
        if here is None or name == uploads or here == there:
            continue
        raise RootConflict(
            f"{name!r} is the name of the directory {here} here, and the export has it of "
            f"{there or 'no directory'}. Import it under another name: --rename {root.name}=NAME; "
            f"or, if it is the same: --directory {name}={here}"
        )


@dataclass
class _RootImport:
    """The import of one root, which nobody else changes meanwhile."""

    archive: ZipFile
    files: Mapping[str, SavedUpload]
    target: Target
    choices: Choices
    report: ImportReport
    root: SavedRoot
    known: dict[str, KnownDocument] = field(init=False)
    waiting: list[StorableDocument] = field(default_factory=list)
    refused_uploads: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        return self.choices.name_root(self.root.name)

    @property
    def registry(self) -> DocumentRegistry:
        return self.target.registry

    def take_in(self, items: Iterator[Item], say: Callable[[str], None]) -> None:
        notices = [
            Message("Another run is indexing {root!r}; waiting until it is done.", root=self.name)
        ]

        def tell_once() -> None:
            while notices:
                say(notices.pop())

        with self.registry.hold_root(self.name, tell_once):
            here = self.registry.find_root_path(self.name)
            self.registry.set_root(self.name, self.choices.directories.get(self.name, here))
            self.known = self.registry.find_known(self.name)
            uploads = []
            for kind, item in items:
                if kind == "upload":
                    uploads.append(item)
                elif kind == "document":
                    self._take_in_uploads(uploads)
                    chunks = (next(items)[1] for _ in range(item.chunks))
                    self._take_in_document(item, chunks)
            self._take_in_uploads(uploads)
            self._write_waiting()

    def _take_in_uploads(self, originals: list[SavedOriginal]) -> None:
        while originals:
            original = originals.pop()
            if self.name != self.target.uploads_root:
                raise RootConflict(
                    f"Uploaded files are those of the root {self.target.uploads_root!r}, which "
                    "can have no other name."
                )
            there = self.target.find_original(original.path)
            if there is not None and there.hex() == original.sha256:
                self.report.left += 1
            elif there is not None and not self.choices.replace:
                self.refused_uploads.add(original.path)
                self.report.refused.append(f"{self.name}/{original.path}")
            else:
                self._put_original(original)
                self.report.uploads += 1

    def _put_original(self, original: SavedOriginal) -> None:
        with tempfile.TemporaryFile() as unpacked:
            copy_upload(self.archive, self.files[original.sha256], unpacked)

            def put(connection: sa.Connection) -> None:
                unpacked.seek(0)
                self.target.put_original(
                    connection, original, unpacked, replace=self.choices.replace
                )

            run_transaction(self.target.engine, put)

    def _take_in_document(self, saved: SavedDocument, chunks: Iterator[SavedChunk]) -> None:
        if saved.root != self.root.name:
            raise BadZipFile(f"the document {saved.path!r} is below another root")
        former = self.known.get(saved.path)
        if self._is_there(saved, former):
            self.report.left += 1
        elif self._is_refused(saved, former):
            if saved.path not in self.refused_uploads:
                self.report.refused.append(f"{self.name}/{saved.path}")
        else:
            self._write_document(saved, former, chunks)
            self.report.documents += 1
        for _ in chunks:
            pass

    def _is_there(self, saved: SavedDocument, former: KnownDocument | None) -> bool:
        if former is None:
            return False
        if saved.chunks == 0:
            return True
        is_same = former.content_hash == saved.content_hash
        return is_same and former.chunks == former.stored == saved.chunks

    def _is_refused(self, saved: SavedDocument, former: KnownDocument | None) -> bool:
        if self.choices.replace:
            return False
        if saved.path in self.refused_uploads:
            return True
        if former is None or not former.stored:
            return False
        return former.content_hash not in (None, saved.content_hash)

    def _write_document(
        self, saved: SavedDocument, former: KnownDocument | None, chunks: Iterator[SavedChunk]
    ) -> None:
        document = self._make_document(saved, former)
        if groups := saved.groups:
            run_transaction(self.target.engine, lambda c: give_groups(c, document.id, groups))
        if saved.chunks:
            self._write_parts(document, saved, chunks)
        if saved.status == "failed":
            self._write_waiting()
            reason = saved.reason or ""
            self.registry.fail(
                self.name, saved.path, reason, saved.failed_hash, known_id=document.id
            )

    def _make_document(self, saved: SavedDocument, former: KnownDocument | None) -> IndexedDocument:
        return IndexedDocument(
            id=former.id if former else self._choose_id(saved),
            root=self.name,
            path=saved.path,
            content_hash=saved.content_hash,
            size=saved.size or 0,
            modified_at=saved.modified_at,
            media_type=saved.media_type or "",
            title=saved.title or "",
            language=saved.language or "",
        )

    def _choose_id(self, saved: SavedDocument) -> str:
        """Choose an id that no other document has: the former one, so that chats still name it."""
        place = {"root": self.name, "path": saved.path}
        own = document_id(self.name, saved.path)
        for chosen in (saved.id, own) if self.name == saved.root else (own,):
            values = {"id": chosen, **place}
            if not read_snapshot(
                self.target.engine,
                lambda c, values=values: c.scalar(sa.text(_SQL["other_place"]), values),  # type: ignore[misc]  # bound now
            ):
                return chosen
        return secrets.token_hex(16)

    def _write_parts(
        self, document: IndexedDocument, saved: SavedDocument, chunks: Iterator[SavedChunk]
    ) -> None:
        """Write a document: at once, or part by part as it was indexed."""
        number, done, part = 0, 0, list[BaseNode]()
        for chunk in chunks:
            of = _read_part_number(chunk.id)
            if of < number:
                raise BadZipFile(f"the chunks of {saved.path!r} are in no order")
            for each in range(number, of):
                done += len(part)
                self._write_part(document, part, DocumentPart(each, done, is_last=False))
                part = []
            number = of
            if chunk.metadata.get("root") == saved.root:
                chunk.metadata["root"] = self.name
            part.append(_make_node(chunk, f"{document.id}:", saved.id, document.id))
        last = DocumentPart(number, done + len(part), is_last=True)
        self._write_part(document, part, last if number else None)

    def _write_part(
        self, document: IndexedDocument, nodes: list[BaseNode], part: DocumentPart | None
    ) -> None:
        if self.target.embed:
            self.target.embed([node for node in nodes if isinstance(node, TextNode)])
        self.waiting.append(self.registry.prepare(document, nodes, part))
        if part or sum(len(each.rows) for each in self.waiting) >= _CHUNKS_TOGETHER:
            self._write_waiting()

    def _write_waiting(self) -> None:
        if self.waiting:
            self.registry.replace_all(self.waiting)
            self.waiting = []


def _read_part_number(chunk_id: str) -> int:
    """Read of which part of its document a chunk is. Raises BadZipFile."""
    part, _, number = chunk_id.rpartition(":")
    try:
        of = int(part.removeprefix("p")) if part else 0
        if f"{chunk_prefix('', of)}{int(number):05d}" == f":{chunk_id}":
            return of
    except ValueError:
        pass
    raise BadZipFile(f"{chunk_id!r} is the id of no chunk")


def _make_node(chunk: SavedChunk, prefix: str, former: str, document: str | None) -> BaseNode:
    """Make the node of a chunk, which may have another document than before."""
    row = SimpleNamespace(
        chunk_id=f"{prefix}{chunk.id}",
        document_id=document,
        text=chunk.text,
        metadata=write_plain_json(chunk.metadata),
        node=write_plain_json(chunk.node),
        embedding=chunk.vector,
    )
    try:
        for name in _TEMPLATES & chunk.node.keys():
            _check_template(chunk.node[name])
        node = row_to_node(row, embedding=True)
        for related in node.relationships.values():
            for one in related if isinstance(related, list) else [related]:
                if document and one.node_id.startswith(former):
                    one.node_id = document + one.node_id.removeprefix(former)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadZipFile(f"the chunk {row.chunk_id!r} is none") from error
    return node


def _check_template(template: str) -> None:
    """Raise ValueError for a template that does more than to put a text in its place."""
    for _, name, width, conversion in Formatter().parse(template):
        if name is not None and (name not in _PLACES or width or conversion):
            raise ValueError(template)


def _take_in_sessions(
    items: Iterator[Item], target: Target, choices: Choices, report: ImportReport
) -> None:
    run_transaction(target.engine, target.memory.set_up)
    for session, rest in _group_by_head(items, "session"):
        lines = [("session", session), *rest]
        if target.embed:
            lines = drop_memory(lines)
        _check_memory(lines, session)
        work = partial(_put_session_apart, target=target, lines=lines, replace=choices.replace)
        try:
            written = run_transaction(target.engine, work)
        except (KeyError, ValueError) as error:
            raise BadZipFile(f"the session {session.get('id')!r} is none") from error
        if written is None:
            report.refused.append(Message("the session {id}", id=session["id"]))
        else:
            report.sessions += written
            report.left += not written


def _check_memory(lines: list[Item], session: Any) -> None:
    for kind, value in lines:
        if kind == "memory" and not is_of_session(value, session):
            raise BadZipFile(f"the memory {value.id!r} is of another session")


def _put_session_apart(
    connection: sa.Connection, *, target: Target, lines: list[Item], replace: bool
) -> bool | None:
    """Write a session; False when it is there as it is, None when it is there in other words."""
    session = lines[0][1]["id"]
    if connection.scalar(sa.text(_SQL["lock_session"]), {"session": session}) is not None:
        there = read_items_of(read_session_lines(connection, session, target.memory))
        if (drop_memory(there) if target.embed else there) == lines:
            return False
        if not replace:
            return None
        remove_session(connection, session, target.memory)
    put_session(connection, lines)
    memories = [value for kind, value in lines if kind == "memory"]
    nodes = [_make_node(chunk, "", "", None) for chunk in memories]
    target.memory.put(connection, [node_to_row(node, target.memory.dimension) for node in nodes])
    return True


def _take_in_verified(
    items: Iterator[Item], engine: sa.Engine, choices: Choices, report: ImportReport
) -> None:
    queries = VerifiedQueries(engine)
    for _, row in items:
        query = _read_query(row)
        with suppress(StoreError):
            if queries.one(query.name) == query:
                report.left += 1
                continue
        by = Editor(query.key or query.verified_by, is_key=query.key is not None)
        try:
            queries.save(query, by, replace=choices.replace)
        except VerifiedQueryConflict as error:
            report.refused.append(
                Message("the verified query {name} ({reason})", name=query.name, reason=error)
            )
        else:
            report.verified += 1


def _read_query(row: dict[str, Any]) -> VerifiedQuery:
    try:
        verified_at = date.fromisoformat(row["verified_at"])
        return row_to_query(SimpleNamespace(**{**row, "verified_at": verified_at}))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BadZipFile("a verified query is none") from error
