"""A Haystack store and its retrievers beside LlamaIndex and LangChain on one table."""

from dataclasses import replace

import pytest
import sqlalchemy as sa
from embedding import embed
from llama_index.core.vector_stores import VectorStoreQuery
from nodes import node, stored_ids, where

from stores import InvalidVector, MariaDBVectorStore, StoreError

pytest.importorskip("haystack", reason="make test-frameworks")

import haystack
from haystack import Document, Pipeline, component
from haystack.components.writers import DocumentWriter
from haystack.core.serialization import allow_deserialization_module
from haystack.dataclasses import ByteStream, SparseEmbedding
from haystack.document_stores.errors import DuplicateDocumentError
from haystack.document_stores.types import DuplicatePolicy, FilterPolicy
from haystack.utils import Secret

from stores.haystack_retrievers import (
    MariaDBEmbeddingRetriever,
    MariaDBHybridRetriever,
    MariaDBKeywordRetriever,
)
from stores.haystack_store import MariaDBHaystackStore
from stores.registry.schema import migrate

DIMENSION = 6
PAGES = ["thirty days unopened", "the kettle descales itself", "opening hours of the shop"]
ABOUT = [{"n": 1, "open": True}, {"n": 2, "tags": ["a"]}, {"n": 3, "by": {"name": "Ada"}}]
OF_TWO = {"field": "meta.n", "operator": ">=", "value": 2}


@component
class TextEmbedder:
    @component.output_types(embedding=list[float])
    def run(self, text: str):
        return {"embedding": embed(text, DIMENSION)}


@component
class DocumentEmbedder:
    @component.output_types(documents=list[Document])
    def run(self, documents: list[Document]):
        return {
            "documents": [
                replace(each, embedding=embed(each.content, DIMENSION)) for each in documents
            ]
        }


def page(name: str, text: str, **fields) -> Document:
    return Document(**{"id": name, "content": text, "embedding": embed(text, DIMENSION), **fields})


@pytest.fixture
def llama(engine: sa.Engine) -> MariaDBVectorStore:
    return MariaDBVectorStore(engine, embed_dim=DIMENSION)


@pytest.fixture
def pages() -> list[Document]:
    return [
        page(name, text, meta=meta) for name, text, meta in zip("abc", PAGES, ABOUT, strict=True)
    ]


@pytest.fixture
def store(llama: MariaDBVectorStore, pages) -> MariaDBHaystackStore:
    opened = MariaDBHaystackStore.from_store(llama)
    opened.write_documents(pages)
    return opened


@pytest.fixture
def address(database: sa.URL, monkeypatch: pytest.MonkeyPatch) -> str:
    address = database.render_as_string(hide_password=False)
    monkeypatch.setenv("SHOP_DATABASE", address)
    return address


def ids(found: dict[str, list[Document]]) -> list[str]:
    return [each.id for each in found["documents"]]


def test_haystack_reads_what_llama_index_and_langchain_wrote(llama, store):
    llama.add([node("d", text="from LlamaIndex", embedding=[1.0] * DIMENSION, metadata={"n": 4})])
    langchain = pytest.importorskip("langchain_core.embeddings")
    sibling = pytest.importorskip("stores.langchain_store")
    model = langchain.DeterministicFakeEmbedding(size=DIMENSION)
    beside = sibling.MariaDBLangChainStore(llama, model)
    beside.add_texts(["from LangChain"], [{"n": 5}], ids=["e"])
    beyond = {"field": "meta.n", "operator": ">", "value": 3}
    written, other = store.filter_documents(beyond)
    assert written == Document("d", "from LlamaIndex", meta={"n": 4}, embedding=[1.0] * DIMENSION)
    assert (other.id, other.content, other.meta) == ("e", "from LangChain", {"n": 5})
    assert [each.page_content for each in beside.get_by_ids(["a", "c"])] == [PAGES[0], PAGES[2]]
    found = beside.similarity_search("kettle", filter={"n": 2}, mode="text_search")
    assert [(each.id, each.metadata) for each in found] == [("b", ABOUT[1])]


def test_llama_index_reads_what_haystack_wrote(llama, store, pages):
    [read] = llama.get_nodes(["b"])
    assert (read.text, read.metadata, read.embedding) == (PAGES[1], ABOUT[1], pages[1].embedding)
    [nearest] = llama.query(
        VectorStoreQuery(query_embedding=pages[1].embedding, similarity_top_k=1)
    ).nodes
    assert nearest.node_id == "b"
    store.delete_documents(["b", "nowhere"])
    assert stored_ids(llama) == {"a", "c"}
    assert store.filter_documents() == [pages[0], pages[2]]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"blob": ByteStream(b"x")}, "has a blob, for which a chunk has no place"),
        ({"sparse_embedding": SparseEmbedding([1], [0.5])}, "has a sparse_embedding"),
        ({"content": None}, "has no content"),
        ({"embedding": None}, "have no embedding, as 'x'"),
        ({"embedding": [1.0]}, "'x' cannot be stored"),
        ({"meta": {"x": object()}}, "metadata that JSON cannot express"),
    ],
    ids=lambda each: next(iter(each)) if isinstance(each, dict) else "",
)
@pytest.mark.parametrize("policy", list(DuplicatePolicy))
def test_what_a_chunk_cannot_hold_is_refused_with_all_beside_it(
    store, pages, fields, message, policy
):
    with pytest.raises(StoreError, match=message):
        store.write_documents([page("d", "other"), page("x", "y", **fields)], policy)
    assert store.filter_documents() == pages


