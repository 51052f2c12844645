"""Groups of filters as other frameworks mean them: an empty one has a meaning, too."""

from collections.abc import Callable
from typing import Any

from llama_index.core.vector_stores import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
)

Part = MetadataFilter | MetadataFilters


def all_of(*parts: Part) -> MetadataFilters:
    """What passes all of the parts; of none, everything."""
    return MetadataFilters(
        filters=[*parts] or [_pass(FilterOperator.NIN)], condition=FilterCondition.AND
    )


def any_of(*parts: Part) -> MetadataFilters:
    """What passes one of the parts; of none, nothing."""
    return MetadataFilters(
        filters=[*parts] or [_pass(FilterOperator.IN)], condition=FilterCondition.OR
    )


def none_of(*parts: Part) -> MetadataFilters:
    """What passes none of the parts."""
    return MetadataFilters(filters=[any_of(*parts)], condition=FilterCondition.NOT)


def missing_or_null(make_filter: Callable[[FilterOperator, Any], MetadataFilter]) -> Part:
    """What has no value, or null; LlamaIndex's IS_EMPTY is also for "" and []."""
    empty = make_filter(FilterOperator.IS_EMPTY, None)
    hollow = (make_filter(FilterOperator.EQ, ""), make_filter(FilterOperator.EQ, []))
    return all_of(empty, none_of(*hollow))


def _pass(operator: FilterOperator) -> MetadataFilter:
    """A filter that all pass, or none: LlamaIndex has no meaning for a group of no filters."""
    return MetadataFilter(key="", operator=operator, value=[])
