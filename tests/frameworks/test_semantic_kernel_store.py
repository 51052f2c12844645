"""Semantic Kernel's collections beside LlamaIndex and Haystack on one table."""

import itertools
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import pytest
import sqlalchemy as sa
from embedding import embed
from llama_index.core.vector_stores import VectorStoreQuery
from nodes import node, stored_ids, where
from pydantic import BaseModel

from stores import CollectionMismatch, MariaDBVectorStore, StoreError

pytest.importorskip("semantic_kernel", reason="make test-frameworks")

from semantic_kernel.connectors.ai.embedding_generator_base import EmbeddingGeneratorBase
from semantic_kernel.data.vector import (
    DistanceFunction,
    VectorStoreCollectionDefinition,
    VectorStoreField,
    vectorstoremodel,
)
from semantic_kernel.exceptions import VectorStoreOperationException
from semantic_kernel.exceptions.vector_store_exceptions import VectorSearchExecutionException

from stores.semantic_kernel_store import (
    MariaDBSemanticKernelCollection,
    MariaDBSemanticKernelStore,
)

DIMENSION = 6
PAGES = ["thirty days unopened", "the kettle descales itself", "opening hours of the shop"]


@vectorstoremodel
@dataclass
class Page:
    id: Annotated[str, VectorStoreField("key")]
    text: Annotated[str, VectorStoreField("data", is_full_text_indexed=True)]
    n: Annotated[int | None, VectorStoreField("data")] = None
    tags: Annotated[list[str] | None, VectorStoreField("data", storage_name="labels")] = None
    by: Annotated[dict[str, Any] | None, VectorStoreField("data")] = None
    vector: Annotated[list[float] | None, VectorStoreField("vector", dimensions=DIMENSION)] = None


class Embedder(EmbeddingGeneratorBase):
    async def generate_embeddings(self, texts: list[str], settings=None, **_: Any) -> np.ndarray:
        return np.array([embed(text, DIMENSION) for text in texts])

    async def generate_raw_embeddings(self, texts: list[str], settings=None, **_: Any):
        return [embed(text, DIMENSION) for text in texts]


def fields(**vector: Any) -> VectorStoreCollectionDefinition:
    of_vector = {"dimensions": DIMENSION} | vector
    return VectorStoreCollectionDefinition(
        fields=[
            VectorStoreField("key", name="id"),
            VectorStoreField("data", name="text", is_full_text_indexed=True),
            VectorStoreField("vector", name="vector", **of_vector),
        ]
    )


def page(name: str, text: str, **more: Any) -> Page:
    return Page(id=name, text=text, vector=embed(text, DIMENSION), **more)


def written() -> list[Page]:
    return [
        page("a", PAGES[0], n=1, tags=["x", "y"], by={"name": "Ada"}),
        page("b", PAGES[1], n=2, tags=[], by={"name": "Bob", "at": {"y": 1}}),
        page("c", PAGES[2], n=None, tags=["x"]),
    ]


@pytest.fixture
def llama(engine: sa.Engine) -> MariaDBVectorStore:
    return MariaDBVectorStore(engine, embed_dim=DIMENSION)


@pytest.fixture
async def collection(llama) -> MariaDBSemanticKernelCollection[Page]:
    opened = MariaDBSemanticKernelCollection(Page, llama)
    assert await opened.upsert(written()) == ["a", "b", "c"]
    return opened


async def found(search) -> list[tuple[str, float]]:
    results = await search
    return [(each.record.id, each.score) async for each in results.results]


async def ids(search) -> list[str]:
    return [id_ for id_, _ in await found(search)]


async def test_records_come_back_as_they_went_in(collection):
    a, _, c = written()
    assert await collection.get(keys=["c", "missing", "a"], include_vectors=True) == [c, a]
    a.vector = None
    assert await collection.get("a") == a
    assert [each.id for each in await collection.get(top=2, skip=1)] == ["b", "c"]
    await collection.upsert(page("a", "changed"))
    assert (await collection.get("a")).text == "changed"
    await collection.delete(["a", "missing"])
    assert await collection.get("a") is None
    assert await collection.collection_exists()


