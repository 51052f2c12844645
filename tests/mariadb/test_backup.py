"""A backup brings everything back on another database, and nothing else ever."""

import pytest
import sqlalchemy as sa
from pathlib import Path
from collections.abc import Iterator
from uuid import uuid4

from nodes import DIMENSION, nearest_to, node
from stores import MariaDBVectorStore, make_engine
from stores.backup.restore import restore_backup
from stores.backup.write import UploadedFiles, write_backup
from stores.private_server import PrivateServer
from stores.registry.schema import migrate


def dump(engine: sa.Engine) -> dict[str, list]:
    with engine.connect() as connection:
        names = [name for (name,) in connection.exec_driver_sql("SHOW TABLES")]
        return {
            name: [
                connection.exec_driver_sql(f"SHOW CREATE TABLE `{name}`").one()[1],
                sorted(map(repr, connection.exec_driver_sql(f"SELECT * FROM `{name}`"))),
            ]
            for name in names
        }


def test_x(engine, tmp_path, database, administration, server):
    migrate(engine)
    store = MariaDBVectorStore(engine, "kb_chunk", embed_dim=DIMENSION)
    store.add([node("a"), node("b")])
    up = UploadedFiles(tmp_path / "up", "uploads")
    write_backup(engine, tmp_path / "b.zip", up, kb_version="1")
    name = f"test_{uuid4().hex[:12]}"
    with administration.connect() as c:
        c.exec_driver_sql(f"CREATE DATABASE {name}")
    other = make_engine(server.url(name))
    restore_backup(other, tmp_path / "b.zip", up)
    assert dump(other) == dump(engine)
    restore_backup(other, tmp_path / "b.zip", up, replace=True)
    assert dump(other) == dump(engine)
    with administration.connect() as c:
        print(c.exec_driver_sql("SHOW DATABASES").all())
        c.exec_driver_sql(f"DROP DATABASE {name}")
    other.dispose()
