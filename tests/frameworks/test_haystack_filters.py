"""Haystack's filters find in MariaDB what Haystack itself finds in memory."""

import itertools
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from stores import MariaDBVectorStore, UnsupportedFilter

pytest.importorskip("haystack", reason="make test-frameworks")

from haystack import Document
from haystack.errors import FilterError
from haystack.utils.filters import document_matches_filter

from stores.haystack_store import MariaDBHaystackStore

EQUALITIES, ORDERINGS = ["==", "!="], [">", ">=", "<", "<="]
NUMBERS = [0, 1, -1, 2.5, 2, 10**16, 2**53 + 1, True, False]
DATES = [
    "1969-07-21T20:17:40",
    "1969-07-21",
    "1969-07-21T00:00:00",
    "1969-07-21 00:00:00.000001",
    "1969-07-21T02:00:00+02:00",
    "1969-07-20T19:00:00-05:00",
    "1969-07-21T00:00Z",
    "1969-07-21T00:00:00.5+0530",
    "0999-01-31",
    "2290-12-31T23:59:59.999999Z",
]
WORDS = ["", "a", "A", "á", "a ", "1", "true", "null", "1969", "1969-13-41", "漢字", "x' OR 1=1"]
LISTS = [[], ["a"], ["a", "b"], [1, 2], [2, 1]]
NESTED = [{"name": "a", "born": {"year": 1}}, {"name": None}, {"name": ["a"]}, {}, [{"name": "a"}]]
ANY = [*NUMBERS, *DATES, *WORDS, *LISTS, None]
MISSING = object()
KEYS = ["any", "number", "date", "person", "-k", 'q"uote']
Filter = dict[str, Any]


def make_documents() -> list[Document]:
    values = {
        "any": [*ANY, MISSING],
        "number": [*NUMBERS, None, MISSING],
        "date": [*DATES, None, MISSING],
        "person": [*NESTED, "a", None, MISSING],
        "-k": [1, "a", MISSING],
        'q"uote': [1, "a", MISSING],
    }
    return [
        Document(
            id=f"{place:02}",
            content=ANY[place % 30] if isinstance(ANY[place % 30], str) else f"text {place}",
            meta={
                key: value
                for key, each in values.items()
                if (value := each[(place * 7 + len(key)) % len(each)]) is not MISSING
            },
            embedding=[1.0, place],
        )
        for place in range(90)
    ]


DOCUMENTS = make_documents()


@pytest.fixture(params=[(), ("any", "number", "date")], ids=["plain", "declared"])
def store(engine: sa.Engine, request) -> MariaDBHaystackStore:
    made = MariaDBHaystackStore.from_store(
        MariaDBVectorStore(engine, embed_dim=2, filter_keys=request.param)
    )
    made.write_documents(DOCUMENTS)
    return made


@pytest.fixture(autouse=True)
def _dates_as_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Haystack reads "1" as the first of this month where it asks what is later; kb does not."""

    def refuse(text: str) -> None:
        raise ValueError(text)

    monkeypatch.setattr("dateutil.parser.parse", refuse)


def compare(field: str, operator: str, value: Any) -> Filter:
    return {"field": field, "operator": operator, "value": value}


def join(operator: str, *conditions: Filter) -> Filter:
    return {"operator": operator, "conditions": [*conditions]}


def matches(wanted: Filter, document: Document) -> bool:
    """What Haystack says; what it cannot compare, a number with a text, does not match here."""
    try:
        return document_matches_filter(wanted, document)
    except (FilterError, TypeError):
        return False


def check(store: MariaDBHaystackStore, wanted: Filter) -> None:
    found = {each.id for each in store.filter_documents(wanted)}
    expected = {each.id for each in DOCUMENTS if matches(wanted, each)}
    assert found == expected, (wanted, [DOCUMENTS[int(id_)] for id_ in found ^ expected])


def every_comparison() -> Iterator[Filter]:
    fields = ["meta.any", "any", "meta.number", "meta.date", "meta.-k", 'meta.q"uote', "content"]
    nested = ["meta.person.name", "meta.person.born.year", "meta.person.none.at.all"]
    for field in [*fields, *nested]:
        for operator, value in itertools.product(EQUALITIES, ANY):
            yield compare(field, operator, value)
        for operator, value in itertools.product(ORDERINGS, [*NUMBERS, *DATES, None]):
            yield compare(field, operator, value)
        for operator in ("in", "not in"):
            for values in ([], [1, "a", None], [True, DATES[1], ["a", "b"]], [2**53 + 1, "a "]):
                yield compare(field, operator, values)
    yield compare("id", "in", ["03", "04", "nowhere"])
    yield compare("meta.date", ">", datetime(1969, 7, 21, tzinfo=UTC))
    yield compare("meta.date", "==", datetime(1969, 7, 21))  # noqa: DTZ001 - one without an offset


@pytest.mark.timeout(600)
def test_every_comparison_finds_what_haystack_finds(store):
    for wanted in every_comparison():
        check(store, wanted)


@pytest.mark.parametrize("operator", ["AND", "OR", "NOT"])
def test_groups_without_conditions_mean_what_haystack_means(store, operator):
    empty, number = join(operator), compare("meta.number", "==", 1)
    for wanted in (empty, join("OR", empty, number), join("AND", empty, number)):
        check(store, wanted)
        check(store, join("NOT", wanted))


def test_nested_groups_find_what_haystack_finds(store):
    chances = random.Random(1)
    for _ in range(150):
        check(store, make_group(chances, depth=3))


def make_group(chances: random.Random, depth: int) -> Filter:
    """A group of comparisons that Haystack can make of every document, and of other groups."""
    if not depth or chances.random() < 0.3:
        fields: list[tuple[str, list[Any]]] = [("meta.number", NUMBERS), ("meta.date", DATES)]
        field, values = chances.choice(fields)
        operator = chances.choice([*EQUALITIES, *ORDERINGS])
        return compare(field, operator, chances.choice([*values, None]))
    parts = [make_group(chances, depth - 1) for _ in range(chances.randint(1, 3))]
    return join(chances.choice(["AND", "OR", "NOT"]), *parts)


@pytest.mark.parametrize(
    "wanted",
    [
        compare("meta.any", "~=", 1),
        compare("meta.any", ">", "b"),
        compare("meta.any", ">", [1]),
        compare("meta.any", "==", {"a": 1}),
        compare("meta.any", "==", [[1]]),
        compare("meta.any", "in", "abc"),
        compare("embedding", "==", 1),
        compare("person.name", "==", "a"),
        compare("meta.any", "==", 1) | {"boost": 2},
        join("XOR", compare("meta.any", "==", 1)),
        join("AND") | {"conditions": "meta.any"},
        {"field": "meta.any"},
        {"operator": "AND"},
    ],
    ids=str,
)
def test_what_has_no_meaning_is_an_error_of_haystack_and_of_kb(engine, wanted):
    store = MariaDBHaystackStore.from_store(MariaDBVectorStore(engine, embed_dim=2))
    for kind in (FilterError, UnsupportedFilter):
        with pytest.raises(kind):
            store.filter_documents(wanted)
