"""Chunk tables of kb 0.2 become those of today, whoever is killed or comes too meanwhile."""

import json
import os
import random
import re
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from fetched import CACHE, MARIADBD
from killed import kill_at_points
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores import VectorStoreQuery
from llama_index.core.vector_stores.types import VectorStoreQueryMode as Mode
from nodes import DIMENSION, nearest_to, node, where
from sqlalchemy import event

from stores import MariaDBVectorStore
from stores.chunks.chunk_rows import node_to_row
from stores.chunks.chunk_terms import analyse_blocks, assign_blocks
from stores.chunks.posting_arrays import TERM_POSTING, drop_terms, parts_to_postings
from stores.connection import make_engine, run_transaction
from stores.errors import StoreError
from stores.private_server import PrivateServer
from stores.registry.script import run_script

CHUNKS = 4000  # four steps
TABLES_OF_0_2 = f"""\
CREATE TABLE old_chunk (
  seq INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  chunk_id VARCHAR(512) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
  document_id VARCHAR(512) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NULL,
  text LONGTEXT NOT NULL,
  metadata JSON NOT NULL,
  node JSON NOT NULL,
  embedding VECTOR({DIMENSION}) NOT NULL,
  block BIGINT UNSIGNED NULL,
  UNIQUE KEY chunk (chunk_id),
  KEY document (document_id),
  VECTOR INDEX nearest (embedding) M=12 DISTANCE=cosine
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_uca1400_ai_ci;
CREATE TABLE old_chunk_posting (
  term INT UNSIGNED NOT NULL,
  block BIGINT UNSIGNED NOT NULL,
  postings VARBINARY(3000) NOT NULL,
  PRIMARY KEY (term, block),
  KEY block (block)
) ENGINE=InnoDB;
"""
OPENING = f"""
from stores import MariaDBVectorStore
from stores.connection import make_engine

def open_store(url):
    MariaDBVectorStore(make_engine(url), "old_chunk", embed_dim={DIMENSION}).set_up()
"""
# Before this statement that writes, the third step has made its postings and has not noted it: the
# tables take five, the first step six, each other one three.
IN_THE_THIRD_STEP = 17


def make_nodes(count: int = CHUNKS) -> list[TextNode]:
    rng = random.Random(4)
    words = [f"{first}{last}" for first in ("kal", "mir", "tav", "rud") for last in range(60)]
    return [
        node(
            f"c{number}",
            f"d{number // 8}",
            text=" ".join(rng.choices(words, range(240, 0, -1), k=8)),
            metadata={"group": number % 7, "language": ("en", "fr", "zh")[number % 3]},
        )
        for number in range(count)
    ]


def write_as_before(engine: sa.Engine, nodes: list[TextNode]) -> None:
    """Write chunks as kb 0.2 did, with a row for each term and document."""
    run_script(engine, TABLES_OF_0_2)
    rows = assign_blocks(node_to_row(each, DIMENSION) for each in nodes)
    seqs: dict[int, list[int]] = {}
    for seq, row in enumerate(rows, start=1):
        seqs.setdefault(row["block"], []).append(seq)
    written = []
    for block, analysed in analyse_blocks(rows).items():
        found = analysed.set_keys(seqs[block])
        for term in np.unique(found["term"]).tolist():
            of_term = drop_terms(found[found["term"] == term])
            written.append([term, block, of_term.tobytes().hex()])

    def write(connection: sa.Connection) -> None:
        connection.execute(
            sa.text(
                "INSERT INTO old_chunk "
                "(chunk_id, document_id, text, metadata, node, embedding, block) VALUES "
                "(:chunk_id, :document_id, :text, :metadata, :node, :embedding, :block)"
            ),
            rows,
        )
        connection.execute(
            sa.text(
                "INSERT INTO old_chunk_posting SELECT term, block, UNHEX(postings) "
                "FROM JSON_TABLE(:rows, '$[*]' COLUMNS (term INT UNSIGNED PATH '$[0]', "
                "block BIGINT UNSIGNED PATH '$[1]', postings TEXT PATH '$[2]')) AS written"
            ),
            {"rows": json.dumps(written)},
        )

    run_transaction(engine, write)


def open_old(engine: sa.Engine, **options: Any) -> MariaDBVectorStore:
    return MariaDBVectorStore(engine, "old_chunk", embed_dim=DIMENSION, **options)


