"""The file of an export: a zip of lines of JSON that other versions and programs can read.

    README.txt           how to read it
    manifest.json        what is in it: versions, the embedding model, counts and checksums
    documents.jsonl      roots, uploaded files, documents, each followed by its chunks with vectors
    sessions.jsonl       sessions, each followed by its turns, messages, feedback and memory
    verified.jsonl       verified queries that were saved
    uploads/SHA256       the bytes of an uploaded file

A backup holds tables as they are; this holds what they mean, so that it goes into a base that has
other documents, and into later versions. Whoever wrote a file may wish a base ill: every line is
held against its model, and all of it against its checksums, before anything of it is used.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from datetime import datetime
from io import BufferedReader
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias
from zipfile import BadZipFile, ZipFile, ZipInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json, to_json

from stores.backup.archive import (
    MANIFEST,
    OnProgress,
    Progress,
    SavedUpload,
    copy_upload,
    find_member,
    translate_archive_errors,
)
from stores.errors import StoreError
from stores.text.translations import Message

FORMAT: Final = 1
CHECKING: Final = Message("Checking")
EXPLANATION: Final = """\
An export of kb (https://pypi.org/project/mariadb-kb/), format 1. `kb import FILE` reads it; so can
anybody else. Everything is UTF-8, each line of a .jsonl file is a JSON object of one key, which
says what its value is:

documents.jsonl  {"root": ...}, then its {"upload": ...} and its documents: {"document": ...} and as
                 many {"chunk": ...} as its `chunks` says. The id of a chunk is the id of its
                 document, a colon and what is written here. `embedding` is base64 of its numbers as
                 little-endian floats of four bytes; `node` is what LlamaIndex knows of it beyond
                 text and metadata.
sessions.jsonl   {"session": ...}, then its {"turn": ...}, {"message": ...}, {"feedback": ...} and
                 {"memory": ...}, which are chunks.
verified.jsonl   {"verified": ...}
uploads/         uploaded files by the SHA-256 of their bytes
manifest.json    the embedding model; of each .jsonl its lines and its SHA-256; the uploaded files

Times are UTC. Keys and passwords are not in it.
"""
LONGEST_LINE: Final = 2**26
_LARGEST_MANIFEST: Final = 2**26
# No text and no vector packs tighter than this; a file that does is made to fill memory or disks.
_TIGHTEST: Final = 200
_SMALL_ENOUGH: Final = 2**24
_PIECE: Final = 2**20

Part: TypeAlias = Literal["documents", "sessions", "verified"]
Hash: TypeAlias = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
RootName: TypeAlias = Annotated[str, Field(min_length=1, max_length=190)]
GroupName: TypeAlias = Annotated[str, Field(min_length=1, max_length=190)]
Number: TypeAlias = Annotated[int, Field(ge=0, lt=2**63)]


class _Saved(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SavedRoot(_Saved):
    """A root, and the directory that it was on the machine where it was exported."""

    name: RootName
    directory: str | None
    documents: Number


class SavedOriginal(_Saved):
    """An uploaded file, whose bytes are in the archive by their hash."""

    path: Annotated[str, Field(min_length=1, max_length=700)]
    sha256: Hash
    modified_at: datetime


class SavedDocument(_Saved):
    """A document; `content_hash` is None while a part of it is still to be indexed."""

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    root: RootName
    path: Annotated[str, Field(min_length=1, max_length=16_000)]
    status: Literal["indexed", "failed"]
    reason: Annotated[str, Field(max_length=2000)] | None
    content_hash: Hash | None
    failed_hash: Hash | None
    size: Number | None
    modified_at: datetime | None
    media_type: Annotated[str, Field(max_length=190)] | None
    title: Annotated[str, Field(max_length=16_000)] | None
    language: Annotated[str, Field(max_length=16)] | None
    chunks: Number
    groups: list[GroupName] | None = None


class SavedChunk(_Saved):
    """A chunk; `id` is what follows that of its document, or the whole id in a memory."""

    id: Annotated[str, Field(min_length=1, max_length=512)]
    text: str
    metadata: dict[str, Any]
    node: dict[str, Any]
    embedding: str

    @property
    def vector(self) -> bytes:
        """The bytes of the vector. Raises ValueError."""
        return base64.b64decode(self.embedding, validate=True)


class SavedPart(_Saved):
    """A .jsonl file: how many lines it has, and its hash."""

    lines: Number
    sha256: Hash


class MoveManifest(_Saved):
    """What is in an export; of which kb and of which embedding model it is."""

    format: int
    kb: str
    made_at: str
    embedding_model: str
    dimension: Annotated[int, Field(ge=1, le=16383)]
    roots: list[SavedRoot]
    parts: dict[Part, SavedPart]
    uploads: list[SavedUpload]


_MODELS: Final[dict[str, type[BaseModel]]] = {
    "root": SavedRoot,
    "upload": SavedOriginal,
    "document": SavedDocument,
    "chunk": SavedChunk,
    "memory": SavedChunk,
}
_KINDS: Final[dict[Part, tuple[str, ...]]] = {
    "documents": ("root", "upload", "document", "chunk"),
    "sessions": ("session", "turn", "message", "feedback", "memory"),
    "verified": ("verified",),
}


def write_item(kind: str, values: object) -> bytes:
    """Write a line, without its break."""
    return to_json({kind: values})


def make_chunk(row: Any, chunk_id: str) -> SavedChunk:
    """Make what is saved of the row of a chunk."""
    return SavedChunk(
        id=chunk_id,
        text=row.text,
        metadata=json.loads(row.metadata),
        node=json.loads(row.node),
        embedding=base64.b64encode(row.embedding).decode(),
    )


@contextmanager
def open_export(file: Path) -> Iterator[tuple[ZipFile, MoveManifest]]:
    """Open an export with what it says of itself. Raises StoreError for what is none."""
    with translate_archive_errors(file, "export"), ZipFile(file) as archive:
        yield archive, _read_manifest(archive)


def _read_manifest(archive: ZipFile) -> MoveManifest:
    try:
        said = json.loads(archive.read(_find_honest(archive, MANIFEST, _LARGEST_MANIFEST)))
        number = said["format"]
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise BadZipFile(f"{MANIFEST} is not readable") from error
    if "tables" in said:
        raise StoreError("This is a backup, and no export. `kb restore` reads it.")
    if number != FORMAT:
        raise StoreError(
            f"The export has the format {number!r}, and this kb reads {FORMAT}. Export it again "
            f"with a kb of this version, or use the one that wrote it ({said.get('kb')!r})."
        )
    try:
        return MoveManifest.model_validate(said)
    except ValidationError as error:
        raise BadZipFile(f"{MANIFEST} does not say what it should") from error


def _find_honest(archive: ZipFile, name: str, largest: int | None = None) -> ZipInfo:
    """Find a member that is not packed so as to fill what it is unpacked into."""
    found = find_member(archive, name, largest)
    if found.file_size > _SMALL_ENOUGH and found.file_size > _TIGHTEST * found.compress_size:
        raise BadZipFile(f"{name} is packed too tightly to be honest")
    return found


def read_items(
    archive: ZipFile, manifest: MoveManifest, part: Part
) -> Generator[tuple[str, Any], None, None]:
    """Read the lines of a part as their kind and value, which its model has passed.

    Raises BadZipFile when they are not those that were written, at the latest after the last one.
    Closing it closes what it reads from, wherever it is.
    """
    name, saved = f"{part}.jsonl", manifest.parts[part]
    found, number = hashlib.sha256(), 0
    with BufferedReader(archive.open(_find_honest(archive, name)), _PIECE) as lines:  # type: ignore[type-var]  # it reads as a raw one does
        while line := lines.readline(LONGEST_LINE + 1):
            number += 1
            if len(line) > LONGEST_LINE or number > saved.lines:
                raise BadZipFile(f"line {number} of {name} is too long, or one too many")
            found.update(line)
            try:
                item = _read_item(line, part)
            except (ValueError, TypeError, RecursionError) as error:
                raise BadZipFile(f"line {number} of {name} is not what it should be") from error
            yield item
    if (number, found.hexdigest()) != (saved.lines, saved.sha256):
        raise BadZipFile(f"{name} does not hold the {saved.lines} lines that were written")


def _read_item(line: bytes, part: Part) -> tuple[str, Any]:
    [(kind, values)] = from_json(line).items()
    if kind not in _KINDS[part]:
        raise ValueError(kind)
    if model := _MODELS.get(kind):
        return kind, model.model_validate(values)
    if not all(isinstance(value, str | int | float | None) for value in values.values()):
        raise TypeError(kind)
    return kind, values


def check_export(
    archive: ZipFile,
    manifest: MoveManifest,
    on_progress: OnProgress,
    check_path: Callable[[str], None] = lambda _: None,
) -> None:
    """Read a whole export, and have each path looked at.

    Raises BadZipFile unless all of it is as it was written.
    """
    progress = Progress(on_progress, CHECKING, sum(p.lines for p in manifest.parts.values()))
    uploads = {upload.path for upload in manifest.uploads}
    for part in manifest.parts:
        left = 0
        for kind, value in read_items(archive, manifest, part):
            progress.advance()
            if (kind == "chunk") != (left > 0):
                raise BadZipFile("a document has other chunks than it says")
            match value:
                case SavedDocument():
                    left = value.chunks
                    check_path(value.path)
                case SavedChunk():
                    left -= kind == "chunk"
                    _check_vector(value, manifest.dimension)
                case SavedOriginal():
                    check_path(value.path)
                    if value.sha256 not in uploads:
                        raise BadZipFile(f"the uploaded file {value.path!r} is missing")
        if left:
            raise BadZipFile("a document has other chunks than it says")
    for upload in manifest.uploads:
        _find_honest(archive, upload.file)
        copy_upload(archive, upload)


def _check_vector(chunk: SavedChunk, dimension: int) -> None:
    try:
        size = len(chunk.vector)
    except (ValueError, binascii.Error) as error:
        raise BadZipFile(f"the vector of the chunk {chunk.id!r} is none") from error
    if size != 4 * dimension:
        raise BadZipFile(f"the vector of the chunk {chunk.id!r} has another dimension")
