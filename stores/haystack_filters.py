"""Haystack's filters -> LlamaIndex's MetadataFilters.

They mean what Haystack's own store in memory means by them. It needs the extra haystack.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

from haystack.errors import FilterError
from llama_index.core.vector_stores import FilterOperator, MetadataFilter, MetadataFilters
from pydantic import ValidationError

from stores.chunks.field_filter import FieldFilter
from stores.chunks.filter_groups import Part, all_of, any_of, missing_or_null, none_of
from stores.errors import UnsupportedFilter

_ORDERINGS = {
    ">": FilterOperator.GT,
    ">=": FilterOperator.GTE,
    "<": FilterOperator.LT,
    "<=": FilterOperator.LTE,
}
_COLUMNS = {"content": "text", "id": "chunk_id"}
_NOT_STORED = {"blob", "score", "embedding", "sparse_embedding", "meta"}
_DATE_LENGTH = len("2020-01-31")

Condition = Mapping[str, Any]


class MalformedFilter(UnsupportedFilter, FilterError):
    """A filter of Haystack's that has no meaning: an error of kb, and of Haystack."""


def compile_filters(filters: Condition | None) -> MetadataFilters | None:
    """Compile a filter of Haystack's; an empty one restricts nothing. Raises MalformedFilter."""
    return all_of(_compile(filters)) if filters else None


def _compile(wanted: Condition) -> Part:
    if not isinstance(wanted, Mapping):
        raise MalformedFilter(f"The filter {wanted!r} is no dict with a field or conditions.")
    if "field" in wanted:
        return _compile_comparison(*_take(wanted, "field", "operator", "value"))
    operator, conditions = _take(wanted, "operator", "conditions")
    if not isinstance(conditions, list):
        raise MalformedFilter(f"The conditions of {operator!r} are {conditions!r}; give a list.")
    parts = [_compile(condition) for condition in conditions]
    match operator:
        case "AND":
            return all_of(*parts)
        case "OR":
            return any_of(*parts)
        case "NOT":
            return none_of(all_of(*parts))
    raise MalformedFilter(f"There is no logical operator {operator!r}; there are AND, OR and NOT.")


def _take(wanted: Condition, *names: str) -> list[Any]:
    """Take what a condition must have, and refuse what it has besides."""
    for name in names:
        if name not in wanted:
            raise MalformedFilter(f"The filter {dict(wanted)!r} lacks {name!r}.")
    if others := wanted.keys() - set(names):
        raise MalformedFilter(
            f"The filter {dict(wanted)!r} has {min(others)!r}; it takes {', '.join(names)}."
        )
    return [wanted[name] for name in names]


def _compile_comparison(field: str, operator: str, value: Any) -> Part:
    match operator:
        case "==":
            return _equals(field, value)
        case "!=":
            return none_of(_equals(field, value))
        case "in":
            return any_of(*(_equals(field, each) for each in _require_list(field, value)))
        case "not in":
            return none_of(*(_equals(field, each) for each in _require_list(field, value)))
        case ">" | ">=" | "<" | "<=":
            return _compare(field, operator, value)
    raise MalformedFilter(
        f"There is no comparison {operator!r}, asked of {field!r}; there are ==, !=, >, >=, <, <=, "
        "in and not in."
    )


def _equals(field: str, value: Any) -> Part:
    """What equals None is missing or null; what equals a date is the same moment."""
    if value is None:
        return missing_or_null(partial(_make_filter, field))
    text = value.isoformat() if isinstance(value, datetime) else value
    equal = _make_filter(field, FilterOperator.EQ, text)
    if (moment := _read_moment(value)) and _looks_like_a_date(text):
        return any_of(equal, _make_filter(field, FilterOperator.EQ, text, moment))
    return equal


def _compare(field: str, operator: str, value: Any) -> Part:
    if value is None:
        return any_of()
    moment = _read_moment(value)
    if isinstance(value, int | float) or moment:
        text = value.isoformat() if isinstance(value, datetime) else value
        return _make_filter(field, _ORDERINGS[operator], text, moment)
    raise MalformedFilter(
        f"The filter on {field!r} asks for what is {operator} {value!r}; what has an order are "
        "numbers, and dates as ISO 8601 writes them."
    )


def _read_moment(value: Any) -> datetime | None:
    if isinstance(value, datetime) or not isinstance(value, str):
        return value if isinstance(value, datetime) else None
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return None


def _looks_like_a_date(text: str) -> bool:
    """Whether Haystack compares a string as a date where it is asked for what equals it."""
    day, rest = text[:_DATE_LENGTH], text[_DATE_LENGTH:]
    digits = day.replace("-", "")
    return digits.isdigit() and day[4:8:3] == "--" and rest[:1] in ("", "T", "t", " ")


def _make_filter(
    field: str, operator: FilterOperator, value: Any, moment: datetime | None = None
) -> MetadataFilter:
    wanted = {
        "key": field,
        "operator": operator,
        "value": int(value) if isinstance(value, bool) else value,
    }
    try:
        match field.split("."):
            case [("content" | "id") as column]:
                return FieldFilter(place=_COLUMNS[column], moment=moment, **wanted)
            case [name] if name in _NOT_STORED:
                raise MalformedFilter(
                    f"No document can be found by its {field}; filter by id, content or meta."
                )
            case ["meta", name] | [name]:
                if moment:
                    return FieldFilter(path=(name,), moment=moment, **wanted)
                return MetadataFilter(**wanted | {"key": name})
            case ["meta", *path]:
                return FieldFilter(path=tuple(path), moment=moment, **wanted)
    except ValidationError as error:
        raise MalformedFilter(
            f"The filter on {field!r} has the value {value!r}; it takes a string, a number, a "
            "truth value, a date, None, or a list of strings or numbers."
        ) from error
    raise MalformedFilter(
        f"The filter names the field {field!r}; there are id, content, and meta.KEY, of which KEY "
        "may have a dot for each key inside of another."
    )


def _require_list(field: str, value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    raise MalformedFilter(f"The filter on {field!r} has {value!r}, which is no list to look in.")