def test_an_embedder_of_the_store_embeds_what_comes_without(llama):
    store = MariaDBHaystackStore.from_store(llama, embedder=DocumentEmbedder())
    kept = page("b", "two", embedding=[1.0] * DIMENSION)
    store.write_documents([Document("a", "one"), kept, Document("c", "three")])
    assert store.filter_documents() == [page("a", "one"), kept, page("c", "three")]


def test_each_policy_says_what_becomes_of_what_is_there(store, pages):
    again, new = page("a", "another"), page("d", "new")
    for policy in (DuplicatePolicy.NONE, DuplicatePolicy.FAIL):
        with pytest.raises(
            DuplicateDocumentError, match="1 of 2 chunks are stored already, as 'a'"
        ):
            store.write_documents([new, again], policy)
        with pytest.raises(DuplicateDocumentError, match="'d' was given twice"):
            store.write_documents([new, new], policy)
    assert store.filter_documents() == pages
    assert store.write_documents([again, new, new], DuplicatePolicy.SKIP) == 1
    assert store.filter_documents() == [*pages, new]
    assert store.write_documents([again, again], DuplicatePolicy.OVERWRITE) == 2
    assert {each.id: each.content for each in store.filter_documents()}["a"] == "another"
    assert store.write_documents([]) == 0


def test_what_is_updated_is_found_by_what_it_says_now(llama, store, pages):
    assert store.update_by_filter(OF_TWO, {"n": 9, "by": {"name": "Bob"}}) == 2
    assert store.count_documents_by_filter(OF_TWO) == 2
    assert {each.node_id for each in llama.get_nodes(filters=where(n=9))} == {"b", "c"}
    [kettle] = store.search(words="kettle", filters=OF_TWO)
    assert kettle.meta == {"n": 9, "tags": ["a"], "by": {"name": "Bob"}}
    embeddings = {each.id: each.embedding for each in store.filter_documents()}
    assert embeddings == {each.id: each.embedding for each in pages}
    for change in (store.delete_by_filter, lambda none: store.update_by_filter(none, {"n": 1})):
        with pytest.raises(StoreError, match="empty filter matches everything"):
            change({})
    assert store.delete_by_filter(OF_TWO) == 2
    assert store.count_documents() == 1


def test_groups_see_and_change_what_is_theirs_alone(llama, store):
    migrate(llama.client)
    nobodys = MariaDBHaystackStore.from_store(llama.seen_by(frozenset()))
    assert nobodys.count_documents() == 0
    assert nobodys.get_metadata_field_unique_values("n") == ([], 0)
    assert nobodys.delete_by_filter(OF_TWO) == nobodys.update_by_filter(OF_TWO, {"n": 0}) == 0
    assert store.count_documents() == 3


def test_metadata_are_told_by_key(store):
    assert store.get_metadata_fields_info() == {
        "by": {"type": "keyword"},
        "n": {"type": "int"},
        "open": {"type": "boolean"},
        "tags": {"type": "keyword"},
    }
    store.write_documents([page("d", "x", meta={"n": 2.5, "-k": None, 'q"': "é"})])
    assert store.get_metadata_fields_info()["n"] == {"type": "float"}
    assert store.get_metadata_fields_info()['q"'] == {"type": "keyword"}
    assert store.get_metadata_field_min_max("meta.n") == {"min": 1, "max": 3}
    assert store.get_metadata_field_min_max('q"') == {"min": "é", "max": "é"}
    assert store.get_metadata_field_unique_values("tags") == ([["a"]], 1)
    assert store.get_metadata_field_unique_values("by", search_term="ADA") == ([{"name": "Ada"}], 1)
    assert store.get_metadata_field_unique_values("n", from_=9, size=2) == ([], 4)


