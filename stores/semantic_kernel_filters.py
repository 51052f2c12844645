"""The filter lambdas of Semantic Kernel -> LlamaIndex's MetadataFilters.

A lambda is read and never run; it means what Python means by it, but that a comparison with what is
missing, or of another type, is false. It needs the extra semantic-kernel.
"""

import ast
from functools import partial
from itertools import pairwise
from typing import Any, Protocol

from llama_index.core.vector_stores import FilterOperator, MetadataFilter
from pydantic import ValidationError
from semantic_kernel.data.vector import FieldTypes, VectorStoreCollectionDefinition

from stores.chunks.field_filter import FieldFilter
from stores.chunks.filter_groups import Part, all_of, any_of, missing_or_null, none_of
from stores.errors import UnsupportedFilter

_ORDERINGS: dict[type[ast.cmpop], tuple[FilterOperator, FilterOperator]] = {
    ast.Gt: (FilterOperator.GT, FilterOperator.LT),
    ast.GtE: (FilterOperator.GTE, FilterOperator.LTE),
    ast.Lt: (FilterOperator.LT, FilterOperator.GT),
    ast.LtE: (FilterOperator.LTE, FilterOperator.GTE),
}


class MakeFilter(Protocol):
    """Makes a filter on one field."""

    def __call__(self, operator: FilterOperator, value: Any) -> MetadataFilter: ...


def compile_lambda(node: ast.AST, definition: VectorStoreCollectionDefinition) -> Part:
    """Compile what a lambda returns. Raises UnsupportedFilter."""
    match node:
        case ast.BoolOp(op=ast.And(), values=values):
            return all_of(*(compile_lambda(value, definition) for value in values))
        case ast.BoolOp(op=ast.Or(), values=values):
            return any_of(*(compile_lambda(value, definition) for value in values))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return none_of(compile_lambda(operand, definition))
        case ast.Compare(left=left, ops=operators, comparators=others):
            sides = pairwise([left, *others])
            return all_of(
                *(
                    _compile_comparison(one, operator, other, definition)
                    for operator, (one, other) in zip(operators, sides, strict=True)
                )
            )
    raise _refuse(node, "is no comparison of a field with a value")


def _compile_comparison(  # noqa: PLR0911 - one case for each operator
    left: ast.expr,
    operator: ast.cmpop,
    right: ast.expr,
    definition: VectorStoreCollectionDefinition,
) -> Part:
    is_flipped = not isinstance(left, ast.Attribute)
    field, other = (right, left) if is_flipped else (left, right)
    make, value = _find_field(field, definition), _read_value(other)
    match operator:
        case ast.Eq() | ast.Is():
            return _equals(make, value)
        case ast.NotEq() | ast.IsNot():
            return none_of(_equals(make, value))
        case ast.In() if is_flipped:
            return _contains(make, value)
        case ast.NotIn() if is_flipped:
            return none_of(_contains(make, value))
        case ast.In() if isinstance(value, list):
            return any_of(*(_equals(make, each) for each in value))
        case ast.NotIn() if isinstance(value, list):
            return none_of(*(_equals(make, each) for each in value))
        case ast.Gt() | ast.GtE() | ast.Lt() | ast.LtE() if isinstance(value, str | int | float):
            return make(_ORDERINGS[type(operator)][is_flipped], value)
    raise _refuse(other, f"is nothing that {type(operator).__name__} can compare a field with")


def _equals(make: MakeFilter, value: Any) -> Part:
    return missing_or_null(make) if value is None else make(FilterOperator.EQ, value)


def _contains(make: MakeFilter, value: Any) -> Part:
    """What is a list with the value, or a string with the text."""
    has = make(FilterOperator.CONTAINS, value)
    return any_of(has, make(FilterOperator.TEXT_MATCH, value)) if isinstance(value, str) else has


def _find_field(node: ast.expr, definition: VectorStoreCollectionDefinition) -> MakeFilter:
    path: list[str] = []
    place: ast.expr = node
    while isinstance(place, ast.Attribute):
        path.insert(0, place.attr)
        place = place.value
    if not isinstance(place, ast.Name) or not path:
        raise _refuse(node, "is no field of the record")
    for field in definition.fields:
        if path[0] in (field.name, field.storage_name):
            if field.field_type == FieldTypes.VECTOR or (path[1:] and not _is_metadata(field)):
                break
            return partial(_make_filter, field, path[1:])
    names = ", ".join(field.name for field in definition.fields)
    raise _refuse(node, f"is no field to filter by; the records have {names}")


def _is_metadata(field: Any) -> bool:
    return bool(field.field_type == FieldTypes.DATA and not field.is_full_text_indexed)


def _make_filter(
    field: Any, path: list[str], operator: FilterOperator, value: Any
) -> MetadataFilter:
    name = field.storage_name or field.name
    wanted = {
        "key": name,
        "operator": operator,
        "value": int(value) if isinstance(value, bool) else value,
    }
    try:
        if not _is_metadata(field):
            is_key = field.field_type == FieldTypes.KEY
            return FieldFilter(place="chunk_id" if is_key else "text", **wanted)
        return FieldFilter(path=(name, *path), **wanted) if path else MetadataFilter(**wanted)
    except ValidationError as error:
        raise UnsupportedFilter(
            f"The filter on {field.name!r} has the value {value!r}; it takes a string, a number, a "
            "truth value, None, or a list of strings or numbers."
        ) from error


def _read_value(node: ast.expr) -> Any:
    try:
        value = ast.literal_eval(node)
    except ValueError as error:
        raise _refuse(
            node, "is no value that stands in the lambda; give the filter as a string with it"
        ) from error
    return [*value] if isinstance(value, tuple | set) else value


def _refuse(node: ast.AST, why: str) -> UnsupportedFilter:
    return UnsupportedFilter(f"In the filter {ast.unparse(node)!r} {why}.")
