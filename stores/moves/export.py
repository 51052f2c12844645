"""Writing an export: what a base holds, as of one moment, in a form that any base takes in."""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from zipfile import ZIP_DEFLATED, ZipFile

import sqlalchemy as sa

from stores.backup.archive import MANIFEST, README, OnProgress, Progress, SavedUpload, read_pieces
from stores.backup.uploads import find_place
from stores.backup.write import UploadDirectory, refuse_file, write_beside
from stores.chunks.chunk_table import ChunkTable
from stores.connection import translate_engine_errors
from stores.errors import StoreError
from stores.moves.move_file import (
    EXPLANATION,
    FORMAT,
    MoveManifest,
    Part,
    SavedDocument,
    SavedOriginal,
    SavedPart,
    SavedRoot,
    check_export,
    make_chunk,
    open_export,
    write_item,
)
from stores.moves.session_lines import read_session_lines
from stores.registry.access import read_given
from stores.registry.collection import Collection
from stores.sql import statements
from stores.text.translations import Message
from stores.uploaded_files import UploadedFile

WRITING: Final = Message("Writing")
_SQL = statements("moves.sql")
_UPLOADS = statements("uploads.sql")
_BACKUP = statements("backup.sql")
_ROWS_AT_ONCE: Final = 500
_CHUNKS_AT_ONCE: Final = 50
_PIECE: Final = 2**18


@dataclass(frozen=True)
class ExportReport:
    """What was written; `missing` are uploaded files of a directory that are gone."""

    file: Path
    bytes: int
    manifest: MoveManifest
    missing: list[str]


@dataclass
class _Originals:
    """The uploaded files: those that lines name, and those whose bytes are in the archive."""

    named: list[SavedOriginal] = field(default_factory=list)
    stored: dict[str, SavedUpload] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)


def write_export(
    engine: sa.Engine,
    collection: Collection,
    file: Path,
    uploads: UploadDirectory,
    *,
    parts: Sequence[Part],
    kb_version: str,
    force: bool = False,
    on_progress: OnProgress = lambda *_: None,
) -> ExportReport:
    """Write parts of a base into a file, and read it again before it gets its name.

    Raises StoreError, StoreUnavailable.
    """
    refuse_file(file, force=force)
    try:
        with write_beside(file) as (target, unfinished):
            with translate_engine_errors(engine), engine.connect() as connection:
                connection.exec_driver_sql(_BACKUP["be_patient"])
                connection.exec_driver_sql(_BACKUP["begin_snapshot"])
                try:
                    with ZipFile(target, "w", ZIP_DEFLATED, compresslevel=1) as archive:
                        export = _Export(archive, connection, collection, uploads, on_progress)
                        manifest, missing = export.write(parts, kb_version)
                finally:
                    connection.invalidate()  # half of a result may wait in it
            os.fsync(target.fileno())
            with open_export(unfinished) as (archive, manifest):
                check_export(archive, manifest, on_progress)
            refuse_file(file, force=force)
            unfinished.replace(file)
    except OSError as error:
        raise StoreError(f"{file} cannot be written: {error.strerror or error}.") from error
    return ExportReport(file, file.stat().st_size, manifest, missing)


