"""Metadata filters mean what the semantics table says, whatever the keys and values are."""

import itertools
import operator
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
)
from llama_index.core.vector_stores.types import VectorStoreQueryMode as Mode

from stores.chunks import ranked_search
from stores.chunks.chunk_table import ChunkTable
from stores.chunks.filter_terms import find_terms
from stores.chunks.metadata_filters import require_filters
from stores.chunks.metadata_terms import AllOf, AnyOf, Terms, hash_value, list_metadata_terms
from stores.chunks.vector_store import MariaDBVectorStore
from stores.chunks.where import Where
from stores.connection import read_snapshot
from stores.errors import UnsupportedFilter

Op = FilterOperator
Metadata = Mapping[str, Any]

HOSTILE = [
    "", " ", "a", "A", "á", "a ", "aa", "x' OR 1=1 -- ", 'q"uote', "back\\slash", "%", "_", "$.a",
    "a.b", "a[0]", ":w0", "?", "%s", "l'été", "ключ", "漢字", "🙂", "line\nbreak", "nul\0nul", "1",
    "1.0", "true", "null", "[]", "x" * 190 + "y", "x" * 190 + "z",
]  # fmt: skip
HUGE = [2**53, 2**53 + 1, 2**63, 2**64 + 1, -(2**53) - 1]
IN_LISTS = [0, 1, -1, 2, 2.0, 0.1, 0.3, 1.5, -2.5, 1e300, 1e16, 123456789, *HUGE]
NUMBERS = [*IN_LISTS, 0.30000000000000004, 5e-324]  # JSON_OVERLAPS sees 15 digits of a number
KEYS = ["a", "A", "n", "tags", "a.b", "a[0]", 'q"uote', "l'été", "", "back\\slash", ":w0", "🙂"]
KEYS += ["-1", "-", "-a b"]
DECLARED = ("a", "n", "tags")


# The semantics table as a program -----------------------------------------------------------------


def matches(metadata: Metadata, filters: MetadataFilters) -> bool:
    parts = [
        matches(metadata, each) if isinstance(each, MetadataFilters) else holds(metadata, each)
        for each in filters.filters
        if not (isinstance(each, MetadataFilters) and is_hollow(each))
    ]
    if filters.condition is FilterCondition.NOT:
        return not any(parts)
    if filters.condition is FilterCondition.OR:
        return any(parts) or not parts
    return all(parts)


def is_hollow(filters: MetadataFilters) -> bool:
    return all(isinstance(each, MetadataFilters) and is_hollow(each) for each in filters.filters)


def holds(metadata: Metadata, each: MetadataFilter) -> bool:
    return MEANING[each.operator](metadata.get(each.key), each.value)


def same(stored: Any, value: Any) -> bool:
    if isinstance(stored, list) and isinstance(value, list):
        return len(stored) == len(value) and all(map(same, stored, value))
    return comparable(stored, value) and stored == value


def comparable(stored: Any, value: Any) -> bool:
    numbers = int | float
    return (isinstance(stored, str) and isinstance(value, str)) or (
        isinstance(stored, numbers) and isinstance(value, numbers)
    )


