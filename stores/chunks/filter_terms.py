"""MetadataFilters -> the terms that chunks have which pass them; pure, no database."""

from collections.abc import Sequence
from typing import assert_never

from llama_index.core.vector_stores import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
)

from stores.chunks.field_filter import FieldFilter
from stores.chunks.metadata_terms import AllOf, AnyOf, Kind, Scalar, Terms, hash_value


def find_terms(filters: MetadataFilters) -> Terms | None:
    """Find the terms without which no chunk passes; None when chunks without any may pass."""
    parts = [
        find_terms(part) if isinstance(part, MetadataFilters) else _find_terms_of_one(part)
        for part in filters.filters
    ]
    known = tuple(part for part in parts if part is not None)
    match filters.condition:
        case FilterCondition.AND | None:
            return AllOf(known) if known else None
        case FilterCondition.OR:
            return AnyOf(known) if known and len(known) == len(parts) else None
        case FilterCondition.NOT:
            return None
        case _:
            assert_never(filters.condition)


def _find_terms_of_one(wanted: MetadataFilter) -> Terms | None:
    if isinstance(wanted, FieldFilter):
        return None  # terms are of keys at the top of the metadata
    value = wanted.value
    values: list[Scalar | None] = [*value] if isinstance(value, list) else [value]
    match wanted.operator:
        case FilterOperator.EQ if not isinstance(value, list):
            return _join_any(wanted.key, values, "is")
        case FilterOperator.IN:
            return _join_any(wanted.key, values, "is")
        case FilterOperator.CONTAINS | FilterOperator.ANY:
            return _join_any(wanted.key, values, "has")
        case FilterOperator.ALL if values:
            each = (_join_any(wanted.key, [one], "has") for one in values)
            known = tuple(terms for terms in each if terms is not None)
            return AllOf(known) if known else None
        case _:
            return None


def _join_any(key: str, values: Sequence[Scalar | None], kind: Kind) -> AnyOf | None:
    """Join the terms of values; None when one of them has no term."""
    terms = [
        hash_value(key, value, kind) if isinstance(value, Scalar) else None for value in values
    ]
    known = tuple(term for term in terms if term is not None)
    return AnyOf(known) if len(known) == len(terms) else None