async def test_each_reads_what_the_others_wrote(llama, collection):
    llama.add([node("d", text="from LlamaIndex", embedding=[1.0] * DIMENSION, metadata={"n": 4})])
    expected = Page("d", "from LlamaIndex", n=4, vector=[1.0] * DIMENSION)
    assert await collection.get("d", include_vectors=True) == expected
    [read] = llama.get_nodes(["a"])
    assert (read.text, read.embedding) == (PAGES[0], embed(PAGES[0], DIMENSION))
    assert read.metadata == {"n": 1, "labels": ["x", "y"], "by": {"name": "Ada"}}
    assert {each.node_id for each in llama.get_nodes(filters=where(n=4))} == {"d"}
    haystack = pytest.importorskip("stores.haystack_store")
    beside = haystack.MariaDBHaystackStore.from_store(llama)
    [document] = beside.filter_documents({"field": "meta.labels", "operator": "==", "value": []})
    assert (document.id, document.content, document.meta["n"]) == ("b", PAGES[1], 2)
    assert stored_ids(llama) == {"a", "b", "c", "d"}


async def test_a_search_is_by_vector_or_by_words_as_well(llama, collection):
    vector = embed(PAGES[1], DIMENSION)
    [(best, score), *rest] = await found(collection.search(vector=vector, top=3))
    assert (best, score, len(rest)) == ("b", pytest.approx(1), 2)
    assert await ids(collection.search(vector=vector, top=1, skip=1)) == [rest[0][0]]
    both = await found(collection.hybrid_search("opening hours", vector=vector, top=2))
    assert {id_ for id_, _ in both} == {"b", "c"}
    embedding = MariaDBSemanticKernelCollection(
        Page, llama, embedding_generator=Embedder(ai_model_id="none")
    )
    assert await ids(embedding.search(PAGES[2], top=1)) == ["c"]
    assert (await ids(embedding.hybrid_search("descales", top=3)))[0] == "b"
    counted = await collection.search(
        vector=vector, filter="lambda x: x.n > 0", include_total_count=True, top=1
    )
    assert counted.total_count == 2
    [only] = [each async for each in (await collection.search(vector=vector, top=1)).results]
    assert only.record.vector is None
    seen = await collection.search(vector=vector, top=1, include_vectors=True)
    assert [each.record.vector async for each in seen.results] == [vector]


@pytest.mark.parametrize(
    ("function", "distance", "score"),
    [
        (DistanceFunction.COSINE_SIMILARITY, "cosine", 0.6),
        (DistanceFunction.COSINE_DISTANCE, "cosine", 0.4),
        (DistanceFunction.EUCLIDEAN_DISTANCE, "euclidean", 0.8**0.5),
    ],
)
async def test_scores_are_what_the_field_asks_for(engine, function, distance, score):
    store = MariaDBVectorStore(engine, embed_dim=2, distance=distance)
    definition = fields(dimensions=2, distance_function=function)
    collection = MariaDBSemanticKernelCollection(dict, store, definition=definition)
    await collection.upsert({"id": "a", "text": "a", "vector": [0.6, 0.8]})
    results = await collection.search(vector=[1.0, 0.0])
    assert [each.score async for each in results.results] == [pytest.approx(score, abs=1e-6)]


COMPARISONS = [
    *(f"x.n {sign} {value}" for sign in ("==", "!=", ">", ">=", "<", "<=") for value in (1, 2.5)),
    *(f"{value} {sign} x.n" for sign in ("==", "!=", ">", ">=", "<", "<=") for value in (1, -1)),
    *(f"x.n {sign} None" for sign in ("==", "!=", "is", "is not")),
    *(f"x.n {sign} [1, None, 3]" for sign in ("in", "not in")),
    *(f"{value!r} {sign} x.tags" for sign in ("in", "not in") for value in ("x", "z")),
    *(f"{value!r} {sign} x.text" for sign in ("in", "not in") for value in ("opening", "the")),
    "x.tags == []",
    "x.tags == ['x', 'y']",
    "x.by.name == 'Ada'",
    "x.by.at.y >= 1",
    "x.id in ('a', 'c')",
    "x.id > 'a'",
    f"x.text == {PAGES[0]!r}",
    "1 <= x.n < 2",
    "True == x.n",
]


