"""What is added comes back, is replaced and is removed, as LlamaIndex's contract has it."""

import asyncio
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from llama_index.core.schema import (
    BaseNode,
    Document,
    ImageNode,
    IndexNode,
    Node,
    NodeRelationship,
    ObjectType,
    RelatedNodeInfo,
    TextNode,
)
from llama_index.core.vector_stores import FilterOperator, MetadataFilter, MetadataFilters
from llama_index.core.vector_stores.types import VectorStoreQueryMode
from nodes import DIMENSION, nearest_to, node, stored_ids, where

from stores import (
    InvalidVector,
    MariaDBVectorStore,
    StoreError,
)

HOSTILE_TEXT = "'; DROP TABLE kb_chunk; -- \0 \\ \x1a % :a ? 🙂 漢字 e\u0301 \u202e \r\n\t"


@pytest.fixture
def store(engine: sa.Engine) -> MariaDBVectorStore:
    return MariaDBVectorStore(engine, embed_dim=DIMENSION, words="none")


# Nodes come back as they went in ------------------------------------------------------------------

RELATED = RelatedNodeInfo(
    node_id="other", node_type=ObjectType.DOCUMENT, metadata={"a": [1]}, hash="h"
)
EVERY_FIELD = TextNode(
    id_="full",
    text=HOSTILE_TEXT,
    embedding=[0.1, -2.5, 3e5, 4e-20],
    metadata={
        "doc_id": "mine", "ref_doc_id": 7, "document_id": None, "_node_content": "x", "text": "y",
        "ключ": [1, 2.5, "🙂"], "": {"nested": [{"deep": True}]}, "big": 2**70, "nul\0": "\0",
    },
    excluded_embed_metadata_keys=["text"],
    excluded_llm_metadata_keys=["big", ""],
    relationships={
        NodeRelationship.SOURCE: RELATED,
        NodeRelationship.PREVIOUS: RelatedNodeInfo(node_id="before"),
        NodeRelationship.NEXT: RelatedNodeInfo(node_id="after", hash=""),
        NodeRelationship.PARENT: RELATED,
        NodeRelationship.CHILD: [RELATED, RelatedNodeInfo(node_id="child")],
    },
    metadata_template="{key}={value}",
    metadata_separator=" | ",
    text_template="{content} ({metadata_str})",
    mimetype="text/markdown",
    start_char_idx=0,
    end_char_idx=12,
)  # fmt: skip


@pytest.mark.parametrize(
    "original",
    [
        EVERY_FIELD,
        TextNode(text="", embedding=[1, 2, 3, 4]),
        TextNode(
            text="a chunk of a document",
            metadata={"title": "t", "path": "p", "size": 3},
            excluded_embed_metadata_keys=["path", "size"],
            excluded_llm_metadata_keys=["title", "path", "size"],
            relationships={
                NodeRelationship.SOURCE: RelatedNodeInfo(node_id="whole"),
                NodeRelationship.PREVIOUS: RelatedNodeInfo(node_id="whole:00001"),
                NodeRelationship.NEXT: RelatedNodeInfo(node_id="another"),
            },
            embedding=[1, 2, 3, 4],
        ),
        TextNode(
            text="another order, and a key that is not there",
            metadata={"title": "t", "path": "p", "size": 3},
            excluded_embed_metadata_keys=["size", "path"],
            excluded_llm_metadata_keys=["size", "none"],
            embedding=[1, 2, 3, 4],
        ),
        IndexNode(text="see there", index_id="elsewhere", embedding=[1, 2, 3, 4]),
        IndexNode(text="t", index_id="o", obj=TextNode(text="inner"), embedding=[1, 2, 3, 4]),
        ImageNode(text="cat", image="aGk=", image_mimetype="image/png", embedding=[1, 2, 3, 4]),
        Document(text="whole", metadata={"a": 1}, embedding=[1, 2, 3, 4]),
        Node(text_resource={"text": "resource"}, metadata={"a": 1}, embedding=[1, 2, 3, 4]),
        Node(audio_resource={"data": b"hi", "mimetype": "audio/wav"}, embedding=[1, 2, 3, 4]),
    ],
    ids=lambda each: each.class_name(),
)
def test_a_node_comes_back_as_it_went_in(store: MariaDBVectorStore, original: BaseNode) -> None:
    before = original.to_dict()
    store.add([original])
    (got,) = store.get_nodes([original.node_id])
    query = store.query(nearest_to([1.0, 1.0, 1.0, 1.0]))
    assert original.to_dict() == before
    assert type(got) is type(original)
    assert got.embedding == pytest.approx(original.embedding, rel=1e-7)
    assert query.nodes
    for each in (got, query.nodes[0]):
        each.embedding = original.embedding
        assert each == original


