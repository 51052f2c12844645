"""What other frameworks' MariaDB integrations wrote answers here, row by row as it was."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml
from api_server import database_of
from foreign_tables import (
    HAYSTACK,
    LANGCHAIN,
    LLAMAINDEX,
    make_nodes,
    make_tables,
    write_haystack,
    write_langchain,
    write_llamaindex,
)
from killed import kill_at_points
from knowledge import counts
from llama_index.core.schema import Document, MetadataMode, TextNode
from model_server import FakeModels
from nodes import where
from typer.testing import CliRunner

from kb import KnowledgeBase
from kb.cli import app
from kb.indexing import added_rows
from kb.indexing.report import IndexReport
from stores.connection import make_engine
from stores.errors import CollectionMismatch, RootConflict, StoreError
from stores.moves.foreign_tables import Framework, open_foreign_table
from stores.private_server import PrivateServer

MANUAL = [
    ("a3", "The kettle boils in three minutes.", {"source": "kettle.pdf", "page": 10}),
    ("a1", "Descale the kettle with vinegar.", {"source": "kettle.pdf", "page": 2}),
    ("a2", "Its warranty is two years 🙂.", {"source": "kettle.pdf", "page": 2, "start_index": 9}),
    ("b1", "Thirty days, unopened.", {"title": "Returns", "path": "x/y", "tags": ["law"], "n": 1}),
]
NODES = [
    *make_nodes("lamp.md", ["The lamp takes two batteries.", "The lamp is yellow."], title="Lamp"),
    TextNode(id_="alone", text="Nobody knows where this is from."),
]
SPLITS = [
    ("h2", "Second part of the garden.", {"source_id": "garden", "split_id": 1}),
    ("h10", "Tenth part of the garden.", {"source_id": "garden", "split_id": 10}),
    ("h0", "First part of the garden.", {"source_id": "garden", "split_id": 0}),
    ("h9", "A page about bees.", {"url": "https://example.org/bees"}),
]


@pytest.fixture(scope="module")
def models() -> Iterator[FakeModels]:
    with FakeModels() as models:
        yield models


@pytest.fixture
def config(database: sa.URL, models: FakeModels, tmp_path: Path) -> Path:
    url = database.render_as_string(hide_password=False)
    embedding = {"provider": "openai-like", "base_url": models.openai_url, "model": "fake"}
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump({"database": {"url": url}, "embedding": embedding}), "utf-8")
    return file


@pytest.fixture
def kb(config: Path) -> Iterator[KnowledgeBase]:
    with KnowledgeBase.open(config) as kb:
        yield kb


@pytest.fixture
def elsewhere(server: PrivateServer) -> Iterator[sa.Engine]:
    """The database of a program of another framework."""
    with database_of(server) as url:
        engine = make_engine(url)
        yield engine
        engine.dispose()


@pytest.fixture
def tables(elsewhere: sa.Engine, kb: KnowledgeBase) -> sa.Engine:
    """One table of each framework, with vectors of the model of the knowledge base."""
    embed = kb.components.embed_model.get_text_embedding
    dimension = kb.vector_store.embed_dim
    for statements in (LANGCHAIN, LLAMAINDEX, HAYSTACK):
        make_tables(elsewhere, statements, dimension)
    write_langchain(elsewhere, "manuals", MANUAL, embed)
    write_llamaindex(elsewhere, NODES, embed)
    write_haystack(elsewhere, SPLITS, embed)
    return elsewhere


def take_in(
    kb: KnowledgeBase, engine: sa.Engine, framework: Framework, **options: Any
) -> IndexReport:
    table = open_foreign_table(engine.url, framework)
    try:
        return kb.add_rows(table, **{"same_model": True, **options})
    finally:
        table.engine.dispose()


def chunks(kb: KnowledgeBase, root: str, path: str) -> list[TextNode]:
    nodes = kb.vector_store.get_nodes(filters=where(root=root, path=path))
    return sorted((n for n in nodes if isinstance(n, TextNode)), key=lambda node: node.node_id)


def state(kb: KnowledgeBase) -> list[str]:
    return sorted(node.model_dump_json() for node in kb.vector_store.get_nodes())


def test_rows_of_langchain_with_one_source_are_one_document_in_its_order(kb, tables):
    report = take_in(kb, tables, "langchain")
    assert (counts(report), report.root, report.chunks) == ((2, 0, 0, 0, 0), "manuals", 4)
    kettle = chunks(kb, "manuals", "kettle.pdf")
    assert [node.metadata["row_id"] for node in kettle] == ["a1", "a2", "a3"]
    embed = kb.components.embed_model.get_text_embedding
    for node in [*kettle, *chunks(kb, "manuals", "b1")]:
        [(_, text, metadata)] = [row for row in MANUAL if row[0] == node.metadata["row_id"]]
        assert node.text == text
        assert {key: node.metadata.get(key) for key in metadata} == metadata | (
            {"path": "b1"} if "path" in metadata else {}
        )
        assert node.embedding == pytest.approx(embed(text), abs=1e-6)
        assert node.get_content(MetadataMode.EMBED) == text
    [returns] = chunks(kb, "manuals", "b1")
    assert (returns.metadata["row_path"], returns.metadata["title"]) == ("x/y", "Returns")
    assert kb.show_document("manuals/b1").document.title == "Returns"
    assert kb.search("descale vinegar", top_k=1)[0].metadata["row_id"] == "a1"


def test_nodes_of_llamaindex_come_as_they_are_with_their_neighbours(kb, tables):
    report = take_in(kb, tables, "llamaindex", root="wiki")
    assert (counts(report), report.root, report.chunks) == ((2, 0, 0, 0, 0), "wiki", 3)
    first, second = chunks(kb, "wiki", "lamp.md")
    assert (first.text, first.metadata["n"], first.metadata["row_id"]) == (
        "The lamp takes two batteries.", 0, "lamp.md-2",
    )  # fmt: skip
    assert first.next_node.node_id == second.node_id
    assert second.prev_node.node_id == first.node_id
    assert "_node_content" not in first.metadata
    [alone] = chunks(kb, "wiki", "alone")
    for node, wanted in zip((first, second, alone), NODES, strict=True):
        assert node.get_content(MetadataMode.EMBED) == wanted.get_content(MetadataMode.EMBED)


def test_pieces_of_haystack_stand_in_the_order_of_its_splitter(kb, tables):
    assert counts(take_in(kb, tables, "haystack")) == (2, 0, 0, 0, 0)
    garden = chunks(kb, "haystack_documents", "garden")
    assert [node.metadata["row_id"] for node in garden] == ["h0", "h2", "h10"]
    assert chunks(kb, "haystack_documents", "h9")[0].metadata["url"].endswith("/bees")


@pytest.mark.parametrize("framework", ["langchain", "llamaindex", "haystack"])
def test_a_second_run_adds_nothing_and_embeds_little(kb, tables, models, framework):
    def dump() -> list[Any]:
        names = sa.inspect(tables).get_table_names()
        with tables.connect() as connection:
            return [connection.exec_driver_sql(f"SELECT * FROM `{n}`").all() for n in names]

    theirs = dump()
    take_in(kb, tables, framework)
    before = state(kb)
    again = take_in(kb, tables, framework)
    assert (counts(again), again.chunks) == ((0, 0, 0, 2, 0), 0)
    assert state(kb) == before
    assert dump() == theirs


def test_rows_that_changed_replace_their_document_alone(kb, tables):
    take_in(kb, tables, "langchain")
    write = "UPDATE langchain_embedding SET content = 'Ninety days.' WHERE id = 'b1'"
    with tables.begin() as connection:
        connection.exec_driver_sql(write)
        connection.exec_driver_sql("DELETE FROM langchain_embedding WHERE id = 'a3'")
    assert counts(take_in(kb, tables, "langchain", same_model=False)) == (0, 2, 0, 0, 0)
    assert [node.text for node in chunks(kb, "manuals", "b1")] == ["Ninety days."]
    assert len(chunks(kb, "manuals", "kettle.pdf")) == 2


def test_with_another_model_texts_are_embedded_again_or_refused(kb, elsewhere):
    make_tables(elsewhere, LANGCHAIN, 3)
    write_langchain(elsewhere, "manuals", MANUAL, lambda text: [1.0, float(len(text)), 2.0])
    with pytest.raises(CollectionMismatch, match=r"3 dimensions, this base of .* --embed-again"):
        take_in(kb, elsewhere, "langchain")
    assert kb.list_documents() == []
    assert counts(take_in(kb, elsewhere, "langchain", same_model=False)) == (2, 0, 0, 0, 0)
    [node] = chunks(kb, "manuals", "b1")
    embed = kb.components.embed_model.get_text_embedding
    assert node.embedding == pytest.approx(embed("Thirty days, unopened."), abs=1e-6)


def test_vectors_of_another_model_are_told_by_what_they_are(kb, elsewhere):
    dimension = kb.vector_store.embed_dim
    make_tables(elsewhere, LLAMAINDEX, dimension)
    embed = kb.components.embed_model.get_text_embedding
    write_llamaindex(elsewhere, NODES, lambda text: embed(text)[::-1])
    with pytest.raises(CollectionMismatch, match="texts of the table were embedded with fake"):
        take_in(kb, elsewhere, "llamaindex")
    assert kb.list_documents() == []


def test_rows_without_a_vector_or_without_text(kb, tables):
    said: list[str] = []
    more = [("n1", "No vector yet.", {}), ("n2", None, {}), ("n3", " ", {"source_id": "garden"})]
    write_haystack(tables, more, None)
    report = take_in(kb, tables, "haystack", say=lambda text: said.append(str(text)))
    assert counts(report) == (3, 0, 0, 0, 1)
    assert report.failed == [("n2", "it has no text")]
    assert said == ["2 rows without text were left out."]
    [made] = chunks(kb, "haystack_documents", "n1")
    embed = kb.components.embed_model.get_text_embedding
    assert made.embedding == pytest.approx(embed("No vector yet."), abs=1e-6)
    assert len(chunks(kb, "haystack_documents", "garden")) == 3


def test_a_document_of_many_rows_comes_in_parts(kb, tables, monkeypatch):
    monkeypatch.setattr(added_rows, "_ROWS_TOGETHER", 2)
    assert counts(take_in(kb, tables, "langchain")) == (2, 0, 0, 0, 0)
    kettle = chunks(kb, "manuals", "kettle.pdf")
    assert [node.metadata["row_id"] for node in kettle] == ["a1", "a2", "a3"]
    assert ":p00001:" in kettle[-1].node_id
    assert counts(take_in(kb, tables, "langchain")) == (0, 0, 0, 2, 0)


def test_documents_that_a_program_added_are_removed_and_forgotten(kb, tables):
    take_in(kb, tables, "langchain")
    kb.remove_document("manuals/b1")
    assert counts(take_in(kb, tables, "langchain")) == (1, 0, 0, 1, 0)
    assert kb.forget_root("manuals") == 2


def test_what_is_no_table_of_the_package_is_told(kb, tables, tmp_path):
    url = tables.url
    with pytest.raises(StoreError, match=r"There is no table .*\.nowhere .*--table"):
        open_foreign_table(url, "haystack", "nowhere")
    with pytest.raises(StoreError, match=r"lacks the columns node_id, text, .* make a view"):
        open_foreign_table(url, "llamaindex", "haystack_documents")
    with pytest.raises(StoreError, match=r"There is no 'x'; .* There are 'manuals'"):
        open_foreign_table(url, "langchain", collection="x")
    write_langchain(tables, "other", [], lambda _: [])
    with pytest.raises(StoreError, match=r"Several collections are there; .*'manuals', 'other'"):
        open_foreign_table(url, "langchain")
    with pytest.raises(StoreError, match="names no database"):
        open_foreign_table(url.set(database=""), "langchain")
    with tables.begin() as connection:
        connection.exec_driver_sql(
            "CREATE VIEW renamed AS SELECT id, content, metadata, embedding, collection_id "
            "FROM langchain_embedding"
        )
    table = open_foreign_table(url, "langchain", "renamed", collection="manuals")
    assert counts(kb.add_rows(table, same_model=True)) == (2, 0, 0, 0, 0)
    with pytest.raises(sa.exc.DBAPIError, match="READ ONLY"), table.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM langchain_embedding")
    table.engine.dispose()


def test_a_root_of_a_directory_or_of_uploads_takes_no_rows(kb, tables, tmp_path):
    (tmp_path / "manuals").mkdir()
    (tmp_path / "manuals" / "a.md").write_text("Words.")
    kb.index(tmp_path / "manuals")
    with pytest.raises(RootConflict, match="is the name of the directory"):
        take_in(kb, tables, "langchain")
    with pytest.raises(RootConflict, match="root of uploaded files"):
        take_in(kb, tables, "langchain", root="uploads")
    embed = kb.components.embed_model.get_text_embedding
    write_langchain(tables, "uploads", [("u1", "A lamp.", {})], embed)
    table = open_foreign_table(tables.url, "langchain", collection="uploads")
    with pytest.raises(RootConflict, match="root of uploaded files"):
        kb.add_rows(table)
    table.engine.dispose()


def test_two_tables_below_one_root_share_it(kb, tables):
    kb.add([Document(id_="own", text="Added by a program.")], root="all")
    take_in(kb, tables, "langchain", root="all")
    take_in(kb, tables, "haystack", root="all")
    assert len(kb.list_documents(root="all")) == 5


# On the command line ------------------------------------------------------------------------------


def run(config: Path, *arguments: str, **options: Any) -> Any:
    return CliRunner().invoke(app, ["--config", str(config), "import-from", *arguments], **options)


def test_the_command_takes_in_what_it_names(kb, tables, config):
    url = tables.url.render_as_string(hide_password=False)
    done = run(config, "langchain", url, "--collection", "manuals", "--same-model", "--json")
    assert (done.exit_code, json.loads(done.stdout)["added"]) == (0, 2), done.output
    again = run(config, "llamaindex", "--embed-again", "--root", "n", env={"KB_IMPORT_URL": url})
    assert again.exit_code == 0, again.output
    write_haystack(tables, [("n2", None, {})], None)
    assert run(config, "haystack", url, "--same-model").exit_code == 3
    assert {each.root for each in kb.list_documents()} == {"manuals", "n", "haystack_documents"}


def test_the_command_asks_for_the_model_and_shows_no_password(kb, tables, config):
    for both in ((), ("--same-model", "--embed-again")):
        refused = run(config, "langchain", "x", *both)
        assert (refused.exit_code, "--embed-again" in refused.output) == (2, True)
    wrong = tables.url.set(username="nobody", password="canary").render_as_string(
        hide_password=False
    )
    for url in (wrong, wrong.replace("+mariadbconnector", "+mysqldb"), "canary"):
        refused = run(config, "langchain", url, "--same-model")
        assert refused.exit_code == 1
        assert "canary" not in refused.output


# Broken off ---------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_import_that_is_killed_between_documents_is_gone_on_with(kb, tables, config):
    embed = kb.components.embed_model.get_text_embedding
    rows = [(f"r{n}", f"Row {n} of many words.", {"source": f"d{n % 5}"}) for n in range(400)]
    write_langchain(tables, "many", rows, embed)
    setup = """
from kb import KnowledgeBase
from stores.moves.foreign_tables import open_foreign_table
"""
    work = """with KnowledgeBase.open(arguments[0]) as kb:
        table = open_foreign_table(arguments[1], "langchain", collection="many")
        kb.add_rows(table, same_model=True)
"""
    url = tables.url.render_as_string(hide_password=False)
    kills = kill_at_points(setup, work, [str(config), url], range(1, 120, 4))
    assert kills >= 4
    table = open_foreign_table(tables.url, "langchain", collection="many")
    kb.add_rows(table, same_model=True)
    stored = [node for n in range(5) for node in chunks(kb, "many", f"d{n}")]
    assert {node.metadata["row_id"]: node.text for node in stored} == {
        id_: text for id_, text, _ in rows
    }
    assert len(stored) == len(rows)
    assert counts(kb.add_rows(table, same_model=True)) == (0, 0, 0, 5, 0)
    table.engine.dispose()
