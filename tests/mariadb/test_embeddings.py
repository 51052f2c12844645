"""A collection goes to another embedding model while it is asked and indexed, and back."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml
from killed import kill_at_points
from llama_index.core.schema import Document
from model_server import FakeModels
from typer.testing import CliRunner

from kb import KnowledgeBase
from kb.cli import app
from kb.embeddings import (
    clean_embeddings,
    migrate_embeddings,
    open_beside,
    read_embedding_status,
    switch_embeddings,
)
from stores.errors import CollectionMismatch, ConfigError, StoreError
from stores.registry.collection import find_collection
from stores.registry.current_table import find_other

OLD, NEW = "openai-like/small", "openai-like/large"
QUESTIONS = ("sour coffee", "30 days", "grind", "number 7")


@pytest.fixture
def models() -> Iterator[FakeModels]:
    with FakeModels() as models:
        models.models = ["small", "large"]
        models.sizes = {"small": 8, "large": 16}
        yield models


@pytest.fixture
def handbook(tmp_path: Path) -> Path:
    (tmp_path / "handbook").mkdir()
    for name, text in (("returns", "You have 30 days."), ("coffee", "It is too sour: grind it.")):
        (tmp_path / "handbook" / f"{name}.md").write_text(f"# {name}\n\n{text}\n", "utf-8")
    for number in range(10):
        file = tmp_path / "handbook" / f"{number}.md"
        file.write_text(f"# Number {number}\n\nOf page number {number}.\n", "utf-8")
    return tmp_path / "handbook"


def configure(folder: Path, database: sa.URL, models: FakeModels, *named: str) -> Path:
    """A configuration of one model, or of two of which the second is the next."""
    about = {"provider": "openai-like", "base_url": models.openai_url}
    sections = ("embedding", "next_embedding")
    config: dict[str, Any] = {
        section: {**about, "model": model} for section, model in zip(sections, named, strict=False)
    }
    config["database"] = {"url": database.render_as_string(hide_password=False)}
    file = folder / f"{'-'.join(named)}.yaml"
    file.write_text(yaml.safe_dump(config), "utf-8")
    return file


@pytest.fixture
def both(tmp_path: Path, database: sa.URL, models: FakeModels, handbook: Path) -> Path:
    """A base of the small model, whose configuration names the large one as the next."""
    with KnowledgeBase.open(configure(tmp_path, database, models, "small")) as kb:
        kb.index(handbook)
    return configure(tmp_path, database, models, "small", "large")


def find_all(kb: KnowledgeBase) -> list[list[tuple[str, str]]]:
    return [[(hit.node_id, hit.text) for hit in kb.search(asked, 5)] for asked in QUESTIONS]


def read_chunks(engine: sa.Engine, table: str) -> list[Any]:
    columns = "chunk_id, document_id, text, metadata, node, HEX(text_hash)"
    with engine.connect() as connection:
        return sorted(map(str, connection.exec_driver_sql(f"SELECT {columns} FROM {table}")))


def check_whole(engine: sa.Engine) -> None:
    """Both tables hold the same, and the living one what its model makes of it."""
    current, other = find_collection(engine), find_other(engine)
    assert current
    assert other
    chunks = read_chunks(engine, current.chunk_table)
    assert chunks
    assert chunks == read_chunks(engine, other.chunk_table)


def test_a_base_goes_to_another_model_and_back(both, models, handbook, database):
    with KnowledgeBase.open(both) as kb:
        status = read_embedding_status(kb)
        assert (status.model, status.next_model, status.state) == (OLD, NEW, None)
        assert status.left
        assert (status.left.documents, status.left.chunks) == (12, 12)
        assert status.left.tokens > 50
        assert status.seconds is not None
        before = find_all(kb)
        assert migrate_embeddings(kb) == 12
        assert find_all(kb) == before
        assert migrate_embeddings(kb) == 0
        check_whole(kb.components.engine)
        (handbook / "returns.md").write_text("# returns\n\nYou have 60 days.\n", "utf-8")
        (handbook / "3.md").unlink()
        (handbook / "4.md").rename(handbook / "moved.md")
        kb.index(handbook)
        assert switch_embeddings(kb) == NEW
        check_whole(kb.components.engine)
        assert kb.components.collection.dimension == 16
        assert "60 days" in kb.search("days")[0].text
        assert kb.index(handbook).unchanged == 11
        (handbook / "late.md").write_text("# Late\n\nWritten after the switch.\n", "utf-8")
        kb.index(handbook)
        assert switch_embeddings(kb, back=True) == OLD
        check_whole(kb.components.engine)
        assert "after the switch" in kb.search("written after the switch")[0].text
        assert switch_embeddings(kb, back=True) == NEW
        assert clean_embeddings(kb)
        assert clean_embeddings(kb) is None
        with kb.components.engine.connect() as connection:
            tables = set(connection.exec_driver_sql("SHOW TABLES").scalars())
        assert not {name for name in tables if name.startswith(("kb_chunk_fresh", "kb_chunk_gone"))}
        assert "kb_chunk" not in tables
        assert "kb_chunk_2" in tables
        assert kb.index(handbook).unchanged == 12
        with pytest.raises(StoreError, match="no second table"):
            switch_embeddings(kb)


def test_a_process_follows_with_its_next_question_or_says_what_to_name(
    both, models, handbook, database, tmp_path, monkeypatch
):
    monkeypatch.setattr(KnowledgeBase.follow_collection, "__defaults__", (0.0,))
    only_old = configure(tmp_path, database, models, "small")
    with (
        KnowledgeBase.open(both) as switching,
        KnowledgeBase.open(both) as follower,
        KnowledgeBase.open(only_old) as left,
    ):
        retriever = follower.retriever(5)
        migrate_embeddings(switching)
        switch_embeddings(switching)
        assert retriever.retrieve("sour coffee"), "what is under way goes on with its own pair"
        assert follower.search("sour coffee")[0].metadata["path"] == "coffee.md"
        assert follower.components.collection.embedding_model == NEW
        assert follower.components.embed_model.model_name == "large"
        for ask in (lambda: left.search("coffee"), lambda: left.index(handbook)):
            with pytest.raises(CollectionMismatch, match=f"{NEW}.*names {OLD}"):
                ask()
        switch_embeddings(switching, back=True)
        assert follower.search("sour coffee")[0].metadata["path"] == "coffee.md"
        assert follower.components.collection.embedding_model == OLD
        assert left.search("sour coffee")
        switch_embeddings(switching, back=True)
    with pytest.raises(CollectionMismatch, match=NEW):
        KnowledgeBase.open(only_old)
    with KnowledgeBase.open(configure(tmp_path, database, models, "large", "small")) as later:
        assert later.search("sour coffee")[0].metadata["path"] == "coffee.md"


def test_a_run_that_is_under_way_at_the_switch_loses_nothing(both, handbook):
    with KnowledgeBase.open(both) as kb, KnowledgeBase.open(both) as switching:
        migrate_embeddings(switching)
        for number in range(20):
            (handbook / f"new-{number}.md").write_text(f"# New {number}\n\nPage.\n", "utf-8")
        done = []

        def switch_once(_progress: Any) -> None:
            if not done:
                done.append(True)
                switch_embeddings(switching)

        report = kb.index(handbook, on_progress=switch_once)
        assert report.failed == []
        assert kb.components.collection.embedding_model == NEW
        assert kb.status()["documents"] == 32
        assert kb.index(handbook).unchanged == 32
        migrate_embeddings(kb)
        check_whole(kb.components.engine)


def test_what_chats_remember_goes_along_and_what_was_deleted_does_not(both):
    with KnowledgeBase.open(both) as kb:
        for session in ("kept", "gone"):
            list(kb.chat(session, source="documents").stream_chat("30 days?").response_gen)
            about = {"session_id": session, "user": "", "kind": "fact"}
            node = kb.vector_store.get_nodes()[0].model_copy(
                update={"id_": f"fact:1:{session}", "metadata": about, "relationships": {}}
            )
            kb.components.memory_store.add([node])
        migrate_embeddings(kb)
        kb.delete_session("gone")
        switch_embeddings(kb)
        [node] = kb.components.memory_store.get_nodes()
        assert node.node_id == "fact:1:kept"
        assert len(node.get_embedding()) == 16


def test_what_cannot_be_begun_says_so(both, tmp_path, database, models):
    with KnowledgeBase.open(configure(tmp_path, database, models, "small")) as kb:
        with pytest.raises(ConfigError, match=r"next_embedding\.provider"):
            migrate_embeddings(kb)
        assert read_embedding_status(kb).next_model is None
    with (
        KnowledgeBase.open(configure(tmp_path, database, models, "small", "small")) as kb,
        pytest.raises(ConfigError, match="built already"),
    ):
        migrate_embeddings(kb)
    with KnowledgeBase.open(both) as kb:
        with pytest.raises(StoreError, match="not complete yet"):
            open_beside(kb)
        with pytest.raises(StoreError, match="kb embeddings switch"):
            switch_embeddings(kb, back=True)
        migrate_embeddings(kb)
        beside = open_beside(kb)
        assert beside.search("sour coffee")[0].metadata["path"] == "coffee.md"
        assert beside.components.collection.embedding_model == NEW
        with kb.components.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE kb_chunk SET document_id = NULL LIMIT 1")
        with pytest.raises(StoreError, match="belong to no document"):
            migrate_embeddings(kb)


def test_the_commands_change_the_model(both, tmp_path, monkeypatch):
    def run(*words: str) -> str:
        result = CliRunner().invoke(app, ["--config", str(both), "embeddings", *words])
        assert result.exit_code == 0, result.output
        return result.output

    told = json.loads(run("status", "--json"))
    assert (told["model"], told["next_model"], told["left"]["chunks"]) == (OLD, NEW, 12)
    assert "12 documents, 12 chunks" in run("status")
    assert "Embedded 12 documents." in run("migrate", "--rate", "1000")
    questions = tmp_path / "questions.yaml"
    asked = {"id": "q", "question": "sour coffee", "documents": ["coffee.md"], "answer": "grind"}
    questions.write_text(yaml.safe_dump([asked]), "utf-8")
    compared = run("compare", str(questions))
    assert compared.index(OLD) < compared.index(NEW)
    assert f"Answers come from: {NEW}" in run("switch")
    assert f"Former, to go back to: {OLD}" in run("status")
    assert f"Answers come from: {OLD}" in run("back")
    assert f"Removed: {NEW}" in run("clean", "--yes")
    assert "no second table" in run("clean", "--yes")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_change_of_models_that_is_killed_anywhere_goes_on(both, handbook):
    for number in range(6):
        (handbook / f"more{number}.md").write_text(f"# More {number}\n\nOf another thing.\n")
    with KnowledgeBase.open(both) as kb:
        kb.index(handbook)
    setup = """