def test_a_node_as_kb_0_1_wrote_it_comes_back(store: MariaDBVectorStore, engine: sa.Engine) -> None:
    store.add([EVERY_FIELD])
    former = EVERY_FIELD.model_dump(exclude={"text", "metadata", "embedding"})
    former["class_name"] = "TextNode"
    with engine.begin() as connection:
        connection.execute(
            sa.text("UPDATE kb_chunk SET node = :node"), {"node": json.dumps(former)}
        )
    (got,) = store.get_nodes()
    got.embedding = EVERY_FIELD.embedding
    assert got == EVERY_FIELD


def test_a_text_of_300_kilobytes_and_every_script_comes_back(store: MariaDBVectorStore) -> None:
    text = (HOSTILE_TEXT + "L'été à Paris, עברית, Ελλάδα. ") * 4000
    assert len(text) > 300_000
    store.add([node("long", text=text)])
    assert store.get_nodes(["long"])[0].get_content() == text


def test_metadata_that_json_cannot_hold_is_refused_by_name(store: MariaDBVectorStore) -> None:
    for value in (float("nan"), object(), "\ud800", b"\xff"):
        with pytest.raises(StoreError, match="'odd'"):
            store.add([node("fine"), node("odd", metadata={"value": value})])
    with pytest.raises(StoreError, match="lone surrogate"):
        store.add([node("odd", text="\ud800")])
    assert stored_ids(store) == set()


def test_metadata_of_any_kind_come_back_as_json_has_them(store: MariaDBVectorStore) -> None:
    metadata = {
        "day": date(2026, 1, 31),
        "moment": datetime(2026, 1, 31, 12, 30, tzinfo=UTC),
        "id": UUID(int=7),
        "path": Path("a/b.md"),
        "price": Decimal("9.90"),
        "tags": {"b", "a"},
        "raw": b"bytes",
        "nested": [{"day": date(2026, 1, 31)}],
    }
    store.add([node("a", metadata=metadata)])
    (got,) = store.get_nodes(["a"])
    assert got.metadata == {
        "day": "2026-01-31",
        "moment": "2026-01-31T12:30:00Z",
        "id": "00000000-0000-0000-0000-000000000007",
        "path": "a/b.md",
        "price": "9.90",
        "tags": ["a", "b"],
        "raw": "bytes",
        "nested": [{"day": "2026-01-31"}],
    }
    later = MetadataFilter(key="day", value="2026-01-01", operator=FilterOperator.GT)
    assert len(store.get_nodes(filters=MetadataFilters(filters=[later]))) == 1


# Ids ----------------------------------------------------------------------------------------------


def test_ids_differ_by_case_accent_and_trailing_space(store: MariaDBVectorStore) -> None:
    ids = ["a", "A", "á", "a ", "a\0", "ａ", "a' OR '1'='1", "", "🙂"]  # noqa: RUF001 - alike on purpose
    store.add([node(each, document=each) for each in ids])
    assert stored_ids(store) == set(ids)
    for each in ids:
        assert [got.node_id for got in store.get_nodes([each])] == [each]
    store.delete("a")
    store.delete_nodes(["á"])
    assert stored_ids(store) == set(ids) - {"a", "á"}


def test_adding_an_id_again_replaces_it(store: MariaDBVectorStore) -> None:
    assert store.add([node("a", text="old", metadata={"colour": "red"}), node("b")]) == ["a", "b"]
    store.add([node("a", document="d", text="new", embedding=[9, 9, 9, 9])])
    (got,) = store.get_nodes(["a"])
    assert (got.get_content(), got.metadata, got.ref_doc_id) == ("new", {}, "d")
    assert got.embedding == [9, 9, 9, 9]
    assert len(store.get_nodes()) == 2


def test_the_last_of_an_id_within_one_call_wins(store: MariaDBVectorStore) -> None:
    assert store.add([node("a", text="1"), node("a", text="2")]) == ["a", "a"]
    assert [got.get_content() for got in store.get_nodes()] == ["2"]


def test_ids_that_do_not_fit_are_refused(store: MariaDBVectorStore) -> None:
    store.add([node("i" * 512, document="d" * 512)])
    for odd in (node("i" * 513), node("a", document="d" * 513)):
        with pytest.raises(StoreError, match="513 characters; 512"):
            store.add([node("fine"), odd])
    assert stored_ids(store) == {"i" * 512}


# Removing and getting -----------------------------------------------------------------------------


@pytest.fixture
def coloured(store: MariaDBVectorStore) -> MariaDBVectorStore:
    store.add([
        node("r1", "d1", metadata={"colour": "red"}),
        node("r2", "d1", metadata={"colour": "red"}),
        node("b1", "d2", metadata={"colour": "blue"}),
        node("none"),
    ])  # fmt: skip
    return store


