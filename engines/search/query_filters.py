"""Read `product:server after:2024-01-01` in the text of a question as metadata filters."""

import difflib
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date

from llama_index.core.vector_stores.types import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
)

CONTAINED = ("path", "title", "media_type")  # a part of the value is enough
ALWAYS = (*CONTAINED, "language", "root")  # every chunk has them
_BOUNDS = {"after": FilterOperator.GTE, "before": FilterOperator.LT}
_DATES = ("date", "modified")
_NEAR = 0.8

# No part can match what another one ends with, so that a failure is found in one pass.
_FILTER = re.compile(
    r"(?<![^\s(])(?P<minus>-?)(?P<key>[^\W\d][\w-]{0,63}):"
    r"(?:\"(?P<straight>[^\"]+)\"|“(?P<curly>[^“”]+)”|«(?P<angled>[^«»]+)»"
    r"|(?P<bare>[^\s:/\"“«][^\s\"“”«»]*|/(?!/)[^\s\"“”«»]*))"
)
_LANGUAGE = re.compile("[a-z]{2}")
_DATE = re.compile(r"\d{4}(?:-\d{2}(?:-\d{2})?)?", re.ASCII)
_INTEGER = re.compile(r"-?\d{1,15}", re.ASCII)
_DECIMAL = re.compile(r"-?\d{0,15}\.\d{1,15}", re.ASCII)


@dataclass(frozen=True)
class Condition:
    """What one `key:value` asks for; `words` are searched for when nothing else is."""

    key: str
    filters: MetadataFilters
    words: str
    note: str


@dataclass(frozen=True)
class Filtered:
    """A question without its filters; without any other words, with their values."""

    text: str
    filters: MetadataFilters | None
    language: str
    notes: tuple[str, ...]


def remove_filters(question: str, filter_keys: Collection[str]) -> Filtered:
    """Take the filters out of a question.

    Values of one key are alternatives; all else must hold together.
    """
    keys = {*filter_keys, *ALWAYS}
    conditions: list[Condition] = []
    notes: dict[str, None] = {}

    def take_condition(found: re.Match[str]) -> str:
        condition = _read_condition(found, keys)
        if isinstance(condition, Condition):
            conditions.append(condition)
            bare = found["bare"] or ""
            return f" {bare[len(_strip_marks_of_sentence(bare)) :]}"
        notes.update(dict.fromkeys([condition] if condition else []))
        return found[0]

    text = " ".join(_FILTER.sub(take_condition, question).split())
    if conditions and not re.search(r"\w", text):
        text = " ".join(condition.words for condition in conditions if condition.words)
    return Filtered(
        text,
        _join_conditions(conditions),
        _find_asked_language(conditions),
        tuple(dict.fromkeys([*(condition.note for condition in conditions), *notes])),
    )


def _find_asked_language(conditions: Iterable[Condition]) -> str:
    """Return the language asked for, if it is a code: what else is typed goes into no log."""
    asked = {condition.words.lower() for condition in conditions if condition.key == "language"}
    language = asked.pop() if len(asked) == 1 else ""
    return language if _LANGUAGE.fullmatch(language) else ""


def _read_condition(found: re.Match[str], keys: Collection[str]) -> Condition | str:
    """Return what is meant; or why it stays text, "" when it is plainly text."""
    key, excluded = found["key"], bool(found["minus"])
    quoted = found["straight"] or found["curly"] or found["angled"]
    value = quoted.strip() if quoted else _strip_marks_of_sentence(found["bare"])
    if not value:
        return ""
    if key in _BOUNDS and key not in keys:
        if excluded and _is_date(value):
            opposite = "before" if key == "after" else "after"
            return f"after: and before: cannot be excluded; write {opposite}:{value:.40}"
        return _compare_dates(key, value, "date" if "date" in keys else "modified")
    same = [key] if key in keys else [name for name in keys if name.casefold() == key.casefold()]
    if len(same) != 1:
        near = difflib.get_close_matches(key, [*keys, *_BOUNDS], n=1, cutoff=_NEAR)
        return f"{key}: is no filter and stays text; did you mean {near[0]}:?" if near else ""
    [known] = same
    if known in _DATES and _DATE.fullmatch(value) and not excluded:
        return _match_period(known, value)
    return _match_value(known, value, excluded=excluded, quoted=found["bare"] is None)


