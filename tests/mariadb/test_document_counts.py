"""How many documents and chunks there are is kept, whatever happens to documents."""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa
from nodes import DIMENSION, node

from stores import MariaDBVectorStore, StoreError
from stores.connection import run_transaction
from stores.registry import document_counts
from stores.registry.document_registry import (
    DocumentRegistry,
    IndexedDocument,
    MovedDocument,
    Part,
    StorableDocument,
    document_id,
)
from stores.registry.schema import migrate

LANGUAGES = ("en", "fr", "")


@pytest.fixture
def registry(engine: sa.Engine) -> DocumentRegistry:
    migrate(engine)
    store = MariaDBVectorStore(engine, embed_dim=DIMENSION)
    store.set_up()
    return DocumentRegistry(engine, store.table)


def storable(
    registry: DocumentRegistry, path: str, chunks: int, language: str, part: Part | None = None
) -> StorableDocument:
    made = document_id("docs", path)
    document = IndexedDocument(
        made, "docs", path, "0" * 64, 7, None, "text/plain", "A", language=language
    )
    first = 100 * part.number if part else 0
    nodes = [node(f"{made}:{first + number}", made) for number in range(chunks)]
    return registry.prepare(document, nodes, part)


def count_exactly(engine: sa.Engine) -> tuple[tuple[int, int], dict[str, float]]:
    """Count what there is by looking at all documents."""
    with engine.connect() as connection:
        statement = "SELECT language, chunks FROM kb_document WHERE chunks > 0"
        rows: Any = connection.exec_driver_sql(statement).all()
    languages = Counter(row.language for row in rows)
    shares = {name: count / len(rows) for name, count in languages.items() if name}
    return (len(rows), sum(row.chunks for row in rows)), shares


def assert_counted(registry: DocumentRegistry) -> None:
    totals, shares = count_exactly(registry.engine)
    assert registry.count_totals() == totals
    assert registry.measure_language_shares() == pytest.approx(shares, abs=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_counts_are_those_of_all_documents_after_each_change(
    registry: DocumentRegistry, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(document_counts, "_MOST_ROWS", 12)
    choose = random.Random(seed)
    paths = [f"{number}.md" for number in range(6)]
    for _ in range(25):
        path = choose.choice(paths)
        match choose.choice(("replace", "replace", "parts", "fail", "move", "remove")):
            case "replace":
                some = choose.sample(paths, choose.randint(1, 3))
                registry.replace_all(
                    [
                        storable(registry, each, choose.randint(0, 3), choose.choice(LANGUAGES))
                        for each in some
                    ]
                )
            case "parts":
                for number, is_last in enumerate((False, True)):
                    part = Part(number, chunks=2 * number + 2, is_last=is_last)
                    registry.replace_all([storable(registry, path, 2, "de", part)])
                    assert_counted(registry)
            case "fail":
                registry.fail("docs", path, "cannot be read")
            case "move":
                known = registry.find_known("docs").get(path)
                if known:
                    registry.move_all([MovedDocument(known, path, read_again=True)])
            case "remove":
                registry.remove(document_id("docs", path))
        assert_counted(registry)


def test_writers_at_once_lose_no_count(
    registry: DocumentRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(document_counts, "_MOST_ROWS", 5)

    def write(writer: int) -> None:
        for turn in range(8):
            of_its_own = storable(registry, f"{writer} {turn}.md", 1 + turn % 2, "en")
            of_all = storable(registry, "shared.md", 1 + writer, LANGUAGES[turn % 2])
            registry.replace_all([of_all, of_its_own])
            if turn % 3 == 0:
                registry.remove(of_its_own.document.id)

    with ThreadPoolExecutor(4) as writers:
        list(writers.map(write, range(4)))
    assert_counted(registry)


def test_a_change_that_is_undone_counts_nothing(registry: DocumentRegistry) -> None:
    registry.replace_all([storable(registry, "a.md", 2, "en")])
    odd = storable(registry, "b.md", 1, "en")
    odd.rows[0]["metadata"] = "no JSON"
    with pytest.raises(StoreError):
        registry.replace_all([storable(registry, "a.md", 3, "fr"), odd])
    assert registry.count_totals() == (1, 2)
    assert registry.measure_language_shares() == {"en": 1.0}


def test_a_new_count_mends_one_that_is_wrong(
    registry: DocumentRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.replace_all([storable(registry, "a.md", 2, "en")])
    add = "INSERT INTO kb_document_count (language, documents, chunks) VALUES ('en', 5, 50)"
    run_transaction(registry.engine, lambda connection: connection.exec_driver_sql(add))
    assert registry.count_totals() == (6, 52)
    monkeypatch.setattr(document_counts, "_MOST_ROWS", 1)
    registry.replace_all([storable(registry, "b.md", 1, "fr")])
    assert_counted(registry)


def test_documents_of_an_earlier_kb_are_counted(engine: sa.Engine) -> None:
    migrate(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO kb_document (id, root, path, status, language, chunks, checked_at) VALUES "
            "('1', 'docs', 'a', 'indexed', 'en', 3, '2026-01-01'), "
            "('2', 'docs', 'b', 'indexed', NULL, 4, '2026-01-01'), "
            "('3', 'docs', 'c', 'failed', NULL, 0, '2026-01-01')"
        )
        connection.exec_driver_sql("DROP TABLE kb_document_count")
        connection.exec_driver_sql("UPDATE kb_schema SET version = 15")
    migrate(engine)
    assert document_counts.count_totals(engine) == (2, 7)
    assert document_counts.measure_language_shares(engine) == {"en": 0.5}
