"""LangChain's own suite for retrievers, over the store alone and over a whole knowledge base."""

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from api_server import database_of
from model_server import FakeModels
from nodes import where
from twins import configure, write_files

from kb import KnowledgeBase
from stores import MariaDBVectorStore, StoreError, UnsupportedFilter
from stores.chunks.fusion import Fusion
from stores.errors import ConfigError
from stores.private_server import PrivateServer

pytest.importorskip("langchain_tests", reason="pip install 'mariadb-kb[langchain]' langchain-tests")

from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import RunnableLambda
from langchain_tests.integration_tests import (
    RetrieversIntegrationTests,
    VectorStoreIntegrationTests,
)
from pydantic import ValidationError

from kb.langchain import KnowledgeBaseRetriever
from stores.langchain_retriever import MariaDBLangChainRetriever
from stores.langchain_store import MariaDBLangChainStore

PAGES = [
    "thirty days unopened",
    "the kettle descales itself",
    "opening hours of the shop",
    "thirty kettles in the shop",
]
IDS = ["returns", "kettle", "hours", "stock"]
FILES = {
    "care/kettle.md": "# Kettle\n\nThe kettle descales itself in three minutes.\n",
    "care/lamp.md": "# Lamp\n\nThe lamp takes two batteries.\n",
    "hr/salaries.md": "---\ncategory: staff\n---\n# Salaries\n\nThe kettle costs a salary.\n",
    "returns.md": "# Returns\n\nThirty days, unopened, with the invoice.\n",
}
RULES = {"default": ["everyone"], "documents": [{"path": "/hr/", "groups": ["hr"]}]}


@pytest.fixture
def store(engine: sa.Engine) -> MariaDBLangChainStore:
    return MariaDBLangChainStore.from_texts(
        PAGES,
        VectorStoreIntegrationTests.get_embeddings(),
        [{"n": number, "score": "stored"} for number in range(len(PAGES))],
        store=MariaDBVectorStore(engine, embed_dim=6),
        ids=IDS,
    )


