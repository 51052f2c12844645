"""The store from outside, used as LlamaIndex's documentation shows."""

import asyncio
import json

import pytest
import sqlalchemy as sa
from fake_models import HashEmbedding, ScriptedLLM
from llama_index.core import Document, StorageContext, VectorStoreIndex
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.memory import VectorMemoryBlock
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.retrievers import VectorIndexAutoRetriever, VectorIndexRetriever
from llama_index.core.schema import ImageNode, IndexNode, TextNode
from llama_index.core.vector_stores import (
    MetadataFilter,
    MetadataFilters,
    MetadataInfo,
    VectorStoreInfo,
)
from llama_index.core.vector_stores.types import VectorStoreQueryMode as Mode
from nodes import stored_ids, where

from stores import MariaDBVectorStore, StoreError

EMBEDDING = HashEmbedding()
SPLITTER = SentenceSplitter(chunk_size=64, chunk_overlap=0)
DOCUMENTS = [
    Document(id_="returns", text="Returned goods are refunded.", metadata={"topic": "money"}),
    Document(id_="kettle", text="Descale the kettle with vinegar.", metadata={"topic": "care"}),
    Document(id_="lamp", text="The lamp takes two batteries.", metadata={"topic": "care"}),
]


@pytest.fixture
def store(engine: sa.Engine) -> MariaDBVectorStore:
    return MariaDBVectorStore(engine, embed_dim=EMBEDDING.dimensions)


@pytest.fixture
def index(store: MariaDBVectorStore) -> VectorStoreIndex:
    return VectorStoreIndex.from_documents(
        DOCUMENTS,
        storage_context=StorageContext.from_defaults(vector_store=store),
        transformations=[SPLITTER],
        embed_model=EMBEDDING,
    )


def sources(nodes: list) -> list[str | None]:
    return [each.node.ref_doc_id for each in nodes]


def test_documents_are_indexed_and_retrieved(
    index: VectorStoreIndex, store: MariaDBVectorStore
) -> None:
    assert sources(index.as_retriever(similarity_top_k=1).retrieve("kettle vinegar")) == ["kettle"]
    again = VectorStoreIndex.from_vector_store(store, embed_model=EMBEDDING)
    (found,) = again.as_retriever(similarity_top_k=1).retrieve("kettle vinegar")
    assert found.node.get_content() == DOCUMENTS[1].text
    assert found.node.metadata == {"topic": "care"}
    assert 0 < found.score <= 1


@pytest.mark.parametrize(
    "mode", [Mode.DEFAULT, Mode.HYBRID, Mode.TEXT_SEARCH, Mode.SPARSE, Mode.MMR]
)
def test_a_retriever_works_in_every_mode(index: VectorStoreIndex, mode: Mode) -> None:
    retriever = VectorIndexRetriever(
        index, similarity_top_k=2, sparse_top_k=2, vector_store_query_mode=mode, alpha=0.5
    )
    assert sources(retriever.retrieve("batteries of the lamp"))[0] == "lamp"
    assert sources(asyncio.run(retriever.aretrieve("batteries of the lamp")))[0] == "lamp"


def test_a_retriever_takes_filters_documents_and_options(index: VectorStoreIndex) -> None:
    care = index.as_retriever(similarity_top_k=5, filters=where(topic="care"))
    assert set(sources(care.retrieve("refunded goods"))) == {"kettle", "lamp"}
    one = VectorIndexRetriever(index, similarity_top_k=5, doc_ids=["lamp"])
    assert sources(one.retrieve("refunded goods")) == ["lamp"]
    mmr = index.as_retriever(
        vector_store_query_mode="mmr", vector_store_kwargs={"mmr_threshold": 0.2}
    )
    assert len(mmr.retrieve("refunded goods")) == 2


def test_documents_are_inserted_updated_and_deleted(
    index: VectorStoreIndex, store: MariaDBVectorStore
) -> None:
    index.insert(Document(id_="new", text="Gift cards never expire."))
    index.update_ref_doc(Document(id_="lamp", text="The lamp needs no batteries."))
    index.delete_ref_doc("returns")
    texts = {each.get_content() for each in store.get_nodes()}
    assert texts == {
        "Gift cards never expire.",
        "The lamp needs no batteries.",
        "Descale the kettle with vinegar.",
    }


