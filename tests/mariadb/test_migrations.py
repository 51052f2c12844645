"""Every earlier version of the tables becomes the present one, also after a kill half-way."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa
from nodes import DIMENSION, node, stored_ids

from stores import MariaDBVectorStore
from stores.connection import make_engine, run_transaction
from stores.private_server import PrivateServer
from stores.registry.schema import migrate, read_migrations
from stores.registry.script import run_script, split_script

SNAPSHOT = Path(__file__).with_name("schema.sql")
SCRIPTS = read_migrations()
CREATE_VERSION = """\
CREATE TABLE kb_schema (
  id TINYINT UNSIGNED NOT NULL PRIMARY KEY, version INT UNSIGNED NOT NULL
) ENGINE=InnoDB;
INSERT INTO kb_schema (id, version) VALUES (1, 0);
"""
# What a person kept before the migration that changes rows; it is there from version 6 on.
ROWS = """\
INSERT INTO kb_api_key (id, name, digest, scope) VALUES ('1', 'ana', '', 'write');
INSERT INTO kb_verified_query
  (name, origin, question, language, wordings, statement, parameters, descriptions, units,
   verified_by, verified_at)
VALUES ('of_ana', 'saved', '?', 'en', '[]', 'SELECT 1', '{}', '{}', '{}', 'ana', '2026-06-12'),
  ('of_ines', 'saved', '?', 'en', '[]', 'SELECT 1', '{}', '{}', '{}', 'ines', '2026-06-12');
"""
HAVE_ROWS = 6


@contextmanager
def database_at(server: PrivateServer, admin: sa.Engine, version: int) -> Iterator[sa.Engine]:
    """A database as the kb of that version left it."""
    name = f"test_{uuid4().hex[:12]}"
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine = make_engine(server.url(name))
    run_script(engine, CREATE_VERSION)
    for number, script in enumerate(SCRIPTS[:version], start=1):
        run_script(engine, script)
        if number == HAVE_ROWS:
            run_script(engine, ROWS)
    set_version(engine, version)
    yield engine
    engine.dispose()
    with admin.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name}")


def set_version(engine: sa.Engine, version: int) -> None:
    statement = f"UPDATE kb_schema SET version = {version}"
    run_transaction(engine, lambda connection: connection.exec_driver_sql(statement))


def read_version(engine: sa.Engine) -> int:
    with engine.connect() as connection:
        return int(connection.exec_driver_sql("SELECT version FROM kb_schema").scalar_one())


def definitions(engine: sa.Engine) -> str:
    """How all tables were created, by their names, without the counters of their rows."""
    with engine.connect() as connection:
        names = sorted(connection.exec_driver_sql("SHOW TABLES").scalars())
        shown = [
            connection.exec_driver_sql(f"SHOW CREATE TABLE `{name}`").one()[1] for name in names
        ]
    return re.sub(r" AUTO_INCREMENT=\d+", "", "".join(f"{text};\n\n" for text in shown))


def kept_rows(engine: sa.Engine) -> list[tuple[object, ...]]:
    """What became of the rows that were kept before."""
    with engine.connect() as connection:
        return [
            tuple(row)
            for row in connection.exec_driver_sql(
                "SELECT query.name, query.key_name, version.number, version.changed_by, "
                "version.by_key FROM kb_verified_query AS query "
                "LEFT JOIN kb_verified_query_version AS version USING (name) "
                "ORDER BY name, version.number"
            )
        ]


def assert_present(engine: sa.Engine, *, has_rows: bool) -> None:
    assert definitions(engine) == SNAPSHOT.read_text("utf-8")
    assert read_version(engine) == len(SCRIPTS)
    expected = [("of_ana", "ana", 1, "ana", 1), ("of_ines", None, 1, "ines", 0)]
    assert kept_rows(engine) == (expected if has_rows else [])


def test_a_new_database_has_the_tables_of_the_snapshot(engine: sa.Engine) -> None:
    migrate(engine)
    assert_present(engine, has_rows=False)


@pytest.mark.parametrize("version", range(len(SCRIPTS)))
def test_every_earlier_version_becomes_the_present_one(
    server: PrivateServer, administration: sa.Engine, version: int
) -> None:
    with database_at(server, administration, version) as engine:
        migrate(engine)
        assert_present(engine, has_rows=version >= HAVE_ROWS)


@pytest.mark.parametrize("version", range(len(SCRIPTS)))
def test_a_migration_that_was_killed_after_any_statement_begins_anew(
    server: PrivateServer, administration: sa.Engine, version: int
) -> None:
    """Also after its last one, when it is done and nobody has noted that."""
    with database_at(server, administration, version) as engine:
        statements = split_script(SCRIPTS[version])
        for last in range(1, len(statements) + 1):
            run_script(engine, ";\n".join(statements[:last]))
        assert read_version(engine) == version
        migrate(engine)
        assert_present(engine, has_rows=version >= HAVE_ROWS)


def test_the_version_is_noted_after_each_migration(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = [*SCRIPTS[:3], "SELEKT 1;\n", *SCRIPTS[4:]]
    monkeypatch.setattr("stores.registry.schema.read_migrations", lambda: failing)
    with pytest.raises(Exception, match="SELEKT"):
        migrate(engine)
    assert read_version(engine) == 3
    monkeypatch.undo()
    migrate(engine)
    assert_present(engine, has_rows=False)


# Chunk tables, which bring themselves up to date ----------------------------------------------


FIRST_CHUNK_TABLE = f"""\
CREATE TABLE old_chunk (
  seq INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  chunk_id VARCHAR(512) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
  document_id VARCHAR(512) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NULL,
  text LONGTEXT NOT NULL,
  metadata JSON NOT NULL,
  node JSON NOT NULL,
  embedding VECTOR({DIMENSION}) NOT NULL,
  UNIQUE KEY chunk (chunk_id),
  KEY document (document_id),
  VECTOR INDEX nearest (embedding) M=12 DISTANCE=cosine
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_uca1400_ai_ci;
"""


def test_a_chunk_table_of_the_first_kind_becomes_one_of_today(engine: sa.Engine) -> None:
    run_script(engine, FIRST_CHUNK_TABLE)
    old = MariaDBVectorStore(
        engine, "old_chunk", embed_dim=DIMENSION, words="none", filter_keys=["colour"]
    )
    old.add([node("before", "document", metadata={"colour": "red"})])
    for name in ("old_chunk", "new_chunk"):
        store = MariaDBVectorStore(engine, name, embed_dim=DIMENSION, filter_keys=["colour"])
        store.add([node("now", "document")])
    shown = definitions(engine).replace("`old_chunk", "`chunk").replace("`new_chunk", "`chunk")
    # Texts that were written before stay as they are, and what is new is compressed.
    compressed = "`text` longtext /*M!100301 COMPRESSED*/ NOT NULL DEFAULT ''"
    shown = shown.replace(compressed, "`text` longtext NOT NULL")
    tables = shown.split(";\n\n")[:-1]
    assert len(tables) == 2 * 4  # its postings have three tables
    assert len(set(tables)) == 4
    store = MariaDBVectorStore(engine, "old_chunk", embed_dim=DIMENSION)
    assert stored_ids(store) == {"before", "now"}
