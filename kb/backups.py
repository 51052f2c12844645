"""Backups of a knowledge base: its whole database and its uploaded files, in one file."""

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import sqlalchemy as sa

from kb.assembly.open_database import open_database
from kb.catalogue import UPLOADS
from kb.config.loading import load_config
from kb.config.sections import Config
from stores.backup.archive import OnProgress
from stores.backup.restore import RestoreReport, restore_backup
from stores.backup.write import BackupReport, UploadDirectory, write_backup
from stores.connection import read_server_info


def back_up(
    engine: sa.Engine,
    config: Config,
    file: str | Path,
    *,
    force: bool = False,
    on_progress: OnProgress = lambda *_: None,
) -> BackupReport:
    """Write a backup of an open database; its tables stay as they are, of whichever version.

    Raises StoreError, StoreUnavailable, UnsupportedServer.
    """
    read_server_info(engine)
    return write_backup(
        engine,
        Path(file),
        find_upload_directory(config),
        kb_version=version("mariadb-kb"),
        force=force,
        on_progress=on_progress,
    )


def find_upload_directory(config: Config) -> UploadDirectory:
    """Find where uploaded files lie that the database does not keep."""
    return UploadDirectory(config.serve.uploads or config.former_uploads, UPLOADS)


def restore(
    file: str | Path,
    config: Config | str | Path | None = None,
    *,
    replace: bool = False,
    on_progress: OnProgress = lambda *_: None,
    say: Callable[[str], None] = lambda _: None,
) -> RestoreReport:
    """Restore a backup into the database of a configuration, which is to be empty.

    With `replace` the tables of the backup take the place of those that are there; tables that are
    not kb's own stay where the backup has none of their name. All is compared with the backup
    first; until then nothing changes. Raises ConfigError, StoreError, StoreUnavailable.
    """
    config = config if isinstance(config, Config) else load_config(config)
    engine = open_database(config, say)
    try:
        read_server_info(engine)
        return restore_backup(
            engine,
            Path(file),
            find_upload_directory(config),
            replace=replace,
            on_progress=on_progress,
        )
    finally:
        engine.dispose()
