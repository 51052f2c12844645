"""Node classes of a program's own: what they add comes back, or is told where they are unknown."""

import json
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from llama_index.core.schema import (
    BaseNode,
    Document,
    ImageDocument,
    IndexNode,
    MetadataMode,
    TextNode,
)
from nodes import DIMENSION, nearest_to, node
from pydantic import Field, computed_field

from stores import MariaDBVectorStore, StoreError
from stores.chunks.chunk_rows import NOT_IMPORTED

VECTOR = [1.0, 2.0, 3.0, 4.0]


class Clause(TextNode):
    """Inherits its class_name, changes a default, and adds fields of many kinds."""

    mimetype: str = "text/markdown"
    number: int = 0
    price: Decimal | None = None
    tags: set[str] = Field(default_factory=set)
    embedded: list[str] = Field(
        default_factory=list
    )  # a name that the store uses for something else
    subclass: str = ""

    @computed_field  # type: ignore[prop-decorator]  # as pydantic's documentation has it
    @property
    def is_priced(self) -> bool:
        return self.price is not None


class Named(TextNode):
    speaker: str

    @classmethod
    def class_name(cls) -> str:
        return "Named"


class Summarised(TextNode):
    """What it shows is not its text."""

    def get_content(self, metadata_mode: MetadataMode = MetadataMode.NONE) -> str:
        return self.text[:3]


class Door(IndexNode):
    colour: str = "red"


class Letter(Document):
    sender: str = ""


class Whole(BaseNode):
    """No node of text, nor one that is made of LlamaIndex's classes."""

    @classmethod
    def get_type(cls) -> str:
        return "whole"

    def get_content(self, metadata_mode: MetadataMode = MetadataMode.NONE) -> str:
        return ""

    def get_content_blocks(self, metadata_mode: MetadataMode = MetadataMode.NONE) -> list[Any]:
        return []

    def set_content(self, value: Any) -> None: ...

    @property
    def hash(self) -> str:
        return ""


@pytest.fixture
def store(engine: sa.Engine) -> MariaDBVectorStore:
    return MariaDBVectorStore(engine, embed_dim=DIMENSION, words="none")


@pytest.mark.parametrize(
    "original",
    [
        Clause(
            text="§ 7",
            number=7,
            price=Decimal("9.90"),
            tags={"b", "a"},
            embedded=["x"],
            subclass="y",
            metadata={"page": 2},
            excluded_embed_metadata_keys=["page"],
            embedding=VECTOR,
        ),
        Clause(text="as it always is", embedding=VECTOR),
        Clause(text="as its base is", mimetype="text/plain", embedding=VECTOR),
        Named(text="words", speaker="Ana", embedding=VECTOR),
        Summarised(text="a long text", embedding=VECTOR),
        Door(text="see there", index_id="there", colour="blue", embedding=VECTOR),
        Letter(text="Dear Ana", sender="Bo", embedding=VECTOR),
        ImageDocument(text="a cat", image="aGk=", embedding=VECTOR),
    ],
    ids=lambda each: type(each).__name__,
)
def test_a_node_of_a_derived_class_comes_back(
    store: MariaDBVectorStore, original: BaseNode
) -> None:
    store.add([original])
    (got,) = store.get_nodes()
    (found,) = store.query(nearest_to(VECTOR)).nodes or ()
    for each in (got, found):
        each.embedding = VECTOR
        assert type(each) is type(original)
        assert each == original


def test_what_is_not_imported_here_comes_back_as_text_with_its_fields_beside(
    store: MariaDBVectorStore, engine: sa.Engine
) -> None:
    clause = Clause(
        id_="c", text="§ 7", number=7, metadata={"page": 2}, excluded_llm_metadata_keys=["page"]
    )
    clause.embedding = VECTOR
    store.add([clause, Door(id_="d", text="t", index_id="i", colour="blue", embedding=VECTOR)])
    rename_classes(engine)
    (got,) = store.get_nodes(["c"])
    assert type(got) is TextNode
    name, fields = (got.metadata[key] for key in NOT_IMPORTED)
    assert name == "elsewhere.Clause"
    assert fields == {"number": 7, "price": None, "tags": [], "embedded": [], "subclass": ""}
    assert got.metadata["page"] == 2
    assert got.mimetype == "text/markdown"
    assert got.get_content(MetadataMode.EMBED) == "page: 2\n\n§ 7"
    assert got.get_content(MetadataMode.LLM) == "§ 7"
    store.add([got])  # as a program does that changes the metadata of what it has read
    assert store.get_nodes(["c"]) == [got]
    (door,) = store.get_nodes(["d"])
    assert isinstance(door, IndexNode)
    assert (door.index_id, door.metadata[NOT_IMPORTED[1]]) == ("i", {"colour": "blue"})


def rename_classes(engine: sa.Engine) -> None:
    """Have the table name the classes as if they were of another program."""
    with engine.begin() as connection:
        connection.execute(
            sa.text("UPDATE kb_chunk SET node = REPLACE(node, :here, 'elsewhere.')"),
            {"here": f"{__name__}."},
        )


def test_a_class_that_has_changed_is_refused_by_name(
    store: MariaDBVectorStore, engine: sa.Engine
) -> None:
    store.add([Named(id_="n", text="words", speaker="Ana", embedding=VECTOR)])
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE kb_chunk SET node = JSON_REMOVE(node, '$.subclass.own.speaker')"
        )
    with pytest.raises(StoreError, match=r"'n' was stored as a .*\.Named.*(?s:.*)speaker"):
        store.get_nodes()


def test_what_cannot_be_stored_is_refused_before_anything_is_written(
    store: MariaDBVectorStore,
) -> None:
    with pytest.raises(
        StoreError, match=r"'odd' is a Whole; TextNode, IndexNode, .* can be stored"
    ):
        store.add([node("fine"), Whole(id_="odd", embedding=VECTOR)])
    lasting = IndexNode(id_="odd", text="t", index_id="i", obj=object(), embedding=VECTOR)
    with pytest.raises(StoreError, match=r"'odd' holds fields that JSON cannot express.*obj"):
        store.add([node("fine"), lasting])
    assert store.get_nodes() == []


def test_a_row_of_llamaindex_s_own_class_is_as_small_as_before(
    store: MariaDBVectorStore, engine: sa.Engine
) -> None:
    store.add([node("a", text="t")])
    with engine.begin() as connection:
        [remainder] = connection.exec_driver_sql("SELECT node FROM kb_chunk").scalars()
    assert json.loads(remainder) == {}
