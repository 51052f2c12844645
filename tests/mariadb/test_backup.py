"""A backup brings back everything elsewhere, bit for bit, and a file never does anything else."""

import hashlib
import json
import stat
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
import sqlalchemy as sa
import yaml
from model_server import FakeModels
from nodes import DIMENSION, nearest_to, node
from sqlalchemy import event

import kb
from kb import KnowledgeBase
from stores import MariaDBVectorStore, make_engine
from stores.api_keys import ApiKeys
from stores.backup.archive import Checksum
from stores.backup.restore import restore_backup
from stores.backup.write import BackupReport, UploadDirectory, write_backup
from stores.chunks.chunk_rows import node_to_row
from stores.connection import read_snapshot, run_transaction
from stores.errors import StoreError
from stores.private_server import PrivateServer
from stores.registry.schema import migrate

# A row of every type, at the ends of what it holds.
EVERY_TYPE = """CREATE TABLE `odd ``name``: 50%/..` (
  id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, f FLOAT, d DOUBLE, fixed DOUBLE(10,3), b BIT(64),
  one BIT(1), shape GEOMETRY, spot POINT, u UUID, six INET6, four INET4, y YEAR, dt DATETIME(6),
  ts TIMESTAMP(6) NULL, ti TIME(6), day DATE, big DECIMAL(65,30), tiny TINYINT, number BIGINT,
  large BIGINT UNSIGNED, zeros INT(5) UNSIGNED ZEROFILL, v VECTOR(3), j JSON, e ENUM('a','b'),
  s SET('x','y'), latin VARCHAR(50) CHARACTER SET latin1, words LONGTEXT, bytes BINARY(5),
  blob_ LONGBLOB, squeezed TEXT COMPRESSED COMMENT '50% of ? it''s \\n; :x', hidden INT INVISIBLE
  DEFAULT 3, `a:b` INT, doubled INT AS (number * 2) VIRTUAL, next_one INT AS (tiny + 1) STORED,
  changed DATETIME DEFAULT UTC_TIMESTAMP() ON UPDATE CURRENT_TIMESTAMP(), CHECK (f > -5)
) COMMENT='a;b'"""
VALUES = """INSERT INTO `odd ``name``: 50%/..` (
  id, f, d, fixed, b, one, shape, spot, u, six, four, y,
  dt, ts, ti, day, big, tiny, number, large, zeros, v, j, e, s, latin, words, bytes, blob_,
  squeezed, hidden, `a:b`, changed)
VALUES (0, 0.1, 1.7976931348623157e308, 0.125, 0xFFFFFFFFFFFFFFFF, 1,
  ST_GeomFromText('LINESTRING(0 0,1 1)', 4326), POINT(1,2), UUID(), '::1', '1.2.3.4', 0,
  '2020-01-01 00:00:00.000001', '2020-01-01 00:00:00.000001', '-838:59:59.999999', '0000-00-00',
  -12345678901234567890123456789012345.123456789012345678901234567891, -128, -9223372036854775808,
  18446744073709551615, 7, x'000080bfdeadbe3e01000000', '{"a": 1.0}', 'zz', 'x,y', 'é€',
  CONCAT('\\0\\Z\\t\\\\n''"%:x ? 😀', CHAR(0xEFBFBF USING utf8mb4), '  '), x'00FF', x'00FF275C0A',
  'abc', 7, -1, '2020-01-01')"""


@pytest.fixture
def new_database(server: PrivateServer, administration: sa.Engine) -> Iterator[Callable[[], Any]]:
    """Empty databases beside that of the test, each as an engine."""
    engines: list[sa.Engine] = []

    def make() -> sa.Engine:
        name = f"test_{uuid4().hex[:12]}"
        with administration.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        engines.append(make_engine(server.url(name)))
        return engines[-1]

    yield make
    for engine in engines:
        engine.dispose()
        with administration.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {engine.url.database}")


@pytest.fixture
def uploads(tmp_path: Path) -> UploadDirectory:
    return UploadDirectory(tmp_path / "uploads", "uploads")