def fill_new(engine: sa.Engine, nodes: list[TextNode]) -> MariaDBVectorStore:
    store = MariaDBVectorStore(engine, "new_chunk", embed_dim=DIMENSION)
    for start in range(0, len(nodes), 500):
        store.add(nodes[start : start + 500])
    return store


def read_postings(engine: sa.Engine, table: str) -> "Counter[tuple[int, str, int]]":
    """Every posting, merged or fresh, with the id of its chunk."""
    with engine.connect() as connection:
        run = connection.exec_driver_sql
        ids = {row.seq: row.chunk_id for row in run(f"SELECT seq, chunk_id FROM {table}")}
        merged = parts_to_postings(
            run(f"SELECT term, postings FROM {table}_term ORDER BY term, part").all()
        )
        blocks = run(f"SELECT postings FROM {table}_fresh WHERE block > 0").scalars()
        fresh = [np.frombuffer(block, TERM_POSTING) for block in blocks]
    found = np.concatenate([merged, *fresh])
    keys = (ids[seq] for seq in found["seq"].tolist())
    return Counter(zip(found["term"].tolist(), keys, found["occurs"].tolist(), strict=True))


def read_place(engine: sa.Engine) -> bytes:
    with engine.connect() as connection:
        place = "SELECT postings FROM old_chunk_fresh WHERE block = 0"
        return bytes(connection.exec_driver_sql(place).scalar_one())


def ask(store: MariaDBVectorStore, words: str, **fields: Any) -> list[tuple[str, float]]:
    query = VectorStoreQuery(query_str=words, similarity_top_k=20, mode=Mode.TEXT_SEARCH, **fields)
    result = store.query(query)
    return list(zip(result.ids or [], result.similarities or [], strict=True))


def listen_to_steps(engine: sa.Engine, note: Callable[[str], None]) -> None:
    """Tell each step that is about to begin, and each place that is about to be noted."""

    @event.listens_for(engine, "before_cursor_execute")
    def hear(_c: object, _cursor: object, sql: str, values: Any, *_: object) -> None:
        if re.search(r"SELECT seq, text, metadata FROM", sql):
            note(f"after {values[0]}")
        elif re.search(r"UPDATE .* SET postings", sql):
            note(f"to {values[0].decode()}")


def assert_converted(engine: sa.Engine, nodes: list[TextNode]) -> None:
    """Compare with a table that was filled from empty: rows, and what searches find."""
    old, new = open_old(engine), fill_new(engine, nodes)
    assert read_postings(engine, "old_chunk") == read_postings(engine, "new_chunk")
    assert max(read_postings(engine, "old_chunk").values()) == 1
    for words in ("kal3 mir7", "tav5 rud50", "kal1"):
        for filters in (None, where(group=3), where(language="fr")):
            assert ask(old, words, filters=filters) == ask(new, words, filters=filters) != []
    with engine.connect() as connection:
        assert not connection.exec_driver_sql("SHOW TABLES LIKE 'old_chunk_posting'").all()


@pytest.fixture
def half_converted(engine: sa.Engine, database: sa.URL) -> list[TextNode]:
    """Chunks in a table of kb 0.2, whose conversion was killed in the third of four steps."""
    nodes = make_nodes()
    write_as_before(engine, nodes)
    url = database.render_as_string(hide_password=False)
    points = range(IN_THE_THIRD_STEP, IN_THE_THIRD_STEP + 1)
    assert kill_at_points(OPENING, "open_store(arguments[0])", [url], points) == 1
    return nodes


def test_who_is_killed_leaves_what_was_made_and_the_next_one_goes_on_there(
    engine: sa.Engine, half_converted: list[TextNode]
) -> None:
    assert read_place(engine) == b"2000"
    having = {chunk for _, chunk, _ in read_postings(engine, "old_chunk")}
    assert having == {f"c{number}" for number in range(2000)}

    only_asking = open_old(engine, perform_setup=False)
    for filters in (None, where(group=3)):
        with pytest.raises(StoreError, match="still being listed"):
            ask(only_asking, "kal3", filters=filters)
    with pytest.raises(StoreError, match="still being listed"):
        only_asking.query(nearest_to([1.0, 2.0, 3.0, 4.0], filters=where(group=3)))
    assert len(only_asking.query(nearest_to([1.0, 2.0, 3.0, 4.0])).ids or []) == 10

    steps: list[str] = []
    listen_to_steps(engine, steps.append)
    open_old(engine).set_up()
    assert steps == ["after 2000", "to 3000", "after 3000", "to 4000", "after 4000", "to metadata"]
    assert_converted(engine, half_converted)


