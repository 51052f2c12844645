"""`product:server after:2024-01-01` in the text of a question as metadata filters; pure."""

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


def without_filters(question: str, filter_keys: Collection[str]) -> Filtered:
    """Values of one key are alternatives; all else must hold together."""
    keys = {*filter_keys, *ALWAYS}
    conditions: list[Condition] = []
    notes: dict[str, None] = {}

    def taken(found: re.Match[str]) -> str:
        condition = _condition(found, keys)
        if isinstance(condition, Condition):
            conditions.append(condition)
            return f" {_trailing(found)}"
        notes.update(dict.fromkeys([condition] if condition else []))
        return found[0]

    text = " ".join(_FILTER.sub(taken, question).split())
    if conditions and not re.search(r"\w", text):
        text = " ".join(each.words for each in conditions if each.words)
    return Filtered(
        text,
        _joined(conditions),
        _language(conditions),
        tuple(dict.fromkeys([*(each.note for each in conditions), *notes])),
    )


def _language(conditions: Iterable[Condition]) -> str:
    """The one that is asked for, if it is a code: what else is typed there goes into no log."""
    asked = {each.words.lower() for each in conditions if each.key == "language"}
    language = asked.pop() if len(asked) == 1 else ""
    return language if _LANGUAGE.fullmatch(language) else ""


def _condition(found: re.Match[str], keys: Collection[str]) -> Condition | str:
    """What is meant; or why it stays text, "" when it is plainly text."""
    key, value, excluded = found["key"], _value(found), bool(found["minus"])
    if not value:
        return ""
    if key in _BOUNDS and key not in keys and not excluded:
        return _bound(key, value, "date" if "date" in keys else "modified")
    known = key if key in keys else _same_letters(key, keys)
    if not known:
        return _near(key, keys)
    if known in _DATES and _DATE.fullmatch(value) and not excluded:
        return _within(known, value)
    return _equal(known, value, excluded=excluded, quoted=found["bare"] is None)


def _value(found: re.Match[str]) -> str:
    quoted = found["straight"] or found["curly"] or found["angled"]
    return quoted.strip() if quoted else _stripped(found["bare"])


def _stripped(bare: str) -> str:
    return bare.rstrip(".,;?!)")


def _trailing(found: re.Match[str]) -> str:
    """Marks of the sentence behind a value, such as its question mark."""
    bare = found["bare"] or ""
    return bare[len(_stripped(bare)) :]


def _same_letters(key: str, keys: Collection[str]) -> str:
    same = [each for each in keys if each.casefold() == key.casefold()]
    return same[0] if len(same) == 1 else ""


def _near(key: str, keys: Collection[str]) -> str:
    near = difflib.get_close_matches(key, [*keys, *_BOUNDS], n=1, cutoff=_NEAR)
    return f"{key}: is no filter and stays text; did you mean {near[0]}:?" if near else ""


def _bound(word: str, value: str, key: str) -> Condition | str:
    if not _is_date(value):
        return f"{word}:{value:.40} stays text; a date is 2024, 2024-05 or 2024-05-31."
    when = f"{value} or later" if word == "after" else f"before {value}"
    note = f"Only documents whose {key} is {when} are searched."
    return Condition(key, _all(_test(key, _BOUNDS[word], value)), "", note)


def _within(key: str, value: str) -> Condition:
    """Dates are texts, of which 2024-05 is the beginning; `~` sorts behind all they go on with."""
    tests = (
        _test(key, FilterOperator.GTE, value),
        _test(key, FilterOperator.LT, f"{value}~"),
    )
    note = f"Only documents whose {key} begins with {value} are searched."
    return Condition(key, _all(*tests), "", note)


def _is_date(value: str) -> bool:
    if not _DATE.fullmatch(value):
        return False
    try:
        date.fromisoformat((value + "-01-01")[:10])
    except ValueError:
        return False
    return True


def _equal(key: str, value: str, *, excluded: bool, quoted: bool) -> Condition:
    condition = FilterCondition.NOT if excluded else FilterCondition.OR
    filters = MetadataFilters(filters=list(_tests(key, value, quoted)), condition=condition)
    relation = "holds" if key in CONTAINED else "is"
    which = f"Only documents whose {key} {relation} {value!r:.80} are searched."
    if excluded:
        which = f"Documents whose {key} {relation} {value!r:.80} are left out."
    return Condition(key, filters, "" if excluded else value, which)


def _tests(key: str, value: str, quoted: bool) -> Iterable[MetadataFilter]:  # noqa: FBT001 - private
    if key in CONTAINED:
        return [_test(key, FilterOperator.TEXT_MATCH_INSENSITIVE, value)]
    readings = [_spellings(value), *([] if quoted else _numbers(value))]
    return [
        _test(key, operator, reading)
        for reading in readings
        for operator in (FilterOperator.IN, FilterOperator.ANY)
    ]


def _spellings(value: str) -> list[str]:
    """Equality is of exact letters, and whoever asks seldom knows them."""
    return list(dict.fromkeys([value, value.lower(), value.capitalize(), value.upper()]))


def _numbers(value: str) -> list[list[int] | list[float]]:
    if value.lower() in ("true", "false"):
        return [[int(value.lower() == "true")]]
    if _INTEGER.fullmatch(value):
        return [[int(value)]]
    return [[float(value)]] if _DECIMAL.fullmatch(value) else []


def _test(key: str, operator: FilterOperator, value: object) -> MetadataFilter:
    return MetadataFilter.from_dict({"key": key, "operator": operator, "value": value})


def _all(*tests: MetadataFilter | MetadataFilters) -> MetadataFilters:
    return MetadataFilters(filters=list(tests), condition=FilterCondition.AND)


def _joined(conditions: Iterable[Condition]) -> MetadataFilters | None:
    by_key: dict[tuple[str, FilterCondition | None], list[MetadataFilter | MetadataFilters]] = {}
    for each in conditions:
        by_key.setdefault((each.key, each.filters.condition), []).extend(each.filters.filters)
    groups = [
        MetadataFilters(filters=tests, condition=condition)
        for (_, condition), tests in by_key.items()
    ]
    return _all(*groups) if groups else None
