"""Tables that the public MariaDB integrations wrote answer here, and stay as they are there."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import mariadb
import pytest
import sqlalchemy as sa
from api_server import database_of
from haystack import Document as Piece
from haystack_integrations.document_stores.mariadb import MariaDBDocumentStore
from langchain_core.embeddings import Embeddings
from langchain_mariadb import MariaDBStore
from llama_index.core import Document, StorageContext, VectorStoreIndex
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import MetadataMode, TextNode
from llama_index.vector_stores.mariadb import MariaDBVectorStore
from model_server import FakeModels
from nodes import where
from twins import configure

from kb import KnowledgeBase
from kb.indexing.report import IndexReport
from stores.connection import make_engine
from stores.moves.foreign_tables import Framework, open_foreign_table
from stores.private_server import PrivateServer

TEXTS = ["The kettle boils in three minutes.", "Descale it with vinegar 🙂.", "Thirty days."]


@pytest.fixture
def theirs(server: PrivateServer) -> Iterator[sa.URL]:
    """The database of a program of another framework."""
    with database_of(server) as url:
        yield url


class SameModel(Embeddings):
    """LangChain's view of the embedding model of a knowledge base."""

    def __init__(self, kb: KnowledgeBase) -> None:
        self.model = kb.components.embed_model

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return self.model.get_text_embedding_batch(texts)

    def embed_query(self, text: str) -> list[float]:
        return self.model.get_query_embedding(text)


@pytest.fixture
def kb(database: sa.URL, tmp_path: Any) -> Iterator[KnowledgeBase]:
    with FakeModels() as models:
        config = configure(database, tmp_path, models, tables={}, access={})
        with KnowledgeBase.open(config) as kb:
            yield kb


def dump(url: sa.URL) -> dict[str, list[Any]]:
    engine = make_engine(url)
    with engine.connect() as connection:
        tables = connection.exec_driver_sql("SHOW TABLES").scalars().all()
        rows = {
            name: list(map(tuple, connection.exec_driver_sql(f"SELECT * FROM `{name}`")))
            for name in tables
        }
    engine.dispose()
    return rows


def take_in_twice(kb: KnowledgeBase, url: sa.URL, framework: Framework) -> IndexReport:
    """Take a table in, and again, which adds nothing and leaves the table as it is."""
    before = dump(url)
    table = open_foreign_table(url, framework)
    try:
        report = kb.add_rows(table, root="moved", same_model=True)
        stored = sorted(node.model_dump_json() for node in kb.vector_store.get_nodes())
        again = kb.add_rows(table, root="moved", same_model=True)
    finally:
        table.engine.dispose()
    assert (again.added, again.changed, again.chunks) == (0, 0, 0)
    assert sorted(node.model_dump_json() for node in kb.vector_store.get_nodes()) == stored
    assert dump(url) == before
    return report


def moved(kb: KnowledgeBase) -> dict[str, TextNode]:
    """The chunks by the ids of their rows."""
    return {
        node.metadata["row_id"]: node
        for node in kb.vector_store.get_nodes(filters=where(root="moved"))
        if isinstance(node, TextNode)
    }


def test_langchain(kb: KnowledgeBase, theirs: sa.URL) -> None:
    metadatas: list[dict[str, Any]] = [
        {"source": "kettle.pdf", "page": 1},
        {"source": "kettle.pdf", "page": 0},
        {"tags": ["law"]},
    ]
    engine = make_engine(theirs)
    ids = MariaDBStore(
        SameModel(kb), kb.vector_store.embed_dim, datasource=engine, collection_name="manuals"
    ).add_texts(TEXTS, metadatas)
    engine.dispose()
    report = take_in_twice(kb, theirs, "langchain")
    assert (report.added, report.chunks, report.failed) == (2, 3, [])
    chunks = moved(kb)
    vectors = SameModel(kb).embed_documents(TEXTS)
    assert chunks.keys() == set(ids)
    for id_, text, metadata, vector in zip(ids, TEXTS, metadatas, vectors, strict=True):
        assert chunks[id_].text == text
        assert chunks[id_].metadata | metadata == chunks[id_].metadata
        assert chunks[id_].embedding == pytest.approx(vector, abs=1e-6)


def test_llamaindex(kb: KnowledgeBase, theirs: sa.URL) -> None:
    store = MariaDBVectorStore.from_params(
        connection_string=theirs.set(drivername="mariadb+pymysql").render_as_string(
            hide_password=False
        ),
        connection_args={"read_timeout": 30},
        embed_dim=kb.vector_store.embed_dim,
    )
    documents = [
        Document(id_="long", text="A sentence about the lamp. " * 60, metadata={"title": "Lamp"}),
        Document(id_="short", text=TEXTS[1], metadata={"n": 1}),
    ]
    splitter = SentenceSplitter(chunk_size=64, chunk_overlap=0)
    nodes = splitter.get_nodes_from_documents(documents)
    VectorStoreIndex(
        nodes,
        storage_context=StorageContext.from_defaults(vector_store=store),
        embed_model=kb.components.embed_model,
    )
    store.close()
    report = take_in_twice(kb, theirs, "llamaindex")
    assert (report.added, report.chunks, report.failed) == (2, len(nodes), [])
    chunks = moved(kb)
    assert chunks.keys() == {node.node_id for node in nodes}
    followers = {}
    for node in nodes:
        chunk = chunks[node.node_id]
        embedded = node.get_content(MetadataMode.EMBED)
        vector = kb.components.embed_model.get_text_embedding(embedded)
        assert chunk.text == node.get_content()
        assert chunk.get_content(MetadataMode.EMBED) == embedded
        assert chunk.embedding == pytest.approx(vector, abs=1e-6)
        if chunk.next_node:
            followers[node.node_id] = chunk.next_node.node_id
    assert followers == {  # across documents, where LlamaIndex goes on, kb does not
        left.node_id: chunks[right.node_id].node_id
        for left, right in pairwise(nodes)
        if left.ref_doc_id == right.ref_doc_id
    }
    assert len(kb.show_document("moved/long").passages) == len(nodes) - 1


def test_haystack(kb: KnowledgeBase, theirs: sa.URL, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARIADB_USER", str(theirs.username))
    monkeypatch.setenv("MARIADB_PASSWORD", str(theirs.password or ""))
    local = {"unix_socket": theirs.query["unix_socket"]}  # the private server has no port
    driver: Any = mariadb
    connect = driver.connect
    monkeypatch.setattr(driver, "connect", lambda **how: connect(**{**how, **local}))
    store = MariaDBDocumentStore(
        database=str(theirs.database), embedding_dimension=kb.vector_store.embed_dim
    )
    embedded = zip(TEXTS, SameModel(kb).embed_documents(TEXTS), strict=True)
    pieces = [
        Piece(
            id=f"p{n}", content=text, embedding=vector, meta={"source_id": "kettle", "split_id": n}
        )
        for n, (text, vector) in enumerate(embedded)
    ]
    store.write_documents(pieces)
    store.close()
    report = take_in_twice(kb, theirs, "haystack")
    assert (report.added, report.chunks, report.failed) == (1, 3, [])
    for piece in pieces:
        chunk = moved(kb)[piece.id]
        assert (chunk.text, chunk.metadata["split_id"]) == (piece.content, piece.meta["split_id"])
        assert chunk.embedding == pytest.approx(piece.embedding, abs=1e-6)
    shown = kb.show_document("moved/kettle")
    assert [passage.text for passage in shown.passages] == TEXTS