def ordered(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def holds(stored: Any, value: Any) -> bool:
        if isinstance(stored, str) and isinstance(value, str):
            return test(stored.encode(), value.encode())
        return comparable(stored, value) and test(stored, value)

    return holds


def is_in(stored: Any, values: list[Any]) -> bool:
    return any(same(stored, value) for value in values)


def contains(stored: Any, value: Any) -> bool:
    return isinstance(stored, list) and is_in(value, stored)


MEANING: dict[FilterOperator, Callable[[Any, Any], bool]] = {
    Op.EQ: same,
    Op.NE: lambda stored, value: not same(stored, value),
    Op.GT: ordered(operator.gt),
    Op.GTE: ordered(operator.ge),
    Op.LT: ordered(operator.lt),
    Op.LTE: ordered(operator.le),
    Op.IN: is_in,
    Op.NIN: lambda stored, values: not is_in(stored, values),
    Op.CONTAINS: contains,
    Op.ANY: lambda stored, values: any(contains(stored, value) for value in values),
    Op.ALL: lambda stored, values: (
        isinstance(stored, list) and all(contains(stored, value) for value in values)
    ),
    Op.TEXT_MATCH: lambda stored, text: isinstance(stored, str) and text in stored,
    Op.TEXT_MATCH_INSENSITIVE: lambda stored, text: (
        isinstance(stored, str) and text.lower() in stored.lower()
    ),
    Op.IS_EMPTY: lambda stored, _: stored is None or stored in ("", []),
}


# Random metadata and filters ----------------------------------------------------------------------


def some_metadata(rng: random.Random) -> dict[str, Any]:
    return {key: some_stored(rng) for key in KEYS if rng.random() < 0.6}


def some_stored(rng: random.Random) -> Any:
    kind = rng.choice(["text", "number", "huge", "list", "list", "bool", "none", "object"])
    return {
        "text": rng.choice(HOSTILE),
        "number": rng.choice(NUMBERS),
        "huge": rng.choice(HUGE),
        "list": [rng.choice([*HOSTILE, *IN_LISTS]) for _ in range(rng.randrange(4))],
        "bool": rng.random() < 0.5,
        "none": None,
        "object": {"a": rng.choice(HOSTILE)},
    }[kind]


def some_filters(rng: random.Random, depth: int = 2) -> MetadataFilters:
    return MetadataFilters(
        filters=[
            some_filters(rng, depth - 1) if depth and rng.random() < 0.3 else some_filter(rng)
            for _ in range(rng.randrange(0 if depth < 2 else 1, 4))
        ],
        condition=rng.choice(list(FilterCondition)),
    )


def some_filter(rng: random.Random) -> MetadataFilter:
    op = rng.choice(list(Op))
    words = [rng.choice(HOSTILE) for _ in range(rng.randrange(4))]
    numbers = [rng.choice([0, 1, -1, 2, 123456789, *HUGE]) for _ in range(rng.randrange(4))]
    value: Any = rng.choice([*HOSTILE, *NUMBERS, *HUGE])
    if op in {Op.IN, Op.NIN, Op.ANY, Op.ALL}:
        value = rng.choice([words, numbers])
    elif op in {Op.TEXT_MATCH, Op.TEXT_MATCH_INSENSITIVE}:
        value = rng.choice(HOSTILE)
    elif op is Op.CONTAINS:
        value = rng.choice([*HOSTILE, *IN_LISTS])
    elif op is Op.IS_EMPTY:
        value = None
    return MetadataFilter(key=rng.choice(KEYS), value=value, operator=op)


def node(number: int, metadata: Metadata, words: str = "") -> TextNode:
    text = f"{number} {words}"
    return TextNode(id_=str(number), text=text, metadata=metadata, embedding=[1.0, number])


@pytest.fixture(params=[(), DECLARED], ids=["undeclared", "declared"])
def filter_keys(request: pytest.FixtureRequest) -> tuple[str, ...]:
    return request.param


@pytest.fixture
def store(engine: sa.Engine, filter_keys: tuple[str, ...]) -> MariaDBVectorStore:
    return MariaDBVectorStore(engine, embed_dim=2, filter_keys=filter_keys, words="none")


@pytest.mark.slow
def test_random_filters_select_what_the_semantics_table_says(
    store: MariaDBVectorStore, engine: sa.Engine
) -> None:
    rng = random.Random(2)
    rows = [some_metadata(rng) for _ in range(80)]
    store.add([node(number, metadata) for number, metadata in enumerate(rows)])
    every = [some_filters(rng) for _ in range(800)]

    selected = list(select_all(engine, store.table, every))

    wrong = [
        (filters, rows[row], values[row])
        for filters, values in zip(every, selected, strict=True)
        for row in range(len(rows))
        if values[row] != matches(rows[row], filters)
    ]
    assert not wrong, wrong[0]


def select_all(
    engine: sa.Engine, table: ChunkTable, every: list[MetadataFilters]
) -> Iterator[list[int | None]]:
    """What each filter is for each row, forty filters in one statement."""
    for start in range(0, len(every), 40):
        where, values = [], {}
        for filters in every[start : start + 40]:
            one = Where(table.filter_keys, [], _Continued(values))
            require_filters(one, filters)
            where.append(str(one))
        columns = ", ".join(f"({condition})" for condition in where)
        statement = sa.text(f"SELECT {columns} FROM {table.name} ORDER BY seq")
        rows = read_snapshot(engine, partial(_read_all, statement, values))
        yield from ([row[place] for row in rows] for place in range(len(where)))


def _read_all(
    statement: sa.TextClause, values: dict[str, Any], connection: sa.Connection
) -> Sequence[sa.Row[Any]]:
    return connection.execute(statement, values).all()


class _Continued(dict[str, Any]):
    """Values of several conditions in one numbering."""

    def __init__(self, shared: dict[str, Any]) -> None:
        self.shared = shared

    def __len__(self) -> int:
        return len(self.shared)

    def __setitem__(self, name: str, value: Any) -> None:
        self.shared[name] = value


def test_what_passes_a_filter_has_its_terms() -> None:
    """Else a search that looks among the chunks with these terms would lose it."""
    rng = random.Random(4)
    rows = [some_metadata(rng) for _ in range(60)]
    having = [(metadata, set(list_metadata_terms(metadata))) for metadata in rows]
    asked = 0
    for _ in range(3000):
        filters = some_filters(rng)
        terms = find_terms(filters)
        asked += terms is not None
        for metadata, own in having:
            if matches(metadata, filters):
                assert terms is None or has_terms(own, terms), (metadata, filters)
    assert asked > 500


def has_terms(own: set[int], wanted: Terms) -> bool:
    match wanted:
        case AnyOf(terms):
            return any(has_terms(own, each) for each in terms)
        case AllOf(terms):
            return all(has_terms(own, each) for each in terms)
        case term:
            return term in own


@pytest.mark.parametrize("mode", [Mode.DEFAULT, Mode.TEXT_SEARCH, Mode.HYBRID])
@pytest.mark.parametrize("is_merged", [False, True])
def test_filtered_searches_find_what_passes_and_no_more(
    engine: sa.Engine, filter_keys: tuple[str, ...], mode: Mode, is_merged: bool
) -> None:
    rng = random.Random(5)
    store = MariaDBVectorStore(engine, embed_dim=2, filter_keys=filter_keys)
    rows = {str(number): some_metadata(rng) for number in range(60)}
    store.add([node(int(name), metadata, "shared") for name, metadata in rows.items()])
    if is_merged:
        store.table.postings.tables.merge(engine)
    for _ in range(40):
        filters = some_filters(rng)
        query = VectorStoreQuery(
            query_embedding=[1.0, 0.0],
            query_str="shared",
            similarity_top_k=99,
            mode=mode,
            filters=filters,
        )
        expected = {name for name, metadata in rows.items() if matches(metadata, filters)}
        assert set(store.query(query).ids) == expected


def test_values_of_one_term_are_told_apart_and_none_is_missing(engine: sa.Engine) -> None:
    """Most of what has the term has another value, and stands before what is asked for."""
    values = (f"value {number}" for number in itertools.count())
    term = hash_value("a", "asked", "is")
    others = [*itertools.islice((v for v in values if hash_value("a", v, "is") == term), 3)]
    store = MariaDBVectorStore(engine, embed_dim=2)
    rows = [others[number % 3] if number < 300 else "asked" for number in range(330)]
    store.add([node(number, {"a": value}, "shared") for number, value in enumerate(rows)])
    filters = MetadataFilters(filters=[MetadataFilter(key="a", value="asked")])
    right = {str(number) for number in range(300, 330)}
    for mode in (Mode.DEFAULT, Mode.TEXT_SEARCH, Mode.HYBRID):
        query = VectorStoreQuery(
            query_embedding=[1.0, 0.0],
            query_str="shared",
            similarity_top_k=7,
            mode=mode,
            filters=filters,
        )
        ids = store.query(query).ids
        assert len(ids) == 7
        assert right.issuperset(ids)


def test_keys_that_match_are_read_in_parts(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranked_search, "_KEYS_A_READ", 7)
    store = MariaDBVectorStore(engine, embed_dim=2, words="none")
    store.add([node(number, {"n": number % 2}) for number in range(40)])
    filters = MetadataFilters(filters=[MetadataFilter(key="n", value=1)])
    query = VectorStoreQuery(query_embedding=[1.0, 0.0], similarity_top_k=99, filters=filters)
    assert set(store.query(query).ids) == {str(number) for number in range(1, 40, 2)}


def test_filters_find_list_and_delete_the_same_rows(store: MariaDBVectorStore) -> None:
    rng = random.Random(3)
    rows = {str(number): some_metadata(rng) for number in range(60)}
    store.add([node(int(name), metadata) for name, metadata in rows.items()])
    for _ in range(60):
        filters = some_filters(rng)
        expected = {name for name, metadata in rows.items() if matches(metadata, filters)}
        query = VectorStoreQuery(query_embedding=[1.0, 0.0], similarity_top_k=99, filters=filters)
        assert set(store.query(query).ids) == expected
        assert {each.node_id for each in store.get_nodes(filters=filters)} == expected
    filters = some_filters(rng)
    store.delete_nodes(filters=filters)
    left = {name for name, metadata in rows.items() if not matches(metadata, filters)}
    assert {each.node_id for each in store.get_nodes()} == left


# One readable example an operator -----------------------------------------------------------------

PRODUCTS = {
    "lamp": {"colour": "red", "price": 20, "tags": ["home", "light"], "note": "50% off_season"},
    "desk": {"colour": "Red", "price": 200.0, "tags": ["home", "office"], "note": ""},
    "pen": {"colour": "blue", "price": "20", "tags": [], "note": None},
    "book": {"title": "L'été à Paris"},
}


@pytest.mark.parametrize(
    ("key", "op", "value", "expected"),
    [
        ("colour", Op.EQ, "red", "lamp"),
        ("price", Op.EQ, 20.0, "lamp"),
        ("price", Op.EQ, "20", "pen"),
        ("title", Op.EQ, "L'été à Paris", "book"),
        ("colour", Op.NE, "red", "desk pen book"),
        ("price", Op.GT, 20, "desk"),
        ("price", Op.GTE, 20, "lamp desk"),
        ("price", Op.LT, 200, "lamp"),
        ("price", Op.LTE, 200, "lamp desk"),
        ("colour", Op.GT, "Red", "lamp pen"),
        ("colour", Op.IN, ["red", "blue"], "lamp pen"),
        ("price", Op.IN, [200], "desk"),
        ("price", Op.IN, [20.0, 200.0], "lamp desk"),
        ("colour", Op.IN, [], ""),
        ("colour", Op.NIN, ["red", "blue"], "desk book"),
        ("colour", Op.NIN, [], "lamp desk pen book"),
        ("tags", Op.CONTAINS, "home", "lamp desk"),
        ("tags", Op.ANY, ["light", "office"], "lamp desk"),
        ("tags", Op.ALL, ["home", "office"], "desk"),
        ("note", Op.TEXT_MATCH, "% off_", "lamp"),
        ("note", Op.TEXT_MATCH, "OFF", ""),
        ("title", Op.TEXT_MATCH_INSENSITIVE, "ÉTÉ", "book"),
        ("note", Op.IS_EMPTY, None, "desk pen book"),
        ("tags", Op.IS_EMPTY, None, "pen book"),
        ("colour' OR 1=1 -- ", Op.EQ, "red", ""),
        ("colour", Op.EQ, "x' OR 1=1 -- ", ""),
    ],
)
def test_operator(
    products: MariaDBVectorStore, key: str, op: Op, value: Any, expected: str
) -> None:
    one = MetadataFilter(key=key, value=value, operator=op)
    assert names(products, MetadataFilters(filters=[one])) == set(expected.split())


def test_groups_nest_and_empty_groups_are_ignored(products: MariaDBVectorStore) -> None:
    red = MetadataFilter(key="colour", value="red")
    dear = MetadataFilter(key="price", value=100, operator=Op.GT)
    nothing = MetadataFilters(filters=[])
    either = MetadataFilters(filters=[red, dear, nothing], condition=FilterCondition.OR)
    neither = MetadataFilters(filters=[red, dear], condition=FilterCondition.NOT)
    titled = MetadataFilter(key="title", value=None, operator=Op.IS_EMPTY)
    assert names(products, either) == {"lamp", "desk"}
    assert names(products, neither) == {"pen", "book"}
    assert names(products, MetadataFilters(filters=[neither, titled])) == {"pen"}
    assert names(products, nothing) == set(PRODUCTS)


@pytest.mark.parametrize(
    ("value", "op"),
    [
        (["red"], Op.GT),
        ("red", Op.IN),
        ("red", Op.ANY),
        (["red"], Op.CONTAINS),
        (float("nan"), Op.EQ),
        (float("inf"), Op.GT),
        ("\ud800", Op.EQ),
    ],
)
def test_a_value_that_has_no_meaning_for_its_operator_is_refused(value: Any, op: Op) -> None:
    one = MetadataFilter(key="colour", value=value, operator=op)
    with pytest.raises(UnsupportedFilter, match="'colour'"):
        require_filters(Where(), MetadataFilters(filters=[one]))


def test_an_operator_a_condition_and_a_key_that_are_unknown_are_refused_by_their_names():
    known = MetadataFilter(key="n", value=3)
    operator_of_others = MetadataFilter.model_construct(key="n", value=3, operator="===")
    for filters, words in (
        (MetadataFilters(filters=[operator_of_others]), "'n' has the operator '==='; there are =="),
        (
            MetadataFilters.model_construct(filters=[known], condition="xor"),
            "joined by and, or, not, not by 'xor'",
        ),
        (MetadataFilters(filters=[MetadataFilter(key="-a.b", value=3)]), "'-a.b' begins with -"),
    ):
        with pytest.raises(UnsupportedFilter, match=re.escape(words)):
            require_filters(Where(), filters)


def test_a_declared_key_is_looked_up_in_its_index(engine: sa.Engine) -> None:
    store = MariaDBVectorStore(engine, embed_dim=2, filter_keys=("n",), words="none")
    store.add([node(number, {"n": number}) for number in range(200)])
    where = Where(("n",))
    require_filters(
        where, MetadataFilters(filters=[MetadataFilter(key="n", value=[7, 8], operator=Op.IN)])
    )
    explain = sa.text(f"EXPLAIN {store.table.fill('delete', where)}")
    with engine.connect() as connection:
        plan = connection.execute(explain, where.values).one()
    assert plan.key == "f_n"
    assert int(plan.rows) == 2


@pytest.fixture
def products(store: MariaDBVectorStore) -> MariaDBVectorStore:
    store.add(
        [
            TextNode(id_=name, text=name, metadata=metadata, embedding=[1.0, 1.0])
            for name, metadata in PRODUCTS.items()
        ]
    )
    return store


def names(store: MariaDBVectorStore, filters: MetadataFilters) -> set[str]:
    return {each.node_id for each in store.get_nodes(filters=filters)}