@pytest.fixture
def filled(engine: sa.Engine) -> sa.Engine:
    """A database with the tables of kb, some chunks and a table of somebody's own."""
    migrate(engine)
    store = MariaDBVectorStore(engine, "kb_chunk", embed_dim=DIMENSION, filter_keys=["lang"])
    store.add([node(name, "doc", metadata={"lang": "en"}) for name in ("one", "two", "three")])
    ApiKeys(engine).create("ana", "read")
    run(
        engine,
        "INSERT INTO kb_search (id, profile, language, kind, milliseconds, results) "
        "VALUES ('s', 'p', 'en', 'k', 0.1, 1)",
        "INSERT INTO kb_search_hit (search_id, hit_rank, chunk_id, score) VALUES ('s', 1, 'c', .3)",
        "INSERT INTO kb_root (name, path) VALUES ('wiki', NULL)",
        "CREATE TABLE orders (id INT PRIMARY KEY, total DECIMAL(8,2))",
        "INSERT INTO orders VALUES (1, 420.00), (2, -0.50)",
    )
    return engine


def run(engine: sa.Engine, *statements: str) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql("SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO'")
        for statement in statements:
            connection.execute(sa.text(statement.replace(":", r"\:")))
        connection.commit()
        connection.invalidate()


def read_all(engine: sa.Engine) -> dict[str, list[Any]]:
    """Every table with its definition and all of its rows."""
    with engine.connect() as connection:
        quote = connection.dialect.identifier_preparer.quote_identifier
        tables = {}
        for (name,) in connection.exec_driver_sql("SHOW TABLES").all():
            [(_, definition)] = connection.exec_driver_sql(f"SHOW CREATE TABLE {quote(name)}")
            columns = [
                row[0] for row in connection.exec_driver_sql(f"SHOW COLUMNS FROM {quote(name)}")
            ]
            values = ", ".join(f"HEX(CAST({quote(column)} AS BINARY))" for column in columns)
            rows = connection.exec_driver_sql(f"SELECT {values} FROM {quote(name)}")
            tables[name] = [definition, sorted(map(str, rows))]
        return tables


def back_up(engine: sa.Engine, file: Path, uploads: UploadDirectory, **more: Any) -> BackupReport:
    return write_backup(engine, file, uploads, kb_version="0", **more)


def change(file: Path, changes: Mapping[str, Callable[[bytes], bytes | None]]) -> Path:
    """Write a file of a backup again with other members."""
    changed = file.with_name(f"changed-{uuid4().hex[:6]}.zip")
    with ZipFile(file) as source, ZipFile(changed, "w", ZIP_DEFLATED) as target:
        for name in source.namelist():
            content = changes.get(name, lambda old: old)(source.read(name))
            if content is not None:
                target.writestr(name, content)
    return changed


def edit_manifest(edit: Callable[[dict[str, Any]], None]) -> dict[str, Callable[[bytes], bytes]]:
    def change_manifest(old: bytes) -> bytes:
        manifest = json.loads(old)
        edit(manifest)
        return json.dumps(manifest).encode()

    return {"manifest.json": change_manifest}


# What comes back ----------------------------------------------------------------------------------


@pytest.mark.parametrize("driver", ["mariadb+mariadbconnector", "mariadb+pymysql"])
def test_every_value_comes_back_bit_for_bit(filled, new_database, uploads, tmp_path, driver):
    run(filled, EVERY_TYPE, VALUES, "INSERT INTO `odd ``name``: 50%/..` (id) VALUES (9)")
    source = make_engine(filled.url.set(drivername=driver))
    report = back_up(source, tmp_path / "a.zip", uploads)
    source.dispose()
    assert report.is_whole
    empty = new_database()
    target = make_engine(empty.url.set(drivername=driver))
    restore_backup(target, tmp_path / "a.zip", uploads)
    target.dispose()
    assert read_all(empty) == read_all(filled)
    table = {table.name: table for table in report.manifest.tables}["odd `name`: 50%/.."]
    assert table.rows == 2
    assert not {"doubled", "next_one"} & {column.name for column in table.columns}