@dataclass(frozen=True)
class _Export:
    """One run: the archive that is written, and the snapshot that it is written from."""

    archive: ZipFile
    connection: sa.Connection
    collection: Collection
    uploads: UploadDirectory
    on_progress: OnProgress

    def write(self, parts: Sequence[Part], kb_version: str) -> tuple[MoveManifest, list[str]]:
        """Write everything; return the manifest and the uploaded files that are gone."""
        self.archive.writestr(README, EXPLANATION)
        made_at = datetime.now(UTC).isoformat(timespec="seconds")
        roots, originals = list[SavedRoot](), _Originals()
        if "documents" in parts:
            rows = self.connection.execute(sa.text(_SQL["roots"]))
            roots = [SavedRoot(**row._asdict()) for row in rows]
            self._take_kept(originals)
            if any(root.name == self.uploads.root for root in roots):
                self._take_files(originals, roots)
        sources: dict[Part, Callable[[], Iterator[bytes]]] = {
            "documents": lambda: self._read_documents(roots, originals.named),
            "sessions": self._read_sessions,
            "verified": self._read_verified,
        }
        manifest = MoveManifest(
            format=FORMAT,
            kb=kb_version,
            made_at=made_at,
            embedding_model=self.collection.embedding_model,
            dimension=self.collection.dimension,
            roots=roots,
            parts={part: self._write_part(part, sources[part]()) for part in parts},
            uploads=[*originals.stored.values()],
        )
        self.archive.writestr(MANIFEST, manifest.model_dump_json(indent=1))
        return manifest, originals.missing

    def _write_part(self, part: Part, lines: Iterator[bytes]) -> SavedPart:
        found, number = hashlib.sha256(), 0
        with self.archive.open(f"{part}.jsonl", "w", force_zip64=True) as member:
            piece = bytearray()  # to pack each line by itself takes as long as all the rest
            for line in lines:
                number += 1
                piece += line + b"\n"
                if len(piece) > _PIECE:
                    found.update(piece)
                    member.write(piece)
                    piece = bytearray()
            found.update(piece)
            member.write(piece)
        return SavedPart(lines=number, sha256=found.hexdigest())

    def _read_documents(
        self, roots: list[SavedRoot], originals: list[SavedOriginal]
    ) -> Iterator[bytes]:
        """Read every root with its uploaded files, its documents and their chunks."""
        progress = Progress(self.on_progress, WRITING, sum(root.documents for root in roots))
        named = [root.name for root in roots]
        if originals and self.uploads.root not in named:
            roots = [*roots, SavedRoot(name=self.uploads.root, directory=None, documents=0)]
        for root in roots:
            yield write_item("root", root)
            if root.name == self.uploads.root:
                yield from (write_item("upload", original) for original in originals)
            for document in self._list_documents(root.name):
                unsaid = None if document.groups else {"groups"}  # which former versions refuse
                yield write_item("document", document.model_dump(mode="json", exclude=unsaid))
                yield from self._read_chunks(document.id)
                progress.advance()

    def _list_documents(self, root: str) -> Iterator[SavedDocument]:
        statement = sa.text(_SQL["documents"].format(table=f"`{self.collection.chunk_table}`"))
        for status in ("indexed", "failed"):
            values = {"root": root, "status": status, "after": "", "limit": _ROWS_AT_ONCE}
            while rows := self.connection.execute(statement, values).all():
                given = read_given(self.connection, [row.id for row in rows])
                for row in rows:
                    yield SavedDocument(**row._asdict(), groups=given.get(row.id))
                values["after"] = rows[-1].id

    def _read_chunks(self, document: str) -> Iterator[bytes]:
        statement = sa.text(_SQL["chunks"].format(table=f"`{self.collection.chunk_table}`"))
        options = {"stream_results": True, "yield_per": _CHUNKS_AT_ONCE}
        rows = self.connection.execute(statement, {"id": document}, execution_options=options)
        for row in rows:
            yield write_item("chunk", make_chunk(row, row.chunk_id.removeprefix(f"{document}:")))

    def _read_sessions(self) -> Iterator[bytes]:
        memory = find_memory(self.connection, self.collection)
        values: dict[str, Any] = {"after": "", "limit": _ROWS_AT_ONCE}
        while ids := self.connection.scalars(sa.text(_SQL["sessions"]), values).all():
            for session in ids:
                yield from read_session_lines(self.connection, session, memory)
            values["after"] = ids[-1]

    def _read_verified(self) -> Iterator[bytes]:
        for row in self.connection.execute(sa.text(_SQL["saved_queries"])).mappings():
            yield write_item("verified", {**row, "verified_at": str(row["verified_at"])})

    def _take_kept(self, originals: _Originals) -> None:
        """Take along the uploaded files that the database keeps."""
        pieces = sa.text(_SQL["upload_pieces"])
        rows = self.connection.execute(sa.text(_UPLOADS["stored"]), {"path": None}).all()
        for file in (UploadedFile(**row._asdict()) for row in rows):
            options = {"stream_results": True, "yield_per": 1}
            if file.sha256.hex() not in originals.stored:
                content = self.connection.execute(
                    pieces, {"sha256": file.sha256}, execution_options=options
                )
                self._store(originals, file.sha256.hex(), content.scalars())
            originals.named.append(
                SavedOriginal(
                    path=file.path, sha256=file.sha256.hex(), modified_at=file.modified_at
                )
            )

    def _take_files(self, originals: _Originals, roots: list[SavedRoot]) -> None:
        """Take along uploaded files of a directory; those of another one are a user's own."""
        [directory] = [root.directory for root in roots if root.name == self.uploads.root]
        here = self.uploads.directory
        if directory is not None and Path(directory).resolve() != here.resolve():
            return
        kept = {original.path for original in originals.named}
        rows = self.connection.scalars(sa.text(_SQL["upload_paths"]), {"root": self.uploads.root})
        for path in rows.all():
            if path in kept:
                continue
            place = find_place(here, path)
            if place is None or not place.is_file():
                originals.missing.append(path)
                continue
            with place.open("rb") as source:
                digest = hashlib.file_digest(source, "sha256").hexdigest()
                source.seek(0)
                modified = datetime.fromtimestamp(os.fstat(source.fileno()).st_mtime, UTC)
                if digest not in originals.stored:
                    digest = self._store(originals, digest, iter(read_pieces(source)))
            modified = modified.replace(tzinfo=None)
            originals.named.append(SavedOriginal(path=path, sha256=digest, modified_at=modified))

    def _store(self, originals: _Originals, name: str, pieces: Iterator[bytes]) -> str:
        """Store bytes in the archive; return their hash, which another writer may have changed."""
        found, size, member = hashlib.sha256(), 0, f"uploads/{name}"
        with self.archive.open(member, "w", force_zip64=True) as target:
            for piece in pieces:
                found.update(piece)
                size += len(piece)
                target.write(piece)
        digest = found.hexdigest()
        originals.stored[digest] = SavedUpload(
            path=digest, file=member, bytes=size, sha256=digest, modified_ns=0
        )
        return digest


def find_memory(connection: sa.Connection, collection: Collection) -> ChunkTable | None:
    """Find the table of what sessions remember; None before the first remembers something."""
    memory = ChunkTable(collection.memory_table, collection.dimension, words="none")
    there = connection.scalar(sa.text(_SQL["has_table"]), {"table": memory.name})
    return memory if there else None
