"""What each query mode answers, and that filters never cost a right row."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores import (
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    SimpleVectorStore,
    VectorStoreQuery,
)
from llama_index.core.vector_stores.types import VectorStoreQueryMode as Mode
from nodes import nearest_to, node, where
from numpy.typing import NDArray

from stores import MariaDBVectorStore, StoreError, make_engine
from stores.private_server import PrivateServer
from stores.registry.document_registry import DocumentRegistry
from stores.registry.schema import create_database

FOXES = {
    "aaa": ("The lazy dog sleeps all day", [1.0, 0.0, 0.0], {"animal": "dog"}),
    "bbb": ("A cat watches the birds", [0.9, 0.1, 0.0], {"animal": "cat"}),
    "ccc": ("The fox is quick and the fox is brown", [0.0, 1.0, 0.0], {"animal": "fox"}),
    "ddd": ("A fox jumps over fences", [0.0, 0.9, 0.2], {"animal": "fox"}),
    "eee": ("Nothing of interest", [0.0, 0.0, 1.0], {}),
}
DOG: list[float] = [1.0, 0.05, 0.0]


@pytest.fixture(scope="module")
def shared(server: PrivateServer) -> Iterator[sa.Engine]:
    """One database for all tests that only read."""
    administration = make_engine(server.url("mysql"))
    create_database(administration, "test_vector_queries")
    engine = make_engine(server.url("test_vector_queries"))
    yield engine
    engine.dispose()
    with administration.begin() as connection:
        connection.exec_driver_sql("DROP DATABASE test_vector_queries")
    administration.dispose()


@pytest.fixture(scope="module")
def foxes(shared: sa.Engine) -> MariaDBVectorStore:
    store = MariaDBVectorStore(shared, "foxes", embed_dim=3)
    store.add(
        [
            node(name, f"doc-{name}", text=text, embedding=vector, metadata=metadata)
            for name, (text, vector, metadata) in FOXES.items()
        ]
    )
    return store


def hybrid(top_k: int = 2, **fields: Any) -> VectorStoreQuery:
    return nearest_to(DOG, top_k, **{"query_str": "fox", "mode": Mode.HYBRID, **fields})


def test_the_nearest_come_first_with_their_cosine_similarities(foxes: MariaDBVectorStore) -> None:
    result = foxes.query(nearest_to(DOG, 3))
    assert result.ids == ["aaa", "bbb", "ccc"]
    assert result.nodes
    assert [each.node_id for each in result.nodes] == result.ids
    dog = np.array(DOG)
    expected = [
        dog @ np.array(FOXES[name][1]) / np.linalg.norm(dog) / np.linalg.norm(FOXES[name][1])
        for name in result.ids
    ]
    assert result.similarities == pytest.approx(expected, abs=1e-6)


def test_euclidean_similarity_falls_with_the_distance(engine: sa.Engine) -> None:
    store = MariaDBVectorStore(engine, embed_dim=2, distance="euclidean", words="none")
    store.add([node("at", embedding=[3.0, 4.0]), node("far", embedding=[0.0, 0.0001])])
    result = store.query(nearest_to([3.0, 4.0]))
    assert result.ids == ["at", "far"]
    assert result.similarities == pytest.approx([1.0, 1 / 6], rel=1e-3)


@pytest.mark.parametrize("mode", list(Mode))
def test_an_empty_table_answers_every_supported_mode(shared: sa.Engine, mode: Mode) -> None:
    store = MariaDBVectorStore(shared, "empty", embed_dim=3)
    query = nearest_to(DOG, mode=mode, query_str="fox")
    if mode in {Mode.DEFAULT, Mode.MMR, Mode.HYBRID, Mode.TEXT_SEARCH, Mode.SPARSE}:
        result = store.query(query)
        assert (result.ids, result.nodes, result.similarities) == ([], [], [])
    else:
        with pytest.raises(StoreError, match="not supported"):
            store.query(query)


@pytest.mark.parametrize("mode", [Mode.TEXT_SEARCH, Mode.SPARSE])
def test_words_find_chunks_without_an_embedding(foxes: MariaDBVectorStore, mode: Mode) -> None:
    result = foxes.query(
        VectorStoreQuery(query_str="who is the fox?", mode=mode, similarity_top_k=5)
    )
    assert result.ids == ["ccc", "ddd"]
    assert result.similarities
    assert result.similarities[0] > result.similarities[1] > 0
    limited = VectorStoreQuery(query_str="fox", mode=mode, sparse_top_k=1)
    assert foxes.query(limited).ids == ["ccc"]


@pytest.mark.parametrize(
    "words", ["+fox -brown", '"', "(((", "fox*", "@5", "~", "'; DROP TABLE x", "fox\0", "%", "🦊"]
)
def test_words_are_only_words(foxes: MariaDBVectorStore, words: str) -> None:
    result = foxes.query(hybrid(mode=Mode.TEXT_SEARCH, query_str=words))
    assert result.ids == (["ccc", "ddd"] if "fox" in words else [])


def test_title_and_headings_are_searched_too(engine: sa.Engine) -> None:
    store = MariaDBVectorStore(engine, embed_dim=3)
    metadata = {"title": "Wildlife", "headings": "Europe > Badgers", "path": "hedgehog.md"}
    store.add([node("fff", text="Stripes.", embedding=[1, 1, 1], metadata=metadata)])
    for words in ("wildlife", "badgers"):
        found = store.query(VectorStoreQuery(query_str=words, mode=Mode.TEXT_SEARCH))
        assert found.ids == ["fff"]


@pytest.mark.parametrize("mode", [Mode.TEXT_SEARCH, Mode.SPARSE, Mode.HYBRID])
def test_a_search_by_words_needs_words(foxes: MariaDBVectorStore, mode: Mode) -> None:
    with pytest.raises(StoreError, match="query_str"):
        foxes.query(nearest_to(DOG, mode=mode))


def test_hybrid_unites_the_candidates_of_both_legs(foxes: MariaDBVectorStore) -> None:
    every = {"aaa", "bbb", "ccc", "ddd"}
    assert set(foxes.query(hybrid(2, hybrid_top_k=9)).ids or []) == every
    assert len(foxes.query(hybrid(2, sparse_top_k=1, hybrid_top_k=9)).ids or []) == 3
    assert len(foxes.query(hybrid(2, sparse_top_k=1, hybrid_top_k=1)).ids or []) == 1
    assert len(foxes.query(hybrid(2)).ids or []) == 2
    assert len(foxes.query(hybrid(1)).ids or []) == 1


def test_alpha_goes_from_words_alone_to_vectors_alone(foxes: MariaDBVectorStore) -> None:
    by_words, by_vector = (foxes.query(hybrid(5, alpha=alpha)) for alpha in (0.0, 1.0))
    assert (by_words.ids or [])[:2] == ["ccc", "ddd"]
    assert (by_vector.ids or [])[:2] == ["aaa", "bbb"]
    both = foxes.query(hybrid(5, alpha=0.5))
    assert both.similarities == sorted(both.similarities or [], reverse=True)
    assert all(0 <= each <= 1 for each in both.similarities or [])
    with pytest.raises(StoreError, match="alpha"):
        foxes.query(hybrid(5, alpha=1.5))


@pytest.mark.parametrize("mode", [Mode.DEFAULT, Mode.MMR, Mode.HYBRID, Mode.TEXT_SEARCH])
def test_every_mode_honours_filters_and_ids(foxes: MariaDBVectorStore, mode: Mode) -> None:
    def found(**fields: Any) -> set[str]:
        return set(foxes.query(nearest_to(DOG, mode=mode, query_str="fox", **fields)).ids or [])

    everything = found()
    assert found(filters=where(animal="fox")) == {"ccc", "ddd"}
    assert found(filters=where(animal="owl")) == set()
    assert found(node_ids=["ddd", "eee"]) & everything == {"ddd", "eee"} & everything
    assert found(doc_ids=["doc-ccc"]) == {"ccc"}
    assert found(node_ids=["ccc"], filters=where(animal="dog")) == set()
    assert found(node_ids=[], doc_ids=[]) == everything


def test_without_a_vector_the_matching_chunks_are_listed(foxes: MariaDBVectorStore) -> None:
    result = foxes.query(VectorStoreQuery(similarity_top_k=9, filters=where(animal="fox")))
    assert (result.ids, result.similarities) == (["ccc", "ddd"], [1.0, 1.0])
    assert foxes.query(VectorStoreQuery(similarity_top_k=2)).ids == ["aaa", "bbb"]
    with pytest.raises(StoreError, match="needs query_embedding"):
        foxes.query(VectorStoreQuery(query_str="fox"))


@pytest.mark.parametrize("field", ["similarity_top_k", "sparse_top_k", "hybrid_top_k"])
def test_fewer_than_none_is_refused(foxes: MariaDBVectorStore, field: str) -> None:
    with pytest.raises(StoreError, match=f"{field} is -1"):
        foxes.query(VectorStoreQuery(**{"query_str": "fox", "mode": Mode.SPARSE, field: -1}))


@pytest.mark.parametrize("mode", [Mode.DEFAULT, Mode.MMR, Mode.TEXT_SEARCH, Mode.SPARSE])
def test_no_more_come_than_were_asked_for(foxes: MariaDBVectorStore, mode: Mode) -> None:
    for top_k in range(4):
        query = nearest_to(DOG, top_k, query_str="fox cat dog", mode=mode)
        assert len(foxes.query(query).ids or []) == top_k
    assert foxes.query(VectorStoreQuery(similarity_top_k=0)).ids == []


def test_zero_is_a_number_of_candidates(foxes: MariaDBVectorStore) -> None:
    by_words = VectorStoreQuery(
        query_str="fox", mode=Mode.SPARSE, similarity_top_k=2, sparse_top_k=0
    )
    assert foxes.query(by_words).ids == []
    assert foxes.query(hybrid(2, sparse_top_k=0)).ids == ["aaa", "bbb"]
    assert set(foxes.query(hybrid(0, sparse_top_k=2, hybrid_top_k=2)).ids or []) == {"ccc", "ddd"}
    assert foxes.query(hybrid(2, hybrid_top_k=0)).ids == []


@pytest.mark.parametrize("dimension", [0, -3, 16_384, 65_536])
def test_a_number_of_dimensions_that_no_column_holds_is_refused(
    engine: sa.Engine, dimension: int
) -> None:
    with pytest.raises(StoreError, match=f"{dimension} dimensions; MariaDB keeps 1 to 16383"):
        MariaDBVectorStore(engine, embed_dim=dimension)


def test_a_text_that_no_statement_carries_is_refused_by_its_size(engine: sa.Engine) -> None:
    store = MariaDBVectorStore(engine, embed_dim=3)
    with pytest.raises(StoreError, match=r"'huge' has 70 MB.*holds 67 MB.*Split"):
        store.add([node("huge", text="x" * 70_000_000, embedding=[1, 1, 1])])
    store.add([node("fits", text="x" * 20_000_000, embedding=[1, 1, 1])])
    assert len(store.get_nodes(["fits"])[0].get_content()) == 20_000_000


def test_a_store_without_words_says_how_to_get_them(engine: sa.Engine) -> None:
    store = MariaDBVectorStore(engine, embed_dim=3, words="none")
    with pytest.raises(StoreError, match="words="):
        store.query(VectorStoreQuery(query_str="fox", mode=Mode.TEXT_SEARCH))


# MMR ----------------------------------------------------------------------------------------------


def unit_vectors(count: int, dimension: int) -> NDArray[np.float32]:
    vectors = np.random.default_rng(7).normal(size=(count, dimension))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype("<f4")


@pytest.mark.parametrize("options", [{}, {"mmr_threshold": 0.9}, {"mmr_threshold": 0.1}])
def test_mmr_chooses_what_the_in_memory_store_chooses(
    engine: sa.Engine, options: dict[str, float]
) -> None:
    vectors = unit_vectors(60, 8)
    nodes = [node(str(n), embedding=vector.tolist()) for n, vector in enumerate(vectors)]
    ours, simple = MariaDBVectorStore(engine, embed_dim=8, words="none"), SimpleVectorStore()
    ours.add(nodes)
    simple.add(nodes)
    between = (vectors[3] + vectors[4]).tolist()
    query = nearest_to(between, 6, mode=Mode.MMR)
    options = {"mmr_prefetch_k": 60, **options}
    assert ours.query(query, **options).ids == simple.query(query, **options).ids


def test_mmr_prefers_the_new_to_the_same_again(engine: sa.Engine) -> None:
    store = MariaDBVectorStore(engine, embed_dim=2, words="none")
    twins = [node(f"twin {n}", embedding=[1.0, n / 1000]) for n in range(3)]
    store.add([*twins, node("other", embedding=[0.7, 0.7])])
    assert store.query(nearest_to([1.0, 0.3], 2)).ids == ["twin 2", "twin 1"]
    assert store.query(nearest_to([1.0, 0.3], 2, mode=Mode.MMR)).ids == ["twin 2", "other"]


# Filtered search is exact or nearly so ------------------------------------------------------------

ROWS, SHARES = 1000, {"half": 2, "tenth": 10, "fiftieth": 50, "once": 1000}
NUMBERED = unit_vectors(ROWS, 16)


@pytest.fixture(scope="module", params=[(), tuple(SHARES)], ids=["undeclared", "declared"])
def numbered(shared: sa.Engine, request: pytest.FixtureRequest) -> MariaDBVectorStore:
    name = f"numbered_{len(request.param)}"
    keys = request.param
    store = MariaDBVectorStore(shared, name, embed_dim=16, words="none", filter_keys=keys)
    store.add(
        [
            TextNode(
                id_=str(row),
                text="",
                embedding=vector.tolist(),
                metadata={key: row % share for key, share in SHARES.items()},
            )
            for row, vector in enumerate(NUMBERED)
        ]
    )
    return store


def true_ten(vector: NDArray[np.float32], share: int = 1) -> list[str]:
    """The ids of the ten nearest among every `share`th row."""
    matching = np.arange(0, ROWS, share)
    return list(map(str, matching[np.argsort(-(NUMBERED[matching] @ vector))[:10]]))


def test_filtered_search_finds_the_right_rows_at_every_selectivity(
    numbered: MariaDBVectorStore,
) -> None:
    for key, share in SHARES.items():
        for vector in NUMBERED[1:6]:
            result = numbered.query(nearest_to(vector.tolist(), filters=where(**{key: 0})))
            assert result.ids == true_ten(vector, share), key


def test_many_matches_are_found_by_the_index_and_none_is_missing(
    numbered: MariaDBVectorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements: list[str] = []
    read = numbered._reader.read_rows
    monkeypatch.setattr(numbered._reader, "read_rows", recording(read, statements))
    right = 0
    for vector in NUMBERED[:20]:
        ids = numbered.query(nearest_to(vector.tolist(), filters=where(half=0))).ids or []
        assert len(ids) == len(set(ids)) == 10
        right += len(set(true_ten(vector, 2)).intersection(ids))
    assert sum("mhnsw_ef_search" in sql for sql in statements) >= 20
    assert right / 200 >= 0.9


def test_more_of_a_large_table_is_looked_at(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the walk ends in a wrong part of it now and then, and finds nothing near."""
    for rows, expected in ((4_000, 128), (284_000, 1088), (10**6, 2048), (10**9, 10_000)):
        store = MariaDBVectorStore(engine, embed_dim=16, words="none", ef_search=128)
        store.set_up()
        statements: list[str] = []
        monkeypatch.setattr(store.table.size, "estimate_rows", lambda _, rows=rows: rows)
        monkeypatch.setattr(
            store._reader, "read_rows", recording(store._reader.read_rows, statements)
        )
        store.query(nearest_to(NUMBERED[0].tolist()))
        assert f"mhnsw_ef_search = {expected} " in statements[0]