def test_the_rows_can_be_read_without_kb(filled, uploads, tmp_path):
    back_up(filled, tmp_path / "a.zip", uploads)
    with ZipFile(tmp_path / "a.zip") as archive:
        assert archive.read("rows/orders.jsonl") == b'["1","420.00"]\n["2","-0.50"]\n'
        assert archive.read("schema/orders.sql").startswith(b"CREATE TABLE `orders` (")
        assert b"UNHEX" in archive.read("README.txt")
        manifest = json.loads(archive.read("manifest.json"))
        assert archive.testzip() is None
    saved = next(table for table in manifest["tables"] if table["name"] == "orders")
    checksum = Checksum()
    checksum.add(b'["2","-0.50"]')
    checksum.add(b'["1","420.00"]')
    assert (saved["rows"], saved["checksum"]) == (2, str(checksum))
    assert filled.url.password
    assert filled.url.password not in json.dumps(manifest)


def test_a_file_is_private_and_replaced_only_by_force(filled, uploads, tmp_path):
    file = tmp_path / "backups" / "a.zip"
    with pytest.raises(StoreError, match="no directory"):
        back_up(filled, file, uploads)
    file.parent.mkdir()
    back_up(filled, file, uploads)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = file.read_bytes()
    with pytest.raises(StoreError, match="--force"):
        back_up(filled, file, uploads)
    assert file.read_bytes() == before
    back_up(filled, file, uploads, force=True)
    assert list(file.parent.iterdir()) == [file]


