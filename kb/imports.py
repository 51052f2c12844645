"""Imports of an export into the knowledge base of a configuration, in the vectors that it has."""

import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import sqlalchemy as sa
from llama_index.core.base.embeddings.base import BaseEmbedding

from engines.chat.memory import FILTER_KEYS
from kb.assembly.access_rules import open_access_rules
from kb.assembly.model_choice import choose_embedding_of
from kb.assembly.models import embedding_identity, make_embedder
from kb.assembly.open_collection import open_store
from kb.assembly.open_database import open_database
from kb.catalogue import UPLOADS
from kb.config.sections import Config
from kb.indexing.embed import ChunkEmbedder
from kb.indexing.secret_files import why_secret
from kb.shared_uploads import SharedDirectory, find_shared_directory
from stores.backup.archive import OnProgress
from stores.backup.uploads import find_place
from stores.chunks.chunk_table import ChunkTable
from stores.errors import CollectionMismatch, StoreError
from stores.moves.move_file import MoveManifest, SavedOriginal, check_export, open_export
from stores.moves.take_in import Choices, ImportReport, Target, take_in
from stores.registry.document_registry import DocumentRegistry
from stores.registry.embedding_cache import EmbeddingCache
from stores.uploaded_files import UploadedFiles, hash_pieces


def import_base(
    file: Path,
    config: Config,
    choices: Choices,
    *,
    embed_again: bool = False,
    on_progress: OnProgress = lambda *_: None,
    say: Callable[[str], None] = lambda _: None,
) -> ImportReport:
    """Take what is chosen of an export into the base of a configuration, begun if there is none.

    All of the file is checked first; until then nothing changes. What was taken in when an import
    breaks off stays, and is left by the next. Raises ConfigError, CollectionMismatch, RootConflict,
    StoreError, ModelUnavailable.
    """
    with open_export(file) as (archive, manifest):
        engine = open_database(config, say)
        try:
            if config.next_embedding.provider:
                config = choose_embedding_of(engine, config)
            embed_model = make_embedder(config)
            is_same = embedding_identity(config, embed_model) == manifest.embedding_model
            if not is_same and not embed_again and "documents" in choices.parts:
                _refuse_model(manifest, embedding_identity(config, embed_model))
            check_export(archive, manifest, on_progress, _check_path)
            target = _open_target(engine, config, embed_model, manifest if is_same else None)
            return take_in(archive, manifest, target, choices, on_progress=on_progress, say=say)
        finally:
            engine.dispose()


def _refuse_model(manifest: MoveManifest, here: str) -> None:
    if "documents" in manifest.parts:
        raise CollectionMismatch(
            f"The export holds vectors of the embedding model {manifest.embedding_model}; "
            f"config.yaml names {here}. Their vectors do not compare. Name the other model in "
            "`embedding`, or have all texts embedded again: --embed-again"
        )


def _check_path(path: str) -> None:
    """Raise StoreError for what would show somebody another file as its original."""
    parts = PurePosixPath(path).parts
    if "\0" in path or any(part in ("/", "..") for part in parts):
        raise StoreError(f"The export holds a path that leads out of its root: {path!r}.")
    if why := why_secret(PurePosixPath(path).name):
        raise StoreError(f"The export holds {path!r}, which is no document: {why}.")


def _open_target(
    engine: sa.Engine, config: Config, embed_model: BaseEmbedding, same: MoveManifest | None
) -> Target:
    """Open the base; with an export of the `same` model it is not even asked for its dimension."""
    store, collection = open_store(engine, config, embed_model, same.dimension if same else None)
    if same and collection.dimension != same.dimension:
        raise CollectionMismatch(
            f"The export holds vectors of {same.dimension} dimensions, this base of "
            f"{collection.dimension}. Set embedding.dimensions to the same."
        )
    cache = EmbeddingCache(engine, collection.embedding_model, collection.dimension, store.table)
    originals = _Originals(UploadedFiles(engine), find_shared_directory(engine, config))
    return Target(
        DocumentRegistry(engine, store.table, open_access_rules(engine, config)),
        ChunkTable(
            collection.memory_table, collection.dimension, filter_keys=FILTER_KEYS, words="none"
        ),
        UPLOADS,
        originals.put,
        originals.find_hash,
        embed=None if same else ChunkEmbedder(embed_model, cache).embed_chunks,
    )


@dataclass(frozen=True)
class _Originals:
    """Uploaded files where this base keeps them: in its database, or in a directory."""

    kept: UploadedFiles
    shared: SharedDirectory | None

    def find_hash(self, path: str) -> bytes | None:
        """Find the hash of the file of a path; None when there is none."""
        if self.shared is None:
            known = self.kept.find(path)
            return known.sha256 if known else None
        place = _locate(self.shared, path)
        if not place.is_file():
            return None
        with place.open("rb") as source:
            return hash_pieces(source)

    def put(
        self, connection: sa.Connection, saved: SavedOriginal, source: BinaryIO, *, replace: bool
    ) -> None:
        """Put a file in its place; StoreError when another one is there and shall stay."""
        try:
            if self.shared is None:
                when = saved.modified_at
                self.kept.put(connection, saved.path, source, replace=replace, modified_at=when)
            else:
                self.shared.require_shared()
                _put_file(_locate(self.shared, saved.path), source, saved, replace=replace)
        except FileExistsError as error:
            raise StoreError(f"Another file was uploaded as {saved.path!r} meanwhile.") from error


def _locate(shared: SharedDirectory, path: str) -> Path:
    place = find_place(shared.path, path)
    if place is None:
        raise StoreError(f"The path of the uploaded file {path!r} leads out of {shared.path}.")
    return place


def _put_file(place: Path, source: BinaryIO, saved: SavedOriginal, *, replace: bool) -> None:
    """Write a file beside its place, and put it there whole. Raises FileExistsError."""
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=".", suffix=".part", dir=place.parent)
    part = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as target:
            shutil.copyfileobj(source, target)
        modified = saved.modified_at.replace(tzinfo=UTC).timestamp()
        os.utime(part, (modified, modified))
        if replace:
            part.replace(place)
        else:
            os.link(part, place)
    finally:
        part.unlink(missing_ok=True)