def test_killed_again_and_again_it_goes_on(engine: sa.Engine, database: sa.URL) -> None:
    nodes = make_nodes(1500)
    write_as_before(engine, nodes)
    url = database.render_as_string(hide_password=False)
    kills = kill_at_points(OPENING, "open_store(arguments[0])", [url], range(1, 40))
    assert kills >= 7  # before each statement on a table, and within a step and between two
    assert_converted(engine, nodes)


def test_two_that_open_at_once_take_turns(engine: sa.Engine, database: sa.URL) -> None:
    nodes = make_nodes()
    write_as_before(engine, nodes)
    engines = [make_engine(database) for _ in range(2)]
    begun = Barrier(2)
    steps: list[list[str]] = [[], []]
    for each, heard in zip(engines, steps, strict=True):
        listen_to_steps(each, heard.append)

    def open_at_once(each: sa.Engine) -> None:
        store = open_old(each)
        begun.wait()
        store.set_up()

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(open_at_once, engines))
    for each in engines:
        each.dispose()
    assert all(steps)  # both came while it was not done
    places = sorted(step for heard in steps for step in heard if step.startswith("to"))
    assert places == ["to 1000", "to 2000", "to 3000", "to 4000", "to metadata"]
    assert_converted(engine, nodes)


@pytest.fixture
def mortal() -> Iterator[PrivateServer]:
    """A server of its own."""
    home = Path(tempfile.mkdtemp(prefix=f"kb-test-{os.getpid()}-", dir="/tmp"))
    own = PrivateServer(home, CACHE, mariadbd=MARIADBD, buffer_pool_mb=64)
    own.fetch(print)
    own.ensure_running()
    yield own
    own.stop()
    shutil.rmtree(home)


def test_a_server_that_is_killed_meanwhile_has_what_was_made(mortal: PrivateServer) -> None:
    nodes = make_nodes()
    administration = make_engine(mortal.url("mysql"))
    run_script(administration, "CREATE DATABASE old")
    administration.dispose()
    engine = make_engine(mortal.url("old"), before_connect=mortal.ensure_running)
    write_as_before(engine, nodes)
    steps: list[str] = []

    def kill_in_the_third(step: str) -> None:
        steps.append(step)
        pid = mortal.status().pid
        if steps.count("to 3000") == 1 and step == "to 3000" and pid is not None:
            os.kill(pid, signal.SIGKILL)
            while mortal.status().running:
                time.sleep(0.01)

    listen_to_steps(engine, kill_in_the_third)
    open_old(engine).set_up()
    assert steps.count("to 3000") == 2
    assert steps[steps.index("to 3000") + 1] == "after 2000"
    assert steps.count("to 1000") == steps.count("to 2000") == 1
    assert_converted(engine, nodes)
    engine.dispose()


def test_what_is_written_and_deleted_meanwhile_is_so_at_the_end(
    engine: sa.Engine, half_converted: list[TextNode]
) -> None:
    writing = open_old(engine, perform_setup=False)
    writing.delete("d1")  # has its postings
    writing.delete("d400")  # has none yet
    more = make_nodes(CHUNKS + 1600)[CHUNKS:]  # so many that they would be merged
    for start in range(0, len(more), 400):
        writing.add(more[start : start + 400])
    assert read_place(engine) == b"2000"

    store = open_old(engine)
    store.set_up()
    store.table.postings.tables.sweep(engine)
    kept = [each for each in [*half_converted, *more] if each.ref_doc_id not in {"d1", "d400"}]
    assert_converted(engine, kept)


def test_who_opens_a_large_table_is_told_of_the_wait(
    engine: sa.Engine, caplog: pytest.LogCaptureFixture
) -> None:
    write_as_before(engine, make_nodes(40))
    run_script(engine, "UPDATE old_chunk SET seq = 30040 WHERE seq = 40")
    open_old(engine).set_up()
    assert "The words of about 30040 chunks in `old_chunk` are listed anew" in caplog.text
    caplog.clear()
    open_old(engine).set_up()
    assert not caplog.text