def test_a_backup_that_breaks_off_leaves_no_file(filled, uploads, tmp_path):
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        back_up(filled, tmp_path / "a.zip", uploads, on_progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_there_is_nothing_to_back_up_in_an_empty_database(engine, uploads, tmp_path):
    with pytest.raises(StoreError, match="nothing to back up"):
        back_up(engine, tmp_path / "a.zip", uploads)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_table_is_named(filled, uploads, tmp_path):
    run(
        filled,
        "CREATE VIEW large AS SELECT * FROM orders",
        "CREATE SEQUENCE numbers",
        "CREATE TRIGGER t BEFORE INSERT ON orders FOR EACH ROW SET NEW.total = 0",
    )
    report = back_up(filled, tmp_path / "a.zip", uploads)
    assert set(report.manifest.left_out) == {"view large", "sequence numbers", "trigger t"}
    assert not report.is_whole
    run(filled, "DROP SEQUENCE numbers")


@pytest.mark.slow
def test_memory_stays_small_whatever_the_size(filled, new_database, uploads, tmp_path):
    run(
        filled,
        "CREATE TABLE large (id INT PRIMARY KEY, words MEDIUMTEXT)",
        "INSERT INTO large SELECT seq, REPEAT(MD5(seq), 1000) FROM seq_1_to_1000",
    )
    peaks = []
    for work in (
        lambda: back_up(filled, tmp_path / "a.zip", uploads),
        lambda: restore_backup(new_database(), tmp_path / "a.zip", uploads),
    ):
        tracemalloc.start()
        work()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert max(peaks) < 20_000_000, "of rows of 32 MB"


@pytest.fixture
def handbook(database: sa.URL, tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Configurations of a knowledge base, each with a home of its own, and a handbook."""
    (tmp_path / "handbook").mkdir()
    for name, text in (("returns", "You have 30 days."), ("coffee", "It is too sour: grind it.")):
        (tmp_path / "handbook" / f"{name}.md").write_text(f"# {name}\n\n{text}\n", "utf-8")
    with FakeModels() as models:

        def configure(url: sa.URL, home: str) -> Path:
            folder = tmp_path / home
            folder.mkdir()
            model = {"provider": "openai-like", "base_url": models.openai_url, "model": "fake"}
            config = {
                "database": {"url": url.render_as_string(hide_password=False)},
                "embedding": model,
                "serve": {"uploads": str(folder / "uploads")},
            }
            (folder / "config.yaml").write_text(yaml.safe_dump(config), "utf-8")
            return folder / "config.yaml"

        yield configure


def answer_all(knowledge_base: KnowledgeBase) -> list[Any]:
    questions = ("sour coffee", "30 days", "what to return", "grind")
    return [
        [(hit.node_id, hit.score, hit.text) for hit in knowledge_base.search(question)]
        for question in questions
    ]


def test_a_restored_knowledge_base_answers_the_same(
    database, handbook, new_database, tmp_path, uploads
):
    with KnowledgeBase.open(handbook(database, "here")) as source:
        source.index(tmp_path / "handbook")
        source.config.serve.uploads.mkdir()
        (source.config.serve.uploads / "é 1%.md").write_text(
            "# Paid\n\nInvoices of May.\n", "utf-8"
        )
        source.index(source.config.serve.uploads, name="uploads")
        list(source.chat("s", source="documents").stream_chat("30 days?").response_gen)
        wanted = answer_all(source)
        report = source.backup(tmp_path / "a.zip")
        assert report.is_whole
        sessions = source.sessions()
        kept = source.config.serve.uploads
    there = handbook(new_database().url, "there")
    kb.restore(tmp_path / "a.zip", there)
    with KnowledgeBase.open(there) as target:
        assert answer_all(target) == wanted
        table = target.components.vector_store.table
        assert read_snapshot(target.components.engine, table.has_vector_index)
        assert [hit for hits in wanted for hit in hits]
        assert target.sessions() == sessions
        for file in kept.iterdir():
            assert (target.config.serve.uploads / file.name).read_bytes() == file.read_bytes()
        assert target.index(target.config.serve.uploads, name="uploads").unchanged == 1
        assert target.status()["unfindable"]["looked_at"] == 3
        assert target.backup(tmp_path / "b.zip").is_whole


def test_uploads_that_are_gone_or_newer_are_named_and_others_are_not_overwritten(
    database, handbook, new_database, tmp_path
):
    with KnowledgeBase.open(handbook(database, "here")) as source:
        folder = source.config.serve.uploads
        folder.mkdir()
        for name in ("gone", "newer", "same"):
            (folder / f"{name}.md").write_text(f"# {name}\n\nWords.\n", "utf-8")
        source.index(folder, name="uploads")
        (folder / "gone.md").unlink()
        (folder / "newer.md").write_text("# Others", "utf-8")
        report = source.backup(tmp_path / "a.zip")
    assert (report.missing, report.changed) == (["gone.md"], ["newer.md"])
    there = handbook(new_database().url, "there")
    place = there.parent / "uploads"
    place.mkdir()
    (place / "same.md").write_text("of somebody else", "utf-8")
    with pytest.raises(StoreError, match=r"same\.md"):
        kb.restore(tmp_path / "a.zip", there)
    assert sorted(file.name for file in place.iterdir()) == ["same.md"]
    kb.restore(tmp_path / "a.zip", there, replace=True)
    assert (place / "same.md").read_text("utf-8") == "# same\n\nWords.\n"
    assert (place / "newer.md").read_text("utf-8") == "# Others"


# While others work --------------------------------------------------------------------------------


def between(engine: sa.Engine, statement: str, work: Callable[[], None]) -> None:
    """Do something once, right after a statement that begins so."""
    done = []

    @event.listens_for(engine, "after_cursor_execute")
    def look(_c: Any, _cursor: Any, sql: str, *_: Any) -> None:
        if sql.startswith(statement) and not done:
            done.append(True)
            work()


@pytest.mark.parametrize(
    "meanwhile",
    [
        "CREATE TABLE late (id INT PRIMARY KEY)",
        "ALTER TABLE orders ADD COLUMN late INT NOT NULL DEFAULT 7",
        "DROP TABLE orders",
        "RENAME TABLE orders TO late",
    ],
)
@pytest.mark.parametrize("after", ["START TRANSACTION", "SELECT table_name AS name"])
def test_a_table_that_changes_as_a_backup_begins_is_noticed(
    filled, new_database, uploads, tmp_path, meanwhile, after
):
    source = make_engine(filled.url)
    between(source, after, lambda: run(filled, meanwhile))
    back_up(source, tmp_path / "a.zip", uploads)
    source.dispose()
    target = new_database()
    restore_backup(target, tmp_path / "a.zip", uploads)
    assert read_all(target) == read_all(filled)


def test_others_write_and_open_meanwhile_and_the_backup_is_of_one_moment(
    filled, new_database, uploads, tmp_path
):
    before = read_all(filled)
    done = []

    def write(*_: object) -> None:
        if done:
            return
        done.append(True)
        run(
            filled,
            "DELETE FROM orders WHERE id = 1",
            "UPDATE orders SET total = 0",
            "INSERT INTO orders VALUES (3, 1)",
        )
        migrate(filled)
        other = MariaDBVectorStore(make_engine(filled.url), "kb_chunk", embed_dim=DIMENSION)
        other.add([node("four", "doc")])
        other.query(nearest_to([1.0, 2.0, 3.0, 4.0]))
        other._engine.dispose()

    between(filled, "SELECT VERSION()", write)
    back_up(filled, tmp_path / "a.zip", uploads)
    assert done
    target = new_database()
    restore_backup(target, tmp_path / "a.zip", uploads)
    after = read_all(target)
    assert {name: rows for name, (_, rows) in after.items()} == {
        name: rows for name, (_, rows) in before.items()
    }


# What is refused ----------------------------------------------------------------------------------


@pytest.fixture
def saved(filled: sa.Engine, uploads: UploadDirectory, tmp_path: Path) -> Path:
    back_up(filled, tmp_path / "saved.zip", uploads)
    return tmp_path / "saved.zip"


def refuse(
    engine: sa.Engine, file: Path, uploads: UploadDirectory, words: str, **more: Any
) -> None:
    """Expect a restore to be refused, and to leave everything as it was."""
    before = read_all(engine)
    with pytest.raises(StoreError, match=words):
        restore_backup(engine, file, uploads, **more)
    assert read_all(engine) == before
    assert not uploads.directory.exists() or not list(uploads.directory.glob(".*"))
    with engine.connect() as connection:
        names = connection.exec_driver_sql("SHOW DATABASES").scalars()
        assert not [name for name in names if name.endswith(("_restoring", "_replaced"))]


def cut(file: Path, size: int) -> Path:
    file.write_bytes(file.read_bytes()[:size])
    return file


def test_a_file_that_is_not_whole_is_refused(saved, filled, uploads, tmp_path):
    size = saved.stat().st_size
    refuse(filled, cut(saved, size - 30), uploads, "not a whole backup", replace=True)
    refuse(filled, cut(saved, size // 2), uploads, "not a whole backup", replace=True)
    refuse(filled, cut(saved, 0), uploads, "not a whole backup", replace=True)
    refuse(filled, tmp_path / "none.zip", uploads, "none.zip cannot be used", replace=True)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rows/orders.jsonl": lambda rows: rows.replace(b"420", b"421")}, "does not hold"),
        ({"rows/orders.jsonl": lambda rows: rows + b'["3","1"]\n'}, "does not hold the 2 rows"),
        ({"rows/orders.jsonl": lambda rows: b""}, "does not hold"),
        ({"rows/orders.jsonl": lambda rows: None}, "orders.jsonl is missing"),
        ({"rows/orders.jsonl": lambda rows: b'["1"]\n'}, "row 1 of rows/orders.jsonl is none"),
        ({"rows/orders.jsonl": lambda rows: b'[1,{"a":2}]\n'}, "is none"),
        ({"rows/orders.jsonl": lambda rows: b"[" * 100_000}, "is none"),
        ({"rows/kb_chunk.jsonl": lambda rows: rows.replace(b'"0000', b'"zz00')}, "bytes that|none"),
        ({"schema/orders.sql": lambda sql: sql.replace(b"8,2", b"9,2")}, "not what was written"),
        ({"manifest.json": lambda _: b"{"}, "manifest.json is not readable"),
        ({"manifest.json": lambda _: b'{"format": 1}'}, "does not say what it should"),
        ({"manifest.json": lambda _: None}, "manifest.json is missing"),
        (edit_manifest(lambda said: said.update(format=2, kb="9.9")), "format 2.*'9.9'"),
        (edit_manifest(lambda said: said.update(schema_version=999)), "newer kb.*Upgrade kb"),
        (edit_manifest(lambda said: said["tables"].append(said["tables"][0])), "twice"),
        (edit_manifest(lambda said: said["tables"][-1]["columns"].reverse()), "other columns"),
    ],
)
def test_a_file_that_was_changed_is_refused(saved, filled, uploads, changes, words):
    refuse(filled, change(saved, changes), uploads, words, replace=True)


def test_a_changed_byte_is_noticed(saved, filled, uploads):
    content = bytearray(saved.read_bytes())
    with ZipFile(saved) as archive:
        info = archive.getinfo("rows/kb_chunk.jsonl")
    content[info.header_offset + 120] ^= 1
    saved.write_bytes(content)
    refuse(filled, saved, uploads, "not a whole backup", replace=True)


def with_definition(saved: Path, definition: str) -> Path:
    """A backup whose table `orders` says to be made by another statement, and has its hash."""

    def edit(said: dict[str, Any]) -> None:
        table = next(table for table in said["tables"] if table["name"] == "orders")
        table["schema_sha256"] = hashlib.sha256(definition.encode()).hexdigest()

    return change(
        saved, {**edit_manifest(edit), "schema/orders.sql": lambda _: definition.encode()}
    )


@pytest.mark.parametrize(
    ("definition", "words"),
    [
        ("DROP TABLE kb_chunk", "is not a CREATE TABLE"),
        ("CREATE TABLE `orders` (`id` int) ENGINE=InnoDB; DROP TABLE kb_chunk", "does not end"),
        ("CREATE TABLE `other` (`id` int, `total` int)", "that of another table"),
        ("CREATE OR REPLACE TABLE `orders` (`id` int, `total` int)", "is not a CREATE TABLE"),
        ("CREATE TABLE `orders` LIKE `kb_chunk`", "is not a CREATE TABLE"),
        ("CREATE TABLE `orders` (LIKE `kb_chunk`)", "is not a CREATE TABLE"),
        ("CREATE TABLE `mysql`.`orders` (`id` int, `total` int)", "is not a CREATE TABLE"),
        ("CREATE TABLE `orders` (`id` int, `total` int) SELECT 1", "holds SELECT"),
        ("CREATE TABLE `orders` (`id` int, `total` int) AS VALUES (SLEEP(9), 1)", "holds AS"),
        ("CREATE TABLE `orders` (`id` int, `total` int) (VALUES (SLEEP(9), 1))", "holds VALUES"),
        ("CREATE TABLE `orders` (`id` int, `total` int) IGNORE WITH x AS (y)", "holds IGNORE"),
        ("CREATE TABLE `orders` (`id` int, `total` int) /*! SELECT 1 */", "holds a comment"),
        ("CREATE TABLE `orders` (`id` int, `total` int DEFAULT (SELECT 1))", "holds SELECT"),
        ("CREATE TABLE `orders` (`id` int, `total` int) ENGINE=CONNECT", "asks for an engine"),
        ("CREATE TABLE `orders` (`id` int) ENGINE=InnoDB CONNECTION='mysql://x'", "CONNECTION"),
        ("CREATE TABLE `orders` (`id` int) ENGINE=InnoDB DATA DIRECTORY='/tmp'", "DATA|DIRECTORY"),
        ("CREATE TABLE `orders` (`id` int) ENGINE=InnoDB UNION=(`kb_turn`)", "holds UNION"),
        ("CREATE TABLE `orders` (`id` int REFERENCES `mysql`.`user` (`x`))", "another database"),
        ("CREATE TABLE `orders` (`id` int REFERENCES `nowhere` (`x`))", "which is not there"),
        ("CREATE TABLE `orders` (`id` int, `total` int COMMENT 'open", "does not end"),
        ("CREATE TABLE `orders` (`id` int, `total` int", "does not end"),
        # What the server itself refuses:
        ("CREATE TABLE `orders` (`id` int, `total` int CHECK (LOAD_FILE('/x') <> ''))", "refused"),
        ("CREATE TABLE `orders` (`id` int, `total` int DEFAULT (SLEEP(9)))", "refused"),
        ("CREATE TABLE `orders` (`id` int, `total` int AS (BENCHMARK(9, 1)))", "refused"),
    ],
)
def test_a_definition_that_does_anything_else_is_refused(saved, filled, uploads, definition, words):
    refuse(filled, with_definition(saved, definition), uploads, words, replace=True)


@pytest.mark.parametrize(
    "path", ["../out", "/etc/out", "a/../../out", "..\\out", "", ".kb-restoring/0", "link/out"]
)
def test_an_upload_never_lies_elsewhere(saved, filled, uploads, tmp_path, path):
    uploads.directory.mkdir()
    (tmp_path / "elsewhere").mkdir()
    (uploads.directory / "link").symlink_to(tmp_path / "elsewhere")
    said = {"path": path, "file": "README.txt", "bytes": 1, "sha256": "", "modified_ns": 0}
    hostile = change(saved, edit_manifest(lambda manifest: manifest["uploads"].append(said)))
    refuse(filled, hostile, uploads, "outside of|Nothing was restored", replace=True)
    assert not list(tmp_path.glob("**/out"))


# Over what is there -------------------------------------------------------------------------------


def test_a_database_with_tables_is_replaced_only_when_asked(saved, filled, uploads):
    wanted = read_all(filled)
    run(
        filled,
        "DELETE FROM orders",
        "CREATE TABLE own (id INT)",
        "DROP TABLE kb_search_hit",
        "CREATE TABLE kb_newer (id INT)",
        "INSERT INTO own VALUES (1)",
    )
    own = read_all(filled)["own"]
    refuse(filled, saved, uploads, "--replace")
    report = restore_backup(filled, saved, uploads, replace=True)
    assert report.kept == ["own"]
    assert read_all(filled) == {**wanted, "own": own}


def test_a_table_that_leads_to_a_replaced_one_stands_in_the_way(saved, filled, uploads):
    run(filled, "CREATE TABLE own (id INT, FOREIGN KEY (id) REFERENCES orders (id))")
    refuse(filled, saved, uploads, "own, which the backup does not hold", replace=True)


def test_an_older_schema_is_brought_up_to_date_later(filled, new_database, uploads, tmp_path):
    run(filled, "DROP TABLE kb_upload", "UPDATE kb_schema SET version = 9")
    back_up(filled, tmp_path / "a.zip", uploads)
    target = new_database()
    restore_backup(target, tmp_path / "a.zip", uploads)
    migrate(target)
    assert "kb_upload" in read_all(target)


def test_an_account_of_one_database_restores_into_it(
    saved, filled, new_database, uploads, administration
):
    target = new_database()
    user = f"u{uuid4().hex[:8]}"
    grant = f"GRANT ALL ON {target.url.database}.* TO {user}@localhost"
    run(administration, f"CREATE USER {user}@localhost IDENTIFIED BY 'p'", grant)
    limited = make_engine(target.url.set(username=user, password="p"))
    restore_backup(limited, saved, uploads)
    assert read_all(target) == read_all(filled)
    refuse(limited, saved, uploads, f"GRANT ALL ON `{target.url.database}_restoring`", replace=True)
    limited.dispose()
    run(administration, f"DROP USER {user}@localhost")


def test_two_restores_of_a_database_do_not_meet(saved, new_database, uploads):
    target = new_database()
    other = make_engine(target.url)
    refused = []

    def restore_too() -> None:
        with pytest.raises(StoreError, match="under way"):
            restore_backup(other, saved, uploads)
        refused.append(True)

    between(target, "CREATE TABLE", restore_too)
    restore_backup(target, saved, uploads)
    assert refused
    other.dispose()


KILLED = """
import os, signal, sys
from pathlib import Path
from stores.backup import restore
from stores.backup.write import UploadDirectory
from stores.connection import make_engine

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

url, file, uploads, where, replace = sys.argv[1:]
setattr(restore, where, die)
directory = UploadDirectory(Path(uploads), "uploads")
restore.restore_backup(make_engine(url), Path(file), directory, replace=replace == "True")
"""


@pytest.mark.slow
@pytest.mark.parametrize("where", ["_compare_tables", "_change_over"])
@pytest.mark.parametrize("replace", [True, False])
def test_a_restore_that_is_killed_leaves_what_was_there(
    saved, filled, new_database, uploads, where, replace
):
    wanted = read_all(filled)
    target = filled if replace else new_database()
    if replace:
        run(filled, "DELETE FROM orders")
    before = read_all(target)
    url = target.url.render_as_string(hide_password=False)
    arguments = (url, str(saved), str(uploads.directory), where, str(replace))
    killed = subprocess.run([sys.executable, "-c", KILLED, *arguments], check=False)
    assert killed.returncode == -9
    left = read_all(target)
    assert {name: rows for name, rows in left.items() if not name.startswith("kb_rest")} == before
    restore_backup(target, saved, uploads, replace=replace)
    assert read_all(target) == wanted
    with target.connect() as connection:
        names = connection.exec_driver_sql("SHOW DATABASES").scalars()
        assert not [name for name in names if name.endswith(("_restoring", "_replaced"))]


@pytest.mark.slow
def test_a_backup_under_load_is_of_one_moment(filled, new_database, uploads, tmp_path):
    """Every transaction writes the same number into two tables and replaces a document."""
    run(filled, "CREATE TABLE one (id INT PRIMARY KEY)", "CREATE TABLE two (id INT PRIMARY KEY)")
    store = MariaDBVectorStore(make_engine(filled.url), "kb_chunk", embed_dim=DIMENSION)
    ended = []

    def write(first: int) -> int:
        engine, number = make_engine(filled.url), first
        while not ended:

            def work(connection: sa.Connection, number: int = number) -> None:
                for table in ("one", "two"):
                    connection.execute(sa.text(f"INSERT INTO {table} VALUES (:n)"), {"n": number})

            run_transaction(engine, work)
            number += 10
        engine.dispose()
        return number

    def replace_documents() -> int:
        number = 0
        while not ended:
            name, number = f"doc{number % 5}", number + 1
            chunks = [node(f"{name}-{part}-{number}", name) for part in range(4)]
            rows = [node_to_row(chunk, DIMENSION) for chunk in chunks]

            def work(connection: sa.Connection, name: str = name, rows: list[Any] = rows) -> None:
                store.table.delete_document(connection, name)
                store.table.put(connection, rows)

            store._transact(work)
        return number

    with ThreadPoolExecutor(4) as pool:
        writers = [pool.submit(write, first) for first in range(1, 4)]
        writers.append(pool.submit(replace_documents))
        try:
            for number in range(6):
                back_up(filled, tmp_path / f"{number}.zip", uploads)
                time.sleep(0.2)
        finally:
            ended.append(True)
        assert all(writer.result() > 20 for writer in writers)
    counts = []
    for number in range(6):
        target = new_database()
        restore_backup(target, tmp_path / f"{number}.zip", uploads)
        with target.connect() as connection:
            one, two = (
                connection.exec_driver_sql(f"SELECT id FROM {table} ORDER BY id").all()
                for table in ("one", "two")
            )
            assert one == two
            counts.append(len(one))
            documents = connection.exec_driver_sql(
                "SELECT COUNT(*) FROM kb_chunk WHERE document_id LIKE 'doc_' GROUP BY document_id"
            )
            assert {count for (count,) in documents} <= {4}
    assert counts == sorted(counts)
    assert counts[0] < counts[-1]
    store._engine.dispose()