async def test_retrievers_find_by_vector_words_and_both(store):
    question = embed(PAGES[1], DIMENSION)
    by_vector = MariaDBEmbeddingRetriever(store, top_k=1)
    by_words = MariaDBKeywordRetriever(store)
    by_both = MariaDBHybridRetriever(store, fusion={"strategy": "rrf"})
    asked = {"query": "opening hours", "query_embedding": question}
    assert ids(by_vector.run(question)) == ids(await by_vector.run_async(question)) == ["b"]
    assert ids(by_words.run("opening hours")) == ["c"]
    assert ids(await by_words.run_async("opening hours")) == ["c"]
    assert {*ids(by_both.run(**asked))[:2]} == {"b", "c"}
    assert ids(await by_both.run_async(**asked)) == ids(by_both.run(**asked))
    [best] = by_vector.run(question)["documents"]
    assert (best.content, best.meta, best.embedding) == (PAGES[1], ABOUT[1], None)
    assert best.score == pytest.approx(1)


def test_filters_of_a_run_replace_those_of_the_retriever_or_join_them(store):
    first = {"field": "meta.n", "operator": "<=", "value": 2}
    question = embed("anything", DIMENSION)
    replaced = MariaDBEmbeddingRetriever(store, filters=first)
    assert {*ids(replaced.run(question))} == {"a", "b"}
    assert {*ids(replaced.run(question, filters=OF_TWO))} == {"b", "c"}
    assert len(ids(replaced.run(question, top_k=1))) == 1
    of_a = {"field": "meta.tags", "operator": "==", "value": ["a"]}
    joined = MariaDBEmbeddingRetriever(store, filters=first, filter_policy=FilterPolicy.MERGE)
    assert ids(joined.run(question, filters=of_a)) == ["b"]


async def test_a_pipeline_that_is_written_out_works_again_and_tells_no_secret(address):
    store = MariaDBHaystackStore(
        Secret.from_env_var("SHOP_DATABASE"),
        "pages",
        embed_dim=DIMENSION,
        filter_keys=["n"],
        embedder=DocumentEmbedder(),
    )
    writing, asking = Pipeline(), Pipeline()
    writing.add_component("writer", DocumentWriter(store, DuplicatePolicy.OVERWRITE))
    asking.add_component("embedder", TextEmbedder())
    asking.add_component("words", MariaDBKeywordRetriever(store, filters=OF_TWO, top_k=5))
    hybrid = MariaDBHybridRetriever(
        store, top_k=2, filter_policy=FilterPolicy.MERGE, fusion={"vector_weight": 0.4}
    )
    asking.add_component("both", hybrid)
    asking.add_component("near", MariaDBEmbeddingRetriever(store, top_k=1))
    asking.connect("embedder.embedding", "both.query_embedding")
    asking.connect("embedder.embedding", "near.query_embedding")
    written_out = writing.dumps(), asking.dumps()
    assert address not in "".join(written_out)
    assert "SHOP_DATABASE" in written_out[1]

    allow_deserialization_module("stores")
    allow_deserialization_module("test_haystack_store")
    writing, again = map(Pipeline.loads, written_out)
    assert again.to_dict() == asking.to_dict()
    documents = [
        Document(id_, text, meta=about)
        for id_, text, about in zip("abc", PAGES, ABOUT, strict=True)
    ]
    assert writing.run({"writer": {"documents": documents}})["writer"]["documents_written"] == 3
    data = {
        "embedder": {"text": PAGES[1]},
        "words": {"query": "opening hours"},
        "both": {"query": "opening hours"},
    }
    found = again.run(data)
    assert ids(found["words"]) == ["c"]
    assert {*ids(found["both"])} == {"b", "c"}
    assert ids(found["near"]) == ["b"]
    assert await again.run_async(data) == found


def test_what_cannot_be_written_out_says_so(llama, store, database, monkeypatch):
    with pytest.raises(StoreError, match=r"from_env_var"):
        store.to_dict()
    secret = database.render_as_string(hide_password=False)
    given = MariaDBHaystackStore(Secret.from_token(secret), embed_dim=DIMENSION)
    with pytest.raises(ValueError, match="Cannot serialize token"):
        given.to_dict()
    with pytest.raises(StoreError, match="url is a str") as caught:
        MariaDBHaystackStore(secret, embed_dim=DIMENSION)
    assert secret not in str(caught.value)


def test_what_a_retriever_is_told_is_never_guessed(store):
    with pytest.raises(StoreError, match="no fusion strategy 'magic'"):
        MariaDBHybridRetriever(store, fusion={"strategy": "magic"})
    with pytest.raises(StoreError, match="A fusion has no 'weight'"):
        MariaDBHybridRetriever(store, fusion={"weight": 1})
    with pytest.raises(StoreError, match="document_store is a str"):
        MariaDBKeywordRetriever("pages")
    with pytest.raises(ValueError, match="magic"):
        MariaDBKeywordRetriever(store, filter_policy="magic")
    with pytest.raises(InvalidVector):
        MariaDBEmbeddingRetriever(store).run([1.0])


def test_haystack_tells_its_maker_nothing():
    assert haystack.telemetry._telemetry.telemetry is None
