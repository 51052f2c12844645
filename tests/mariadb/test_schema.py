"""Migrations, collections and the embedding cache."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from programs import in_another_process

from stores import CollectionMismatch, InvalidVector, StoreError
from stores.connection import run_transaction
from stores.registry.collection import find_collection, open_collection
from stores.registry.embedding_cache import EmbeddingCache
from stores.registry.schema import migrate


def tables(engine: sa.Engine) -> dict[str, str]:
    with engine.connect() as connection:
        names = connection.exec_driver_sql("SHOW TABLES").scalars().all()
        return {
            name: connection.exec_driver_sql(f"SHOW CREATE TABLE {name}").one()[1] for name in names
        }


def test_migrating_again_changes_nothing(engine: sa.Engine) -> None:
    migrate(engine)
    before = tables(engine)
    migrate(engine)
    assert tables(engine) == before
    assert {"kb_schema", "kb_collection", "kb_document", "kb_root", "kb_embedding"} <= set(before)


def test_two_processes_that_migrate_at_once_both_find_the_tables(engine: sa.Engine) -> None:
    work = "from stores.registry.schema import migrate; migrate(engine)"
    processes = [in_another_process(engine, work) for _ in range(2)]
    for process in processes:
        process.communicate(timeout=30)
        assert process.returncode == 0
    before = tables(engine)
    migrate(engine)
    assert tables(engine) == before


def test_a_newer_schema_is_refused(engine: sa.Engine) -> None:
    migrate(engine)
    run_transaction(engine, lambda c: c.exec_driver_sql("UPDATE kb_schema SET version = 99"))
    with pytest.raises(StoreError, match="newer kb"):
        migrate(engine)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT version FROM kb_schema").scalar() == 99


# Collections and the embedding cache --------------------------------------------------------------


def test_a_collection_answers_only_to_its_model(engine: sa.Engine) -> None:
    migrate(engine)
    assert find_collection(engine) is None
    made = open_collection(engine, "model one", lambda: 384)
    assert (made.embedding_model, made.dimension) == ("model one", 384)
    assert open_collection(engine, "model one", lambda: 999) == made
    with pytest.raises(CollectionMismatch, match=r"model one.*model two"):
        open_collection(engine, "model two", lambda: 384)


@pytest.fixture
def cache(engine: sa.Engine) -> Iterator[EmbeddingCache]:
    migrate(engine)
    return EmbeddingCache(engine, "model", 2)


def test_remembered_embeddings_come_back_to_the_last_bit(cache: EmbeddingCache) -> None:
    texts = ["", "a", "A", "a ", "🙂", "\0", "x" * 100_000]
    remembered = {text: [0.1 * number, 1.0] for number, text in enumerate(texts)}
    cache.remember(remembered)
    cache.remember({"a": [9.0, 9.0]})
    known = cache.find_known([*texts, "unknown"])
    assert set(known) == set(texts)
    for text, vector in remembered.items():
        assert known[text] == pytest.approx(vector, rel=1e-6)


def test_embeddings_of_another_model_or_dimension_are_not_known(
    cache: EmbeddingCache, engine: sa.Engine
) -> None:
    cache.remember({"a": [1.0, 2.0]})
    assert EmbeddingCache(engine, "Model", 2).find_known(["a"]) == {}
    assert EmbeddingCache(engine, "model", 3).find_known(["a"]) == {}
    assert cache.find_known([]) == {}


def test_one_invalid_vector_keeps_all_of_a_call_out_of_the_cache(cache: EmbeddingCache) -> None:
    with pytest.raises(InvalidVector):
        cache.remember({"fine": [1.0, 2.0], "odd": [float("nan"), 0.0]})
    assert cache.find_known(["fine", "odd"]) == {}


def test_the_cache_is_asked_for_thousands_of_texts_at_once(cache: EmbeddingCache) -> None:
    texts = [str(number) for number in range(2500)]
    cache.remember({text: [1.0, float(text)] for text in texts})
    assert cache.find_known(texts)["2499"] == [1.0, 2499.0]
    assert len(cache.find_known([*texts, "x"])) == 2500