def _strip_marks_of_sentence(bare: str) -> str:
    """Remove what ends a sentence behind a value, such as its question mark."""
    return bare.rstrip(".,;?!)")


def _compare_dates(word: str, value: str, key: str) -> Condition | str:
    if not _is_date(value):
        return f"{word}:{value:.40} stays text; a date is 2024, 2024-05 or 2024-05-31."
    when = f"{value} or later" if word == "after" else f"before {value}"
    note = f"Only documents whose {key} is {when} are searched."
    return Condition(key, _require_all(_make_filter(key, _BOUNDS[word], value)), "", note)


def _match_period(key: str, value: str) -> Condition:
    """Ask for the dates that begin with `value`.

    They are texts, of which 2024-05 is the beginning; `~` sorts behind all they go on with.
    """
    tests = (
        _make_filter(key, FilterOperator.GTE, value),
        _make_filter(key, FilterOperator.LT, f"{value}~"),
    )
    note = f"Only documents whose {key} begins with {value} are searched."
    return Condition(key, _require_all(*tests), "", note)


def _is_date(value: str) -> bool:
    if not _DATE.fullmatch(value):
        return False
    try:
        date.fromisoformat((value + "-01-01")[:10])
    except ValueError:
        return False
    return True


def _match_value(key: str, value: str, *, excluded: bool, quoted: bool) -> Condition:
    condition = FilterCondition.NOT if excluded else FilterCondition.OR
    filters = MetadataFilters(
        filters=list(_make_value_filters(key, value, quoted)), condition=condition
    )
    relation = "holds" if key in CONTAINED else "is"
    which = f"Only documents whose {key} {relation} {value!r:.80} are searched."
    if excluded:
        which = f"Documents whose {key} {relation} {value!r:.80} are left out."
    return Condition(key, filters, "" if excluded else value, which)


def _make_value_filters(key: str, value: str, quoted: bool) -> Iterable[MetadataFilter]:  # noqa: FBT001 - private
    if key in CONTAINED:
        return [_make_filter(key, FilterOperator.TEXT_MATCH_INSENSITIVE, value)]
    # Equality is of exact letters, and whoever asks seldom knows them.
    spellings = list(dict.fromkeys([value, value.lower(), value.capitalize(), value.upper()]))
    readings = [spellings, *([] if quoted else _read_numbers(value))]
    return [
        _make_filter(key, operator, reading)
        for reading in readings
        for operator in (FilterOperator.IN, FilterOperator.ANY)
    ]


def _read_numbers(value: str) -> list[list[int] | list[float]]:
    if value.lower() in ("true", "false"):
        return [[int(value.lower() == "true")]]
    if _INTEGER.fullmatch(value):
        return [[int(value)]]
    return [[float(value)]] if _DECIMAL.fullmatch(value) else []


def _make_filter(key: str, operator: FilterOperator, value: object) -> MetadataFilter:
    return MetadataFilter.from_dict({"key": key, "operator": operator, "value": value})


def _require_all(*tests: MetadataFilter | MetadataFilters) -> MetadataFilters:
    return MetadataFilters(filters=list(tests), condition=FilterCondition.AND)


def _join_conditions(conditions: Iterable[Condition]) -> MetadataFilters | None:
    by_key: dict[tuple[str, FilterCondition | None], list[MetadataFilter | MetadataFilters]] = {}
    for condition in conditions:
        group = by_key.setdefault((condition.key, condition.filters.condition), [])
        group.extend(condition.filters.filters)
    groups = [
        MetadataFilters(filters=filters, condition=relation)
        for (_, relation), filters in by_key.items()
    ]
    return _require_all(*groups) if groups else None
