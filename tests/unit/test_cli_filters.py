"""`--filter` in the words of users."""

import pytest
from llama_index.core.vector_stores import FilterCondition, FilterOperator, MetadataFilters

from kb.filter_options import metadata_filters, parse_filter


def conditions(text: str) -> tuple[FilterCondition | None, list[tuple[str, str, object]]]:
    filters = metadata_filters([text])
    assert filters is not None
    (group,) = filters.filters
    assert isinstance(group, MetadataFilters)
    return group.condition, [(f.key, f.operator.value, f.value) for f in group.filters]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("category=faq", ("category", "=", "faq")),
        ("category==faq", ("category", "==", "faq")),
        ("a.b-c != x y ", ("a.b-c", "!=", "x y")),
        ("date>=2026-01-01", ("date", ">=", "2026-01-01")),
        ("page<3", ("page", "<", "3")),
        ("titre~café", ("titre", "~", "café")),
        ("url=http://x/?a=b", ("url", "=", "http://x/?a=b")),
    ],
)
def test_a_filter_is_a_key_an_operator_and_a_value(text, expected):
    assert parse_filter(text) == expected


@pytest.mark.parametrize("text", ["", "key", "=x", "x=", "x= ", "x<>y", "x=~y", "x=>3"])
def test_anything_else_is_none(text):
    assert parse_filter(text) is None


def test_a_value_is_looked_for_in_texts_and_in_lists():
    condition, tests = conditions("tags=coffee")
    assert condition is FilterCondition.OR
    assert tests == [("tags", "==", "coffee"), ("tags", "contains", "coffee")]


def test_what_looks_like_a_number_is_a_number_and_a_text():
    assert conditions("page>=2") == (
        FilterCondition.OR,
        [("page", ">=", "2"), ("page", ">=", 2)],
    )
    assert [value for _, _, value in conditions("v=-1.5")[1]] == ["-1.5", -1.5] * 2
    assert [value for _, _, value in conditions("v=true")[1]] == ["true", 1] * 2


@pytest.mark.parametrize("value", ["nan", "inf", "1e5", "1_000", "2026-01-01", "+3"])
def test_what_only_python_takes_for_a_number_is_a_text(value):
    assert {value for _, _, value in conditions(f"v={value}")[1]} == {value}


def test_quotes_keep_a_number_a_text():
    assert conditions('v="2"')[1] == [("v", "==", "2"), ("v", "contains", "2")]


def test_not_equal_is_the_opposite_of_equal():
    equal, unequal = conditions("v=2"), conditions("v!=2")
    assert unequal == (FilterCondition.NOT, equal[1])


def test_a_part_of_a_text_is_found_in_any_case():
    condition, tests = conditions("title~Café")
    assert tests == [("title", FilterOperator.TEXT_MATCH_INSENSITIVE.value, "Café")]
    assert condition is FilterCondition.OR


def test_several_filters_must_all_match():
    filters = metadata_filters(["a=1", "b=2"])
    assert filters is not None
    assert filters.condition is FilterCondition.AND
    assert len(filters.filters) == 2
    assert metadata_filters([]) is None
