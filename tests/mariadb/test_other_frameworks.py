"""What the stores of other frameworks ask of the vector store beyond what LlamaIndex does."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone

import pytest
import sqlalchemy as sa
from llama_index.core.vector_stores import FilterOperator, MetadataFilters, VectorStoreQuery
from nodes import DIMENSION, node, stored_ids, where

from stores import MariaDBVectorStore, UnsupportedFilter
from stores.caches.cache import Cache
from stores.caches.process_place import ProcessPlace
from stores.chunks import metadata_values
from stores.chunks.field_filter import FieldFilter
from stores.errors import ChunkExists

Op = FilterOperator
NOON = datetime(2024, 2, 29, 12, tzinfo=UTC)
MOMENTS = {
    "wall": "2024-02-29T12:00",
    "utc": "2024-02-29 12:00:00Z",
    "east": "2024-02-29T14:00:00.000+02:00",
    "west": "2024-02-29T11:00-0500",
    "never": "2024-02-30",
    "text": "noon",
}


@pytest.fixture(params=["bm25", "fulltext", "none"])
def store(engine: sa.Engine, request) -> MariaDBVectorStore:
    return MariaDBVectorStore(engine, embed_dim=DIMENSION, words=request.param)


def where_field(operator: Op = Op.EQ, **fields) -> MetadataFilters:
    return MetadataFilters(filters=[FieldFilter(key="a field", operator=operator, **fields)])


def found(store: MariaDBVectorStore, filters: MetadataFilters) -> set[str]:
    return {each.node_id for each in store.get_nodes(filters=filters)}


def test_new_chunks_are_written_all_or_none(store):
    assert store.add_new([node("a"), node("b")]) == ["a", "b"]
    with pytest.raises(ChunkExists, match="1 of 2 chunks are stored already, as 'b'"):
        store.add_new([node("c"), node("b", text="other")])
    with pytest.raises(ChunkExists, match="'c' was given twice"):
        store.add_new([node("c"), node("c")])
    assert stored_ids(store) == {"a", "b"}
    assert store.add_new([node("b", text="other"), node("c"), node("c")], skip_known=True) == ["c"]
    assert {each.text for each in store.get_nodes()} == {"a", "b", "c"}
    assert store.add_new([]) == []


def test_of_many_who_write_the_same_chunk_one_does(store):
    store.set_up()

    def write(number: int) -> bool:
        try:
            return bool(store.add_new([node("a", text=f"of {number}"), node(f"b{number}")]))
        except ChunkExists:
            return False

    with ThreadPoolExecutor(8) as pool:
        written = list(pool.map(write, range(8)))
    assert written.count(True) == 1
    winner = written.index(True)
    assert {each.text for each in store.get_nodes()} == {f"of {winner}", f"b{winner}"}


def test_metadata_change_in_place_and_nothing_else(store):
    written = [node(name, metadata={"n": n, "kept": [n]}) for n, name in enumerate("abc")]
    written[1].excluded_embed_metadata_keys = ["n"]
    store.add(written)
    assert store.update_metadata(where(n=1), {"n": 7, "new": {"x": None}}) == 1
    assert store.update_metadata(where(n=8), {"n": 9}) == 0
    [changed] = store.get_nodes(filters=where(n=7))
    expected = written[1].model_copy(update={"metadata": {"n": 7, "kept": [1], "new": {"x": None}}})
    assert changed == expected
    assert found(store, where(n=1)) == set()
    assert store.get_nodes(["a", "c"]) == [written[0], written[2]]


def test_a_vector_is_not_taken_for_that_of_a_text_with_changed_metadata(engine):
    store = MariaDBVectorStore(engine, embed_dim=DIMENSION)
    store.add([node("a", metadata={"n": 1})])
    hashes = [row.text_hash for row in read_hashes(engine)]
    store.update_metadata(where(n=1), {"n": 2})
    assert hashes != [None]
    assert [row.text_hash for row in read_hashes(engine)] == [None]


def read_hashes(engine: sa.Engine) -> list[sa.Row]:
    with engine.connect() as connection:
        return connection.exec_driver_sql("SELECT text_hash FROM kb_chunk").all()


def test_chunks_are_counted_and_deleted_by_filters(store):
    store.add([node(name, metadata={"n": n % 2}) for n, name in enumerate("abc")])
    assert (store.count_nodes(), store.count_nodes(where(n=0))) == (3, 2)
    assert (store.delete_matching(where(n=0)), store.delete_matching(where(n=0))) == (2, 0)
    assert stored_ids(store) == {"b"}


def test_a_filter_may_be_on_the_text_the_id_or_a_key_inside_of_others(engine):
    store = MariaDBVectorStore(engine, embed_dim=DIMENSION, filter_keys=["by"])
    store.add(
        [
            node("a", metadata={"by": {"name": "Ada", "-x": 1}}),
            node("b", metadata={"by.name": "Ada", "by": "Ada"}),
            node("c", metadata={"by": [{"name": "Ada"}]}),
        ]
    )
    assert found(store, where_field(path=("by", "name"), value="Ada")) == {"a"}
    assert found(store, where_field(path=("by", "-x"), value=1)) == {"a"}
    assert found(store, where_field(Op.NE, path=("by", "name"), value="Ada")) == {"b", "c"}
    assert found(store, where_field(place="text", value="b")) == {"b"}
    assert found(store, where_field(Op.TEXT_MATCH_INSENSITIVE, place="text", value="C")) == {"c"}
    assert found(store, where_field(Op.IN, place="chunk_id", value=["a", "c"])) == {"a", "c"}
    assert found(store, where_field(place="text", value=1)) == set()


@pytest.mark.parametrize(
    ("operator", "moment", "ids"),
    [
        (Op.EQ, NOON, {"wall", "utc", "east"}),
        (Op.EQ, NOON.astimezone(timezone(timedelta(hours=2))), {"utc", "east"}),
        (Op.EQ, NOON.replace(tzinfo=None), {"wall", "utc"}),
        (Op.GT, NOON, {"west"}),
        (Op.GTE, NOON, {"wall", "utc", "east", "west"}),
        (Op.LT, NOON + timedelta(microseconds=1), {"wall", "utc", "east"}),
        (Op.LTE, NOON - timedelta(microseconds=1), set()),
    ],
)
def test_moments_are_compared_as_points_in_time(engine, operator, moment, ids):
    store = MariaDBVectorStore(engine, embed_dim=DIMENSION)
    store.add([node(name, metadata={"at": text}) for name, text in MOMENTS.items()])
    store.add([node("number", metadata={"at": 2024}), node("none")])
    wanted = where_field(operator, path=("at",), value=str(moment), moment=moment)
    assert found(store, wanted) == ids
    assert store.delete_matching(wanted) == len(ids)


def test_moments_have_no_part_of_one_another(engine):
    store = MariaDBVectorStore(engine, embed_dim=DIMENSION)
    with pytest.raises(UnsupportedFilter, match="compares moments by 'text_match'"):
        store.get_nodes(filters=where_field(Op.TEXT_MATCH, path=("at",), value="", moment=NOON))


def test_known_results_of_one_field_are_not_those_of_another(engine):
    store = MariaDBVectorStore(
        engine, embed_dim=DIMENSION, results=Cache("results", ProcessPlace(2**20, 60))
    )
    store.add([node("a", metadata={"x": {"k": 1}}), node("b", metadata={"y": {"k": 1}})])
    for _ in range(2):
        for key, name in (("x", "a"), ("y", "b")):
            query = VectorStoreQuery(
                query_embedding=[1.0] * DIMENSION, filters=where_field(path=(key, "k"), value=1)
            )
            assert store.query(query).ids == [name]


def test_the_values_of_a_key_are_told_page_by_page(store):
    values = [1, 1.0, "1", True, "Ä", "b", None, ["b"], {"c": "B"}, 1]
    store.add([node(str(n), metadata={"k": value, "n": n}) for n, value in enumerate(values)])

    def list_values(**asked):
        return store.read_metadata(None, lambda s: metadata_values.list_values(s, "k", **asked))

    everything, total = list_values(limit=99)
    assert total == len(everything) == 8
    assert {repr(each) for each in everything} == {repr(each) for each in values[:9]} - {"None"}
    pages = [list_values(limit=3, offset=offset)[0] for offset in (0, 3, 6, 9)]
    assert [each for page in pages for each in page] == everything
    assert list_values(limit=9, within="ä") == (["Ä"], 1)
    assert list_values(limit=1, within="B")[1] == 3
    kinds = store.read_metadata(None, metadata_values.list_keys)
    assert kinds["n"] == {"INTEGER"}
    of_two = where(n=2)
    assert store.read_metadata(of_two, lambda s: metadata_values.count_values(s, "k")) == 1
    ends = store.read_metadata(None, lambda s: metadata_values.find_extremes(s, "n"))
    assert ends == (0, 9)
    assert store.read_metadata(None, lambda s: metadata_values.find_extremes(s, "k")) == (
        None,
        None,
    )