def test_a_filter_that_goes_against_the_vectors_gives_all_that_are_asked_for(
    numbered: MariaDBVectorStore,
) -> None:
    """None of the nearest passes it: the walk goes on until those that pass are compared."""
    far = MetadataFilters(
        filters=[MetadataFilter(key="once", value=499, operator=FilterOperator.GT)]
    )
    matching = np.arange(500, ROWS)
    vector = -NUMBERED[matching].sum(axis=0)
    result = numbered.query(nearest_to(vector.tolist(), 30, filters=far))
    best = matching[np.argsort(-(NUMBERED[matching] @ vector))[:30]]
    assert len(set(result.ids)) == 30
    assert len(set(result.ids).intersection(map(str, best))) >= 28


def recording(read: Callable[..., Any], statements: list[str]) -> Callable[..., Any]:
    def read_and_note(cursor: Any, statement: sa.TextClause, values: Any) -> Any:
        statements.append(statement.text)
        return read(cursor, statement, values)

    return read_and_note


def test_unfiltered_search_finds_at_least_95_in_100(numbered: MariaDBVectorStore) -> None:
    right = 0
    for vector in NUMBERED[:50]:
        ids = numbered.query(nearest_to(vector.tolist())).ids or []
        right += len(set(true_ten(vector)).intersection(ids))
    assert right / 500 >= 0.95