class Row(dict):
    """A record as a lambda sees it; what is within nothing is nothing."""

    def __getattr__(self, name: str) -> Any:
        value = self.get(name)
        return (
            Row(value)
            if isinstance(value, dict)
            else Row()
            if value is None and name == "at"
            else value
        )


def matches(wanted: str, record: Page) -> bool:
    """What Python says; what it cannot compare does not match."""
    try:
        return bool(eval(wanted, {"x": Row(vars(record) | {"by": record.by or {}})}))
    except TypeError:
        return False


@pytest.mark.parametrize("wanted", COMPARISONS)
async def test_a_lambda_finds_what_python_finds(collection, wanted):
    vector = embed("anything", DIMENSION)
    expected = {each.id for each in written() if matches(wanted, each)}
    assert {*await ids(collection.search(vector=vector, filter=f"lambda x: {wanted}"))} == expected


async def test_groups_of_comparisons_find_what_python_finds(collection):
    vector = embed("anything", DIMENSION)
    whole = ["x.n == 1", "x.tags == []", "'x' in x.tags", "x.n != 2", "'e' in x.text"]
    groups = ["({}) and ({})", "({}) or ({})", "not (({}) and ({}))", "not ({}) or not ({})"]
    for group, (one, other) in itertools.product(groups, itertools.product(whole, repeat=2)):
        wanted = group.format(one, other)
        expected = {each.id for each in written() if matches(wanted, each)}
        search = collection.search(vector=vector, filter=f"lambda x: {wanted}", top=9)
        assert {*await ids(search)} == expected, wanted
    several = ["lambda x: x.n >= 1", "lambda x: x.n < 2"]
    assert await ids(collection.search(vector=vector, filter=several)) == ["a"]
    assert await ids(collection.search(vector=vector, filter=lambda x: x.n == 2)) == ["b"]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("x.n", "is no comparison of a field with a value"),
        ("x.missing == 1", "the records have id, text, n, tags, by, vector"),
        ("x.vector == [1.0]", "is no field to filter by"),
        ("x.text.lower == 'a'", "is no field to filter by"),
        ("x.text.lower() == 'a'", "is no field of the record"),
        ("x.n == open('/etc/passwd')", "is no value that stands in the lambda"),
        ("x.n == other", "is no value that stands in the lambda"),
        ("x.n > None", "is nothing that Gt can compare"),
        ("x.n in 'abc'", "is nothing that In can compare"),
        ("x.n == {'a': 1}", "has the value"),
        ("1 == 1", "is no field of the record"),
        ("x.n + 1 == 2", "is no field of the record"),
    ],
)
async def test_what_a_filter_cannot_say_is_an_error(collection, wanted, message):
    with pytest.raises((VectorSearchExecutionException, VectorStoreOperationException)) as caught:
        await collection.search(vector=[1.0] * DIMENSION, filter=f"lambda x: {wanted}")
    assert message in str(caught.value)


class Model(BaseModel):
    id: str
    text: str
    vector: list[float] | str | None = None


async def test_records_may_be_models_and_be_embedded_at_the_writing(llama):
    collection = MariaDBSemanticKernelCollection(
        Model, llama, definition=fields(), embedding_generator=Embedder(ai_model_id="none")
    )
    await collection.upsert(Model(id="a", text=PAGES[0], vector=PAGES[0]))
    read = await collection.get("a", include_vectors=True)
    assert read == Model(id="a", text=PAGES[0], vector=embed(PAGES[0], DIMENSION))
    [nearest] = llama.query(VectorStoreQuery(query_embedding=read.vector, similarity_top_k=1)).nodes
    assert nearest.node_id == "a"


async def test_records_that_no_chunk_can_be_are_refused(llama, collection):
    for record, message in (
        (Page("x", "x"), "has no embedding"),
        (Page("x", None, vector=[1.0] * DIMENSION), "lacks its key or its text"),
    ):
        with pytest.raises(Exception, match=message):
            await collection.upsert([page("d", "d"), record])
    assert stored_ids(llama) == {"a", "b", "c"}


def test_a_definition_has_one_text_and_one_vector_of_the_table(llama):
    twice = fields()
    twice.fields.append(VectorStoreField("data", name="more", is_full_text_indexed=True))
    for definition, error, message in (
        (twice, StoreError, "have 2 of the kind data field .* text and more"),
        (fields(dimensions=3), CollectionMismatch, "has 3 dimensions, .* have 6"),
        (fields(distance_function=DistanceFunction.HAMMING), StoreError, "by cosine distance"),
    ):
        with pytest.raises(error, match=message):
            MariaDBSemanticKernelCollection(dict, llama, definition=definition)


