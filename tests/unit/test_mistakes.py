"""A mistake is named by its place in the data, never by what pydantic calls the types it tries."""

from datetime import date
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from kb.mistakes import describe_all_mistakes

Short = Annotated[str, Field(max_length=3)]


class Circle(BaseModel):
    kind: Literal["circle"]
    radius: int


class Square(BaseModel):
    kind: Literal["square"]
    side: int


class Drawing(BaseModel):
    values: dict[Short, Short | date | int] = {}
    shapes: list[Annotated[Circle | Square, Field(discriminator="kind")]] = []
    outline: Circle | None = None
    either: Circle | list[Short] = []


@pytest.mark.parametrize(
    ("given", "places"),
    [
        ({"values": {"day": []}}, ["values.day"]),
        ({"values": {"int": [], "str": {}}}, ["values.int", "values.str"]),
        ({"values": {"a long key": 1}}, ["values.a long key"]),
        ({"values": {1: 1}}, ["values.1"]),
        ({"shapes": [{"kind": "circle", "radius": "wide"}]}, ["shapes.0.radius"]),
        ({"shapes": [{"kind": "circle"}, 3]}, ["shapes.0.radius", "shapes.1"]),
        ({"outline": {"kind": "circle"}}, ["outline.radius"]),
        ({"either": ["long one"]}, ["either", "either.0"]),
        ({"either": {"kind": "circle"}}, ["either.radius", "either"]),
        ([], ["the drawing"]),
    ],
    ids=str,
)
def test_a_place_holds_keys_of_the_data_alone(given: Any, places: list[str]) -> None:
    with pytest.raises(ValidationError) as refused:
        Drawing.model_validate(given)
    told = describe_all_mistakes(refused.value, given, whole="the drawing")
    assert [mistake.partition(": ")[0] for mistake in told.split("; ")] == places


def test_what_one_place_takes_is_told_in_one_sentence() -> None:
    given = {"year": [2025]}
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(dict[str, Short | int]).validate_python(given)
    told = describe_all_mistakes(refused.value, given)
    assert told == "year: it should be a valid string, or a valid integer"


def test_of_data_that_were_changed_before_they_were_checked_the_first_key_is_named() -> None:
    with pytest.raises(ValidationError) as refused:
        Drawing.model_validate({"values": {"day": []}})
    told = describe_all_mistakes(refused.value, {})
    assert told.startswith("values: it should be ")
