"""Filters as JSON gives them, and the documents that a caller may see, as LlamaIndex's filters."""

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

from llama_index.core.vector_stores.types import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
)
from pydantic import Field

from kb.api.guards.access import Caller

Value: TypeAlias = str | int | Annotated[float, Field(allow_inf_nan=False)]
Values: TypeAlias = Value | Annotated[list[Value], Field(min_length=1, max_length=100)]
Filters: TypeAlias = Annotated[dict[str, Values], Field(max_length=20)]


def metadata_filters(filters: Mapping[str, Values], caller: Caller) -> MetadataFilters | None:
    """Make filters that ask each key to hold one of its values, of documents the caller may see."""
    parts = [_match_any(key, values) for key, values in filters.items()]
    if caller.collections is not None:
        roots = list(caller.collections)
        only = MetadataFilter(key="root", operator=FilterOperator.IN, value=roots)
        parts.append(MetadataFilters(filters=[only]))
    return MetadataFilters(filters=list(parts)) if parts else None


def restore_filters(filters: Mapping[str, Any] | None) -> dict[str, Values]:
    """Read back what `metadata_filters` made of JSON, as LlamaIndex dumps it.

    What came from elsewhere, or asks for more than values of keys, is left out.
    """
    restored: dict[str, Values] = {}
    for part in (filters or {}).get("filters", ()):
        tests = part.get("filters", ())
        values = [test["value"] for test in tests if test.get("operator") == FilterOperator.EQ]
        keys = {test.get("key") for test in tests}
        if part.get("condition") == FilterCondition.OR and len(keys) == 1 and values:
            restored[str(keys.pop())] = values if len(values) > 1 else values[0]
    return restored


def _match_any(key: str, values: Values) -> MetadataFilters:
    tests = [
        MetadataFilter(key=key, operator=operator, value=value)
        for value in (values if isinstance(values, list) else [values])
        for operator in (FilterOperator.EQ, FilterOperator.CONTAINS)
    ]
    return MetadataFilters(filters=list(tests), condition=FilterCondition.OR)
