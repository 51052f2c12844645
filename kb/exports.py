"""Exports of a knowledge base: what it holds, in a file that any other takes in.

Importing it brings no LlamaIndex, which takes seconds.
"""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import sqlalchemy as sa

from kb.backups import find_upload_directory
from kb.config.sections import Config
from stores.backup.archive import OnProgress
from stores.errors import StoreError
from stores.moves.export import ExportReport, write_export
from stores.moves.move_file import Part
from stores.registry.collection import find_collection


def export_base(
    engine: sa.Engine,
    config: Config,
    file: Path,
    parts: Sequence[Part],
    *,
    force: bool = False,
    on_progress: OnProgress = lambda *_: None,
) -> ExportReport:
    """Write parts of an open base into a file. Raises StoreError, StoreUnavailable."""
    collection = find_collection(engine)
    if collection is None:
        raise StoreError("There is nothing to export: nothing was indexed yet.")
    return write_export(
        engine,
        collection,
        file,
        find_upload_directory(config),
        parts=parts,
        kb_version=version("mariadb-kb"),
        force=force,
        on_progress=on_progress,
    )