@pytest.fixture(scope="module")
def base(
    server: PrivateServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[KnowledgeBase]:
    folder = tmp_path_factory.mktemp("base")
    write_files(folder, FILES)
    with FakeModels() as models, database_of(server) as url:
        config = configure(
            url,
            folder,
            models,
            tables={},
            access=RULES,
            retrieval={"log": "full"},
            profiles={"words": {"strategy": "text"}},
        )
        with KnowledgeBase.open(config) as kb:
            kb.index()
            yield kb


class TestSuiteOfLangChainOverTheStore(RetrieversIntegrationTests):
    @pytest.fixture(autouse=True)
    def over(self, store):
        self.store = store

    @property
    def retriever_constructor(self):
        return MariaDBLangChainRetriever

    @property
    def retriever_constructor_params(self):
        return {"store": self.store}

    @property
    def retriever_query_example(self):
        return "thirty days of the kettle"


class TestSuiteOfLangChainOverAKnowledgeBase(RetrieversIntegrationTests):
    @pytest.fixture(autouse=True)
    def over(self, base):
        self.base = base

    @property
    def retriever_constructor(self):
        return KnowledgeBaseRetriever

    @property
    def retriever_constructor_params(self):
        return {"knowledge_base": self.base, "exact": False}

    @property
    def num_results_arg_name(self):
        return "top_k"

    @property
    def retriever_query_example(self):
        return "the kettle, the lamp and thirty days"


# Over the store alone -----------------------------------------------------------------------------


async def test_it_finds_by_both_and_tells_ids_metadata_and_scores(store):
    retriever = MariaDBLangChainRetriever(store=store, k=2)
    best, second = retriever.invoke("descales")
    assert (best.id, best.page_content, best.metadata["n"]) == ("kettle", PAGES[1], 1)
    assert 1 >= best.metadata["score"] >= second.metadata["score"] >= 0
    assert await retriever.ainvoke("descales") == [best, second]
    assert store.get_by_ids(["kettle"])[0].metadata["score"] == "stored"
    [kept] = MariaDBLangChainRetriever(store=store, k=1, score_key=None).invoke("descales")
    assert kept.metadata == {"n": 1, "score": "stored"}


async def test_what_it_was_made_with_holds_and_a_question_may_say_otherwise(store):
    filtered = MariaDBLangChainRetriever(store=store, filter={"n": 2})
    for found in (filtered.invoke("kettle"), await filtered.ainvoke("kettle")):
        assert [each.id for each in found] == ["hours"]
    assert [each.id for each in filtered.invoke("kettle", filter=where(n=3))] == ["stock"]
    words = MariaDBLangChainRetriever(store=store, mode="text_search", k=1)
    assert {each.id for each in await words.ainvoke("kettle kettles", k=4)} == {"kettle", "stock"}


def test_a_fusion_weighs_words_and_vectors(store):
    of_words, of_vectors = (
        MariaDBLangChainRetriever(store=store, fusion=Fusion(weight_only), k=4).invoke("thirty")
        for weight_only in ("text", "vector")
    )
    assert {each.id for each in of_words} == {"returns", "stock"}
    assert {each.id for each in of_vectors} == set(IDS)
    assert of_vectors[0].id != "stock"


def test_what_has_no_meaning_is_refused(store):
    with pytest.raises(ValidationError, match="mode"):
        MariaDBLangChainRetriever(store=store, mode="magic")
    with pytest.raises(StoreError, match="one ranking alone"):
        MariaDBLangChainRetriever(store=store, mode="default", fusion=Fusion()).invoke("kettle")
    with pytest.raises(UnsupportedFilter, match="no equality"):
        MariaDBLangChainRetriever(store=store, filter={"n": {"$gt": 1}}).invoke("kettle")
    with pytest.raises(TypeError, match="filters"):
        MariaDBLangChainRetriever(store=store).invoke("kettle", filters={})


# Over a knowledge base ----------------------------------------------------------------------------


def paths(retriever: KnowledgeBaseRetriever, question: str, **options: Any) -> set[str]:
    return {each.metadata["path"] for each in retriever.invoke(question, **options)}


async def test_it_finds_what_the_knowledge_base_finds(base):
    retriever = KnowledgeBaseRetriever(knowledge_base=base, top_k=3)
    found = retriever.invoke("Does the kettle descale itself?")
    expected = base.search("Does the kettle descale itself?", top_k=3)
    assert [(each.id, each.metadata["score"]) for each in found] == [
        (passage.node_id, passage.score) for passage in expected
    ]
    assert found[0].page_content == expected[0].get_content()
    assert found[0].metadata["title"] == "Kettle"
    assert await retriever.ainvoke("Does the kettle descale itself?") == found


def test_groups_see_what_they_may_see(base):
    for groups, seen in ((["hr"], {"hr/salaries.md", "care/kettle.md"}), ([], {"care/kettle.md"})):
        retriever = KnowledgeBaseRetriever(knowledge_base=base.seen_by(groups), profile="words")
        assert paths(retriever, "kettle") == seen


def test_filters_and_profiles_hold_and_a_question_may_say_otherwise(base):
    staff = KnowledgeBaseRetriever(knowledge_base=base, filters={"category": "staff"}, top_k=9)
    assert paths(staff, "kettle") == {"hr/salaries.md"}
    assert paths(staff, "kettle", filters=where(title="Lamp")) == {"care/lamp.md"}
    everything = KnowledgeBaseRetriever(knowledge_base=base, top_k=9)
    assert paths(everything, "batteries") == set(FILES)
    assert paths(everything, "batteries", profile="words") == {"care/lamp.md"}
    with pytest.raises(ConfigError, match="magic"):
        KnowledgeBaseRetriever(knowledge_base=base, profile="magic").invoke("kettle")


def test_its_searches_are_logged_as_those_of_a_user(base):
    KnowledgeBaseRetriever(knowledge_base=base, user="ana").invoke("batteries of ana")
    base.components.search_log.flush()
    with base.components.engine.connect() as connection:
        logged = connection.exec_driver_sql(
            "SELECT user FROM kb_search WHERE question = 'batteries of ana'"
        )
        assert logged.scalars().all() == ["ana"]


def test_it_stands_in_a_chain(base):
    retriever = KnowledgeBaseRetriever(knowledge_base=base, top_k=1, profile="words")
    chain = (
        retriever | RunnableLambda(lambda documents: documents[0].page_content) | StrOutputParser()
    )
    assert "two batteries" in chain.invoke("batteries")