def test_index_and_image_nodes_do_not_hide_the_text(
    index: VectorStoreIndex, store: MariaDBVectorStore
) -> None:
    """`as_retriever` asks for the ids of the nodes that the index keeps itself."""
    index.insert_nodes(
        [
            IndexNode(id_="in1", text="see the lamp", index_id="lamp-index"),
            ImageNode(id_="im1", text="a lamp", image="aGk="),
        ]
    )
    found = index.as_retriever(similarity_top_k=9).retrieve("lamp")
    assert {each.node.node_id for each in found} == stored_ids(store)
    again = VectorStoreIndex.from_vector_store(store, embed_model=EMBEDDING)
    again.insert_nodes([IndexNode(id_="in2", text="the other lamp", index_id="lamp-index")])
    found = again.as_retriever(similarity_top_k=9).retrieve("lamp")
    assert {each.node.node_id for each in found} == stored_ids(store)
    text = next(each for each in stored_ids(store) if each not in ("in1", "in2", "im1"))
    chosen = VectorIndexRetriever(index, similarity_top_k=9, node_ids=["in1", text])
    assert {each.node.node_id for each in chosen.retrieve("lamp")} == {"in1", text}


def test_an_index_whose_index_nodes_are_gone_says_so(index: VectorStoreIndex) -> None:
    index.insert_nodes([IndexNode(id_="in1", text="see the lamp", index_id="lamp-index")])
    index.delete_nodes(["in1"])
    with pytest.raises(StoreError, match="None of the 1 node_ids, as 'in1', is stored any more"):
        index.as_retriever().retrieve("lamp")


def test_an_ingestion_pipeline_writes_into_the_store(store: MariaDBVectorStore) -> None:
    pipeline = IngestionPipeline(transformations=[SPLITTER, EMBEDDING], vector_store=store)
    nodes = pipeline.run(documents=DOCUMENTS)
    assert {each.node_id for each in nodes} == stored_ids(store)
    asyncio.run(pipeline.arun(documents=[Document(id_="late", text="Delivered by drone.")]))
    assert len(stored_ids(store)) == 4


def test_a_query_engine_answers_from_the_store(index: VectorStoreIndex) -> None:
    llm = ScriptedLLM(reply=lambda prompt: "Use vinegar." if "Descale" in prompt else "No idea.")
    engine = index.as_query_engine(llm=llm, similarity_top_k=1)
    response = engine.query("How do I clean the kettle?")
    assert str(response) == "Use vinegar."
    assert sources(response.source_nodes) == ["kettle"]
    assert str(asyncio.run(engine.aquery("How do I clean the kettle?"))) == "Use vinegar."


def test_an_auto_retriever_turns_a_question_into_filters(index: VectorStoreIndex) -> None:
    condition = {"key": "topic", "value": "care", "operator": "=="}
    plan = json.dumps({"query": "", "top_k": 5, "filters": [condition]})
    retriever = VectorIndexAutoRetriever(
        index,
        vector_store_info=VectorStoreInfo(
            content_info="advice of a shop",
            metadata_info=[MetadataInfo(name="topic", type="str", description="money or care")],
        ),
        llm=ScriptedLLM(replies=[plan]),
    )
    assert set(sources(retriever.retrieve("all about care"))) == {"kettle", "lamp"}


def test_a_memory_block_remembers_in_the_store(store: MariaDBVectorStore) -> None:
    def memory() -> VectorMemoryBlock:
        return VectorMemoryBlock(vector_store=store, embed_model=EMBEDDING, similarity_top_k=1)

    async def talk() -> tuple[str, str]:
        for session, words in (("a", "my parrot is called Otto"), ("b", "my cat is called Mia")):
            said = [ChatMessage(role="user", content=words)]
            await memory().aput(said, session_id=session, from_short_term_memory=True)
        asked = [ChatMessage(role="user", content="what is my pet called")]
        return (
            await memory().aget(asked, session_id="a"),
            await memory().aget(asked, session_id="b"),
        )

    of_a, of_b = asyncio.run(talk())
    assert "Otto" in of_a
    assert "Mia" not in of_a
    assert "Mia" in of_b


def test_filters_of_the_documentation_work(index: VectorStoreIndex) -> None:
    index.insert_nodes([TextNode(text="tagged", metadata={"tags": ["a", "b"], "year": 2024})])
    filters = MetadataFilters.from_dicts(
        [
            {"key": "year", "value": 2023, "operator": ">"},
            {"key": "tags", "value": "b", "operator": "contains"},
        ]
    )
    (found,) = index.as_retriever(filters=filters).retrieve("anything")
    assert found.text == "tagged"
    none = MetadataFilters(filters=[MetadataFilter(key="unknown", value="x")])
    assert index.as_retriever(filters=none).retrieve("anything") == []