async def test_a_table_is_made_and_never_dropped(llama, collection):
    other = MariaDBVectorStore(llama.client, "other", embed_dim=DIMENSION)
    opened = MariaDBSemanticKernelCollection(Page, other)
    assert not await opened.collection_exists()
    await opened.ensure_collection_deleted()
    await opened.ensure_collection_exists()
    assert await opened.collection_exists()
    with pytest.raises(StoreError, match="other may hold what others wrote"):
        await opened.ensure_collection_deleted()
    with pytest.raises(VectorStoreOperationException, match="cannot be ordered by n"):
        await collection.get(top=1, order_by="n")


# The store -----------------------------------------------------------------------------------


async def test_a_store_opens_collections_and_knows_those_of_others(llama, engine):
    store = MariaDBSemanticKernelStore(engine, embedding_generator=Embedder(ai_model_id="none"))
    assert await store.list_collection_names() == []
    llama.add([node("d", text=PAGES[1], embedding=embed(PAGES[1], DIMENSION))])
    async with store.get_collection(Page, collection_name="pages") as pages:
        assert not await store.collection_exists("pages")
        await pages.ensure_collection_exists()
        await pages.upsert(Page("a", PAGES[0], vector=PAGES[0]))
    assert await store.list_collection_names() == ["kb_chunk", "pages"]
    assert [await store.collection_exists(name) for name in ("pages", "rows")] == [True, False]
    assert stored_ids(MariaDBVectorStore(engine, "pages", embed_dim=DIMENSION)) == {"a"}
    others = store.get_collection(Page, collection_name="kb_chunk")
    assert await ids(others.search(PAGES[1], top=1)) == ["d"]


async def test_a_store_makes_tables_as_the_records_want_them(engine):
    definition = fields(distance_function=DistanceFunction.EUCLIDEAN_DISTANCE)
    definition.collection_name = "notes"
    definition.fields.append(VectorStoreField("data", name="kind", is_indexed=True))
    store = MariaDBSemanticKernelStore(engine, words="none")
    opened = store.get_collection(dict, definition=definition)
    made = opened.store
    assert (made.table_name, made.embed_dim, made.words) == ("notes", DIMENSION, "none")
    assert (made.distance, made.filter_keys) == ("euclidean", ("kind",))
    await opened.ensure_collection_exists()
    notes = [{"id": name, "text": name, "vector": [1.0] * DIMENSION, "kind": name} for name in "ab"]
    await opened.upsert(notes)
    wanted = opened.search(vector=[1.0] * DIMENSION, filter="lambda x: x.kind == 'b'")
    assert [(each.record["id"], each.score) async for each in (await wanted).results] == [("b", 0)]
    assert await store.list_collection_names() == ["notes"]


async def test_a_store_drops_nothing_and_misses_nothing(engine):
    store = MariaDBSemanticKernelStore(engine)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE seats (seq INT, node INT, embedding VECTOR(3))"))
    assert await store.list_collection_names() == []
    await store.ensure_collection_deleted("pages")
    await store.get_collection(Page, collection_name="pages").ensure_collection_exists()
    with pytest.raises(StoreError, match="pages may hold what others wrote"):
        await store.ensure_collection_deleted("pages")
    assert await store.collection_exists("pages")


@pytest.mark.parametrize(
    ("record", "how", "message"),
    [
        (dict, {"collection_name": "pages"}, "does not say what its fields are"),
        (Page, {}, "Give a collection_name"),
        (Page, {"collection_name": "no-table"}, "cannot name a table"),
        (
            dict,
            {
                "collection_name": "pages",
                "definition": VectorStoreCollectionDefinition(
                    fields=[VectorStoreField("key", name="id")]
                ),
            },
            "have 0 of the kind data field with is_full_text_indexed",
        ),
    ],
)
def test_a_collection_that_cannot_be_is_refused(engine, record, how, message):
    with pytest.raises(StoreError, match=message):
        MariaDBSemanticKernelStore(engine).get_collection(record, **how)
