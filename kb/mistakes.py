"""What pydantic finds wrong with data, by its place in the data, in words for people."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from pydantic import ValidationError
from pydantic_core import ErrorDetails

Place: TypeAlias = tuple[str | int, ...]


def describe_all_mistakes(error: ValidationError, given: Any, whole: str = "") -> str:
    """Describe all that is wrong with what was given, a whole that is called so."""
    mistakes = group_by_place(error.errors(include_url=False), given)
    return "; ".join(
        f"{join_place(place) or whole}: {_explain_mistakes(found)}"
        for place, found in mistakes.items()
    )


def describe_first_mistake(error: ValidationError, given: Any) -> tuple[Place, str]:
    """Describe the first place in what was given where something is wrong, and what is."""
    mistakes = group_by_place(error.errors(include_url=False), given)
    place, found = next(iter(mistakes.items()))
    return place, _explain_mistakes(found)


def group_by_place(errors: Iterable[ErrorDetails], given: Any) -> dict[Place, list[ErrorDetails]]:
    """Group mistakes by their place in what was given: each type tried there has found one."""
    places: dict[Place, list[ErrorDetails]] = {}
    for details in errors:
        places.setdefault(_find_place(details, given), []).append(details)
    return places


def _find_place(details: ErrorDetails, given: Any) -> Place:
    """Find the place of a mistake, without the names of the types that pydantic has tried there.

    What was given tells them from keys, and keeps none of theirs. A key that is missing comes last.
    """
    place: list[str | int] = []
    for depth, part in enumerate(details["loc"], start=1):
        is_missing = details["type"] == "missing" and depth == len(details["loc"])
        match given:
            case Mapping() if part in given:
                given = given[part]
            case list() | tuple() if isinstance(part, int) and part < len(given):
                given = given[part]
            case _ if place and isinstance(part, str) and not is_missing:
                continue
        place.append(part)
    return tuple(place)


def join_place(place: Place) -> str:
    return ".".join(map(str, place))


def _explain_mistakes(found: Sequence[ErrorDetails]) -> str:
    return join_reasons((explain_wrong_value(details["msg"]) for details in found), "it should be ")


def join_reasons(reasons: Iterable[str], beginning: str) -> str:
    """Join the reasons of one place, which takes values of several types, with one beginning."""
    first, *others = dict.fromkeys(reasons)
    return ", or ".join([first, *(reason.removeprefix(beginning) for reason in others)])


def explain_wrong_value(reason: str) -> str:
    """Turn what pydantic says of a value into words for people."""
    if reason == "Field required":
        return "it is missing"
    if reason == "Extra inputs are not permitted":
        return "there is no such key"
    told = reason.removeprefix("Value error, ").replace("Input should be ", "it should be ", 1)
    return re.sub(r"valid dictionary or instance of \w+$", "section with keys of its own", told)
