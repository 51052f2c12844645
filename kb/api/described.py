"""Answers as the OpenAPI document describes them: each by the type that makes it.

Nothing of an answer is checked or converted by its description while the server answers. Tests of
the API compare every answer that they get with it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import reduce
from operator import or_
from types import UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    NotRequired,
    TypeAlias,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema
from typing_extensions import TypedDict

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")


@dataclass(frozen=True)
class Shaped:
    """Describes values by a `shape`, None for their own type, and lets them pass as they are."""

    shape: Any = None

    def __get_pydantic_core_schema__(
        self, source: Any, _handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        described = _require_fields(TypeAdapter(self.shape or source).core_schema)
        return core_schema.any_schema(metadata={"described": described})

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        described = schema["metadata"]["described"]
        # What stands within another schema is a component of the document, by its name.
        return handler(core_schema.definitions_schema(described, []))


Told: TypeAlias = Annotated[T, Shaped()]
"""What an endpoint answers, described by its type and sent as it is."""


def _require_fields(schema: Any) -> Any:
    """Return a schema in which the fields of dataclasses are always there: so they are sent."""
    match schema:
        case {"type": "dataclass-field", "schema": {"type": "default", "schema": told}}:
            return {**schema, "schema": _require_fields(told)}
        case dict():
            return {name: _require_fields(part) for name, part in schema.items()}
        case list():
            return [_require_fields(part) for part in schema]
    return schema


def derive_shape(
    kind: "type[DataclassInstance]", name: str, changes: Mapping[str, Any] | None = None
) -> Any:
    """Derive the shape of a dataclass as a dict; `changes` gives keys other types, None takes them.

    A field that is left out where it is None, by its metadata `if_known`, need not be there.
    """
    hints, shape = get_type_hints(kind), {}
    for field in fields(kind):
        told = describe_type(hints[field.name])
        shape[field.name] = NotRequired[_drop_none(told)] if field.metadata else told
    shape |= changes or {}
    return make_shape(name, {key: told for key, told in shape.items() if told is not None}, kind)


def make_shape(name: str, shape: Mapping[str, Any], kind: type | None = None) -> Any:
    """Make a type of what the keys of a dict hold, with the words of another one about them."""
    made: Any = TypedDict(name, dict(shape))  # type: ignore[misc]  # its keys are those of others
    made.__doc__ = kind.__doc__ if kind else None
    return made


def list_of(shape: Any) -> Any:
    return list[shape]


def describe_type(kind: Any) -> Any:
    """Return a type with the shapes of dataclasses that leave out fields in the place of these."""
    if is_dataclass(kind) and isinstance(kind, type):
        leaves_out = any(field.metadata.get("if_known") for field in fields(kind))
        return derive_shape(kind, kind.__name__) if leaves_out else kind
    origin, parts = get_origin(kind), tuple(map(describe_type, get_args(kind)))
    if origin in (None, Literal, Annotated):
        return kind
    return reduce(or_, parts) if origin in (Union, UnionType) else origin[parts]


def _drop_none(kind: Any) -> Any:
    return reduce(or_, (part for part in get_args(kind) if part is not type(None)))