from kb import KnowledgeBase
from kb.embeddings import migrate_embeddings, switch_embeddings

def go_over(config):
    with KnowledgeBase.open(config) as kb:
        if kb.components.collection.embedding_model.endswith("small"):
            migrate_embeddings(kb)
            switch_embeddings(kb)
"""
    kills = kill_at_points(setup, "go_over(arguments[0])", [str(both)], range(1, 200))
    assert kills >= 20
    with KnowledgeBase.open(both) as kb:
        assert kb.components.collection.embedding_model == NEW
        check_whole(kb.components.engine)
        assert kb.index(handbook).unchanged == 18
        assert kb.search("sour coffee")[0].metadata["path"] == "coffee.md"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_searches_and_runs_beside_many_switches_neither_err_nor_mix(both, handbook, monkeypatch):
    monkeypatch.setattr(KnowledgeBase.follow_collection, "__defaults__", (0.0,))
    ended = threading.Event()

    def ask() -> int:
        asked = 0
        with KnowledgeBase.open(both) as kb:
            while not ended.is_set():
                [best, *_] = kb.search("sour coffee", 3)  # a wrong pair would not fit: 8 and 16
                assert best.metadata["path"] == "coffee.md"
                asked += 1
        return asked

    def write() -> int:
        written = 0
        with KnowledgeBase.open(both) as kb:
            while not ended.is_set():
                report = kb.add(
                    [Document(text=f"Written as {written}.", id_=str(written))], root="wiki"
                )
                assert report.failed == []
                written += 1
        return written

    with ThreadPoolExecutor(3) as pool:
        others = [pool.submit(ask), pool.submit(ask)]
        writer = pool.submit(write)
        try:
            with KnowledgeBase.open(both) as kb:
                migrate_embeddings(kb)
                switch_embeddings(kb)
                for _ in range(4):
                    switch_embeddings(kb, back=True)
        finally:
            ended.set()
        assert all(other.result() > 3 for other in others)
        written = writer.result()
    with KnowledgeBase.open(both) as kb:
        assert kb.status()["documents"] == 12 + written
        migrate_embeddings(kb)
        check_whole(kb.components.engine)
