"""What is wrong with a request, in words for who has sent it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic_core import ErrorDetails

from kb.mistakes import Place, group_by_place, join_place, join_reasons

_MOST: Final = 20
_PLACE_CHARACTERS: Final = 60  # of each part, which may be a key of the client's


def describe_mistakes(
    errors: Sequence[ErrorDetails], sent: Mapping[str, Any]
) -> list[dict[str, str]]:
    """Describe the first mistakes in what was sent, each place once.

    Nothing of what was sent is told but its keys.
    """
    return [
        {
            "place": _name_place(place, found),
            "reason": join_reasons(map(_describe_reason, found), "Input should be "),
        }
        for place, found in group_by_place(errors[:_MOST], sent).items()
    ]


def _name_place(place: Place, errors: Sequence[ErrorDetails]) -> str:
    parts = [str(part)[:_PLACE_CHARACTERS] for part in place]
    if errors[0]["type"] == "union_tag_invalid":
        parts.append(errors[0]["ctx"]["discriminator"].strip("'"))
    return join_place(tuple(parts))


def _describe_reason(error: ErrorDetails) -> str:
    """Describe what is wrong in the validator's words; where these are about programs, in ours."""
    match error["type"]:
        case "model_attributes_type":
            return "Send a JSON object, as Content-Type: application/json"
        case "json_invalid":
            return f"This is not JSON: {error['ctx']['error']}"
        case "extra_forbidden":
            return "There is no such field"
    return error["msg"].removeprefix("Value error, ")
