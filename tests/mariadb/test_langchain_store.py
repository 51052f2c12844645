"""LangChain's own suite for vector stores, and what LlamaIndex and LangChain tell each other."""

import pytest
import sqlalchemy as sa
from nodes import node, stored_ids, where

from stores import InvalidVector, MariaDBVectorStore, StoreError, UnsupportedFilter

pytest.importorskip("langchain_tests", reason="pip install 'mariadb-kb[langchain]' langchain-tests")

from langchain_core.documents import Document
from langchain_tests.integration_tests import VectorStoreIntegrationTests

from stores.langchain_store import MariaDBLangChainStore

DIMENSION = 6  # of the embeddings of the suite
PAGES = ["thirty days unopened", "the kettle descales itself", "opening hours of the shop"]
ABOUT = [{"n": 1, "open": True}, {"n": 2, "open": False}, {"n": 3}]


@pytest.fixture
def llama(engine: sa.Engine) -> MariaDBVectorStore:
    return MariaDBVectorStore(engine, embed_dim=DIMENSION)


@pytest.fixture
def store(llama: MariaDBVectorStore) -> MariaDBLangChainStore:
    embedding = VectorStoreIntegrationTests.get_embeddings()
    return MariaDBLangChainStore.from_texts(
        PAGES, embedding, ABOUT, store=llama, ids=["a", "b", "c"]
    )


class TestSuiteOfLangChain(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self, llama):
        return MariaDBLangChainStore(llama, self.get_embeddings())


def test_each_reads_what_the_other_wrote(llama, store):
    llama.add([node("d", text="from LlamaIndex", embedding=[1.0] * DIMENSION, metadata={"n": 4})])
    assert stored_ids(llama) == {"a", "b", "c", "d"}
    [read] = llama.get_nodes(["a"])
    assert (read.text, read.metadata) == (PAGES[0], ABOUT[0])
    written = Document(id="d", page_content="from LlamaIndex", metadata={"n": 4})
    assert store.get_by_ids(["d", "missing", "a"])[0] == written
    assert store.similarity_search_by_vector([1.0] * DIMENSION, k=1) == [written]
    assert store.delete(["d"])
    assert stored_ids(llama) == {"a", "b", "c"}


async def test_a_retriever_finds_by_words_and_vectors(store):
    hybrid = store.as_retriever(search_kwargs={"mode": "hybrid", "k": 3})
    found = hybrid.invoke("descales")
    assert found[0].id == "b"
    assert await hybrid.ainvoke("descales") == found
    words = store.as_retriever(search_kwargs={"mode": "text_search"})
    assert [each.id for each in words.invoke("descales")] == ["b"]


def test_a_filter_is_equality_or_those_of_llama_index(store):
    for wanted, ids in (({"n": 2}, {"b"}), ({"open": True}, {"a"}), (where(n=3), {"c"})):
        assert {each.id for each in store.similarity_search("x", filter=wanted)} == ids
    for unknown in ({"n": {"$gt": 1}}, {"$or": [{"n": 1}]}):
        with pytest.raises(UnsupportedFilter, match="no equality"):
            store.similarity_search("x", filter=unknown)


def test_what_an_option_means_is_never_guessed(store):
    with pytest.raises(TypeError, match="filters"):
        store.similarity_search("x", filters={"n": 2})
    with pytest.raises(StoreError, match="no search mode 'magic'"):
        store.similarity_search("x", mode="magic")
    with pytest.raises(StoreError, match="1 ids came with 2 texts"):
        store.add_texts(["x", "y"], ids=["x"])
    with pytest.raises(StoreError, match="No ids"):
        store.delete()


def test_documents_are_added_all_or_none(llama, store, monkeypatch):
    texts, vectors = ["other", "broken"], [[1.0] * DIMENSION, [0.0] * DIMENSION]
    monkeypatch.setattr(type(store.embeddings), "embed_documents", lambda *_: vectors)
    with pytest.raises(InvalidVector):
        store.add_texts(texts, ids=["a", "d"])
    assert [each.page_content for each in store.get_by_ids(["a", "d"])] == [PAGES[0]]


def test_scores_are_relevances(store):
    (best, score), *_ = store.similarity_search_with_relevance_scores(PAGES[1], score_threshold=0.9)
    assert best.id == "b"
    assert score == pytest.approx(1)