def test_a_filter_that_matches_fewer_rows_than_asked_gives_them_all(
    numbered: MariaDBVectorStore,
) -> None:
    one = MetadataFilter(key="once", value=[5, 6, 7], operator=FilterOperator.IN)
    three = MetadataFilters(filters=[one])
    ids = numbered.query(nearest_to(NUMBERED[5].tolist(), 10, filters=three)).ids or []
    assert set(ids) == {"5", "6", "7"}
    assert ids[0] == "5"


@pytest.mark.parametrize("ended", [False, True])
def test_warming_up_searches_all_over_the_index_until_it_is_ended(
    numbered: MariaDBVectorStore, ended: bool
) -> None:
    numbered.set_up()
    engine, visited = numbered.client, []
    assert engine

    def note(*arguments: Any) -> None:
        visited.extend([sql for sql in arguments[2:3] if "LIMIT 1" in sql])

    sa.event.listen(engine, "before_cursor_execute", note)
    numbered.warm_up(lambda: ended)
    sa.event.remove(engine, "before_cursor_execute", note)
    assert bool(visited) is not ended


def test_what_is_written_is_searched_for_once_at_the_end(engine: sa.Engine) -> None:
    """And nothing of what was there before, or when nothing was written."""
    store = MariaDBVectorStore(engine, embed_dim=4)
    store.add([node("before", "a", embedding=[1.0, 0.0, 0.0, 0.0])])
    visited: list[bytes] = []

    def note(_connection: Any, _cursor: Any, sql: str, values: Any, *_: Any) -> None:
        visited.extend(values if "LIMIT 1" in sql and "mhnsw" in sql else [])

    sa.event.listen(engine, "before_cursor_execute", note)
    written = [[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]]
    registry = DocumentRegistry(engine, store.table)
    with registry.warm_up_after():
        store.add(
            [node(f"after {number}", "b", embedding=each) for number, each in enumerate(written)]
        )
    assert visited == [np.array(each, "<f4").tobytes() for each in written]
    with registry.warm_up_after():
        store.delete("b")
    assert len(visited) == len(written)


@pytest.mark.parametrize(("rows", "warns"), [(1_000, False), (10_000_000, True)])
def test_a_server_whose_cache_is_smaller_than_the_index_is_warned_of(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch, caplog, rows, warns
) -> None:
    store = MariaDBVectorStore(engine, embed_dim=4)
    store.add([node("one", "a", embedding=[1.0, 0.0, 0.0, 0.0])])
    monkeypatch.setattr(store.table.size, "estimate_rows", lambda _: rows)
    store.warm_up()
    told = "is 256 MB, and the vector index of kb_chunk needs about 6752: searches by vector miss"
    assert (told in caplog.text) is warns


def test_an_empty_table_is_warmed_up_by_nothing(engine: sa.Engine) -> None:
    MariaDBVectorStore(engine, embed_dim=4).warm_up()
