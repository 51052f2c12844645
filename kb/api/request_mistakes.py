"""What is wrong with a request, in words for who has sent it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

_MOST: Final = 20
_PLACE_CHARACTERS: Final = 60  # of each part, which may be a key of the client's
_TYPES: Final = frozenset({"str", "int", "float"})


def describe_mistakes(errors: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Describe the first mistakes that a validator found, each place once.

    Nothing of what was sent is told but its keys.
    """
    reasons: dict[str, list[str]] = {}
    for error in errors[:_MOST]:
        reasons.setdefault(_name_place(error), []).append(_describe_reason(error))
    return [{"place": place, "reason": _join_reasons(found)} for place, found in reasons.items()]


def _name_place(error: Mapping[str, Any]) -> str:
    """Name a place without the validator's names for the types that it has tried there."""
    parts = list(error["loc"])
    if error["type"] == "union_tag_invalid":
        parts.append(error["ctx"]["discriminator"].strip("'"))
    names = (str(part)[:_PLACE_CHARACTERS] for part in parts)
    return ".".join(name for name in names if "[" not in name and name not in _TYPES)


def _describe_reason(error: Mapping[str, Any]) -> str:
    """Describe what is wrong in the validator's words; where these are about programs, in ours."""
    match error["type"]:
        case "model_attributes_type":
            return "Send a JSON object, as Content-Type: application/json"
        case "json_invalid":
            return f"This is not JSON: {error['ctx']['error']}"
        case "extra_forbidden":
            return "There is no such field"
    return str(error["msg"]).removeprefix("Value error, ")


def _join_reasons(reasons: Sequence[str]) -> str:
    """Join the reasons of one place, which takes values of several types."""
    first, *others = dict.fromkeys(reasons)
    return ", or ".join([first, *(reason.removeprefix("Input should be ") for reason in others)])
