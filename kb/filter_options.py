"""`--filter category=faq` as LlamaIndex's metadata filters."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from llama_index.core.vector_stores import MetadataFilters

_FILTER = re.compile(
    r"\s*(?P<key>[^=!<>~]*[^=!<>~\s])\s*(?P<operator>!=|>=|<=|==?|>|<|~)"
    r"\s*(?P<value>[^=<>~\s].*?)\s*",
    re.DOTALL,
)
_OPERATORS = {
    **dict.fromkeys(("=", "==", "!="), ("==", "contains")),  # lists match by what they hold
    "~": ("text_match_insensitive",),
}


class Comparison(NamedTuple):
    key: str
    operator: str
    value: str


def parse_filter(text: str) -> Comparison | None:
    found = _FILTER.fullmatch(text)
    return Comparison(**found.groupdict()) if found else None


def metadata_filters(filters: Iterable[str]) -> "MetadataFilters | None":
    """Make filters of which all must match; None when there are none."""
    from llama_index.core.vector_stores import MetadataFilters  # noqa: PLC0415 - `kb --help` is quick

    conditions = [_make_condition(found) for text in filters if (found := parse_filter(text))]
    return MetadataFilters(filters=list(conditions)) if conditions else None


def _make_condition(comparison: Comparison) -> "MetadataFilters":
    from llama_index.core.vector_stores import FilterCondition, MetadataFilter, MetadataFilters  # noqa: PLC0415 - `kb --help` is quick

    key, operator, text = comparison
    values = [text] if operator == "~" else _list_readings(text)
    tests = [
        MetadataFilter.from_dict({"key": key, "operator": name, "value": value})
        for name in _OPERATORS.get(operator, (operator,))
        for value in values
    ]
    condition = FilterCondition.NOT if operator == "!=" else FilterCondition.OR
    return MetadataFilters(filters=list(tests), condition=condition)


def _list_readings(text: str) -> list[str | float]:
    """List what a value may mean: 2 the text and the number, "2" in quotes only the text."""
    if len(text) > 1 and text[0] == text[-1] == '"':
        return [text[1:-1]]
    if text in ("true", "false"):
        return [text, int(text == "true")]
    if re.fullmatch(r"-?\d+", text):
        return [text, int(text)]
    if re.fullmatch(r"-?\d*\.\d+", text):
        return [text, float(text)]
    return [text]