GIVEN = [
    ({}, "r1 r2 b1 none"),
    ({"node_ids": []}, ""),
    ({"node_ids": [], "filters": where(colour="red")}, ""),
    ({"node_ids": ["r1", "b1", "unknown"]}, "r1 b1"),
    ({"filters": where(colour="red")}, "r1 r2"),
    ({"node_ids": ["r1", "b1"], "filters": where(colour="red")}, "r1"),
    ({"node_ids": ["b1"], "filters": where(colour="red")}, ""),
    ({"filters": MetadataFilters(filters=[])}, "r1 r2 b1 none"),
]


@pytest.mark.parametrize(("given", "expected"), GIVEN)
def test_nodes_are_got_by_ids_and_filters(
    coloured: MariaDBVectorStore, given: dict[str, Any], expected: str
) -> None:
    assert [each.node_id for each in coloured.get_nodes(**given)] == expected.split()


@pytest.mark.parametrize(("given", "expected"), GIVEN)
def test_nodes_are_deleted_by_ids_and_filters(
    coloured: MariaDBVectorStore, given: dict[str, Any], expected: str
) -> None:
    """A call without ids and filters deletes nothing: clear() is there for that."""
    coloured.delete_nodes(**given)
    gone = set() if len(expected.split()) == 4 else set(expected.split())
    assert stored_ids(coloured) == {"r1", "r2", "b1", "none"} - gone


def test_a_document_is_deleted_with_all_its_chunks(coloured: MariaDBVectorStore) -> None:
    coloured.delete("d1")
    coloured.delete("unknown")
    coloured.delete("' OR 1=1 -- ")
    assert stored_ids(coloured) == {"b1", "none"}


def test_clear_removes_all_and_the_store_stays_of_use(coloured: MariaDBVectorStore) -> None:
    coloured.clear()
    assert stored_ids(coloured) == set()
    coloured.add([node("again")])
    assert stored_ids(coloured) == {"again"}


# Vectors ------------------------------------------------------------------------------------------

BAD_VECTORS = [
    pytest.param([1.0, 2.0, 3.0], "3 dimensions where 4", id="short"),
    pytest.param([1.0] * 5, "5 dimensions where 4", id="long"),
    pytest.param([], "0 dimensions where 4", id="empty"),
    pytest.param([1.0, float("nan"), 0.0, 0.0], "NaN", id="nan"),
    pytest.param([1.0, float("inf"), 0.0, 0.0], "infinity", id="inf"),
    pytest.param([1e39, 0.0, 0.0, 0.0], "infinity", id="beyond float32"),
    pytest.param([0.0] * 4, "all zeros", id="zero"),
    pytest.param([1e-42, 0.0, 0.0, 0.0], "all zeros", id="denormal"),
]


@pytest.mark.parametrize(("vector", "message"), BAD_VECTORS)
def test_a_vector_without_meaning_is_refused_on_writing(
    store: MariaDBVectorStore, vector: list[float], message: str
) -> None:
    store.add([node("there")])
    with pytest.raises(InvalidVector, match=message) as caught:
        store.add([node("fine"), node("odd", embedding=vector)])
    assert "'odd'" in str(caught.value)
    assert stored_ids(store) == {"there"}


@pytest.mark.parametrize(("vector", "message"), BAD_VECTORS)
@pytest.mark.parametrize("mode", ["default", "mmr", "hybrid"])
def test_a_vector_without_meaning_is_refused_on_asking(
    store: MariaDBVectorStore, vector: list[float], message: str, mode: str
) -> None:
    query = nearest_to(vector, mode=VectorStoreQueryMode(mode), query_str="words")
    with pytest.raises(InvalidVector, match=message):
        store.query(query)


def test_a_node_without_embedding_is_refused(store: MariaDBVectorStore) -> None:
    with pytest.raises(InvalidVector, match="'bare' has no embedding"):
        store.add([node("bare", embedding=None)])


def test_every_method_has_an_asynchronous_twin(coloured: MariaDBVectorStore) -> None:
    async def use() -> list[str]:
        assert await coloured.async_add([node("new", "d3")]) == ["new"]
        assert len(await coloured.aget_nodes(["new", "r1"])) == 2
        assert len(await coloured.aget_nodes(filters=where(colour="red"))) == 2
        await coloured.adelete("d3")
        await coloured.adelete_nodes(["b1", "r1"], filters=where(colour="red"))
        found = await coloured.aquery(nearest_to([1.0, 2.0, 3.0, 4.0]))
        await coloured.aclear()
        return sorted(found.ids or [])

    assert asyncio.run(use()) == ["b1", "none", "r2"]
    assert stored_ids(coloured) == set()
