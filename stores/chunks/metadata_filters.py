"""MetadataFilters -> a WHERE clause and its bound values; pure, no database.

The operators mean what LlamaIndex's own in-memory filter means by them: typed comparison, a
missing key fails every operator but NE, NIN and IS_EMPTY, NOT keeps what none of its filters match.
"""

import json
import math
import re
import zlib
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from llama_index.core.vector_stores import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
)

from stores.errors import UnsupportedFilter

INDEXED_CHARACTERS = 190
_AS_TEXT = "COLLATE utf8mb4_uca1400_ai_ci"  # the chunk table's own, for words that people read
_EXACT_DOUBLES = 2**53
_COMPARISONS = {
    FilterOperator.GT: ">",
    FilterOperator.GTE: ">=",
    FilterOperator.LT: "<",
    FilterOperator.LTE: "<=",
}
Scalar = str | int | float


def json_path(key: str) -> str:
    """The JSON path of one top-level metadata key, whatever characters it holds."""
    return f"$.{json.dumps(key, ensure_ascii=False)}"


def filter_column(key: str) -> str:
    """The generated column that indexes a declared filter key.

    Names of columns do not tell upper from lower case, but keys do.
    """
    if key == key.lower():
        return f"f_{key}"
    return f"f_{key.lower()}${zlib.crc32(key.encode()):x}"


@dataclass
class Where:
    """Conditions joined by AND, with the values that they bind."""

    filter_keys: Collection[str] = ()
    conditions: list[str] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return " AND ".join(self.conditions) or "TRUE"

    def __bool__(self) -> bool:
        return bool(self.conditions)

    def bind(self, value: Any) -> str:
        name = f"w{len(self.values)}"
        self.values[name] = value
        return f":{name}"

    def any_of(self, column: str, values: Iterable[str | int]) -> None:
        """Require that a column holds one of these values."""
        self.conditions.append(f"{column} IN ({', '.join(map(self.bind, values))})")

    def copy(self) -> "Where":
        return Where(self.filter_keys, [*self.conditions], {**self.values})

    def keys(self, seqs: Iterable[int]) -> None:
        """Require one of these keys of chunks, however many they are."""
        columns = "COLUMNS (listed INT UNSIGNED PATH '$')"
        rows = f"JSON_TABLE({self.bind(json.dumps(list(seqs)))}, '$[*]' {columns}) AS listing"
        self.conditions.append(f"seq IN (SELECT listed FROM {rows})")  # noqa: S608 - names only; the keys are bound

    def containing(self, phrase: str) -> None:
        """Require these words beside each other, whatever their case and the space between.

        They may stand in the text, or in the title or the headings above it.
        """
        pattern = self.bind(r"\s+".join(map(re.escape, phrase.split())))
        above = (f"JSON_VALUE(metadata, '$.{key}') {_AS_TEXT}" for key in ("title", "headings"))
        tests = (f"IFNULL({place} REGEXP {pattern}, FALSE)" for place in ("text", *above))
        self.conditions.append(f"({' OR '.join(tests)})")

    def matching(self, filters: MetadataFilters | None) -> None:
        """Require what the filters require. Raises UnsupportedFilter for what has no meaning."""
        if filters and (condition := _group(filters, self)):
            self.conditions.append(condition)


@dataclass(frozen=True)
class _Key:
    """SQL expressions over one metadata key."""

    name: str
    path: str
    where: Where

    @property
    def json(self) -> str:
        return f"JSON_EXTRACT(metadata, {self.path})"

    @property
    def type(self) -> str:
        return f"JSON_TYPE({self.json})"

    @property
    def text(self) -> str:
        return f"JSON_VALUE(metadata, {self.path}) COLLATE utf8mb4_nopad_bin"

    def number(self, like: float) -> str:
        """A number in doubles; where those are too coarse for an integer, in decimals."""
        value = f"JSON_VALUE(metadata, {self.path})"
        if _is_coarse(like):
            return f"CAST({value} AS DECIMAL(65, 0))"
        return f"({value} + 0e0)"

    @property
    def is_string(self) -> str:
        return f"{self.type} = 'STRING'"

    @property
    def is_number(self) -> str:
        return f"{self.type} IN ('INTEGER', 'DOUBLE', 'BOOLEAN')"

    @property
    def is_array(self) -> str:
        return f"{self.type} = 'ARRAY'"


def _is_coarse(number: float) -> bool:
    """Whether doubles do not tell this integer from its neighbours."""
    return isinstance(number, int) and abs(number) >= _EXACT_DOUBLES


def _group(filters: MetadataFilters, where: Where) -> str:
    parts = [part for part in (_condition(each, where) for each in filters.filters) if part]
    if not parts:
        return ""
    if filters.condition is FilterCondition.NOT:
        return f"NOT ({' OR '.join(parts)})"
    word = " OR " if filters.condition is FilterCondition.OR else " AND "
    return f"({word.join(parts)})"


def _condition(each: MetadataFilter | MetadataFilters, where: Where) -> str:
    if isinstance(each, MetadataFilters):
        return _group(each, where)
    _check_value(each)
    key = _Key(each.key, where.bind(json_path(each.key)), where)
    return _TESTS[each.operator](key, each)


def _known(test: str) -> str:
    """Two-valued: NULL, as of a missing key, is false."""
    return f"IFNULL({test}, FALSE)"


def _equal(key: _Key, each: MetadataFilter) -> str:
    if each.value is None:
        return "FALSE"
    if isinstance(each.value, list):
        return _known(f"{key.is_array} AND JSON_EQUALS({key.json}, {_json(each.value, key)})")
    return _equals(key, each.value)


def _equals(key: _Key, value: Scalar) -> str:
    if key.name not in key.where.filter_keys:
        return _equals_stored(key, value)
    if isinstance(value, str):
        tagged, exact = (
            key.where.bind(f"s{value}"[:INDEXED_CHARACTERS]),
            len(value) < INDEXED_CHARACTERS,
        )
    else:
        tagged, exact = f"CONCAT('n', {key.where.bind(value)} + 0e0)", not _is_coarse(value)
    indexed = f"`{filter_column(key.name)}` <=> {tagged}"
    return indexed if exact else f"({indexed} AND {_equals_stored(key, value)})"


def _equals_stored(key: _Key, value: Scalar) -> str:
    bound = key.where.bind(value)
    if isinstance(value, str):
        return _known(f"{key.text} = {bound} AND {key.is_string}")
    return _known(f"{key.is_number} AND {key.number(value)} = {bound}")


def _compare(key: _Key, each: MetadataFilter) -> str:
    sign = _COMPARISONS[each.operator]
    if isinstance(each.value, str):
        return _known(f"{key.is_string} AND {key.text} {sign} {key.where.bind(each.value)}")
    if isinstance(each.value, int | float):
        number = key.number(each.value)
        return _known(f"{key.is_number} AND {number} {sign} {key.where.bind(each.value)}")
    raise _unsupported(each, "a number or a string")


def _in(key: _Key, each: MetadataFilter) -> str:
    values = _list(each)
    return f"({' OR '.join(_equals(key, value) for value in values)})" if values else "FALSE"


def _contains(key: _Key, each: MetadataFilter) -> str:
    if each.value is None or isinstance(each.value, list):
        raise _unsupported(each, "one string or number")
    return _overlaps(key, [each.value])


def _any(key: _Key, each: MetadataFilter) -> str:
    return _overlaps(key, _list(each))


def _all(key: _Key, each: MetadataFilter) -> str:
    tests = [_known(key.is_array), *(_overlaps(key, [value]) for value in _list(each))]
    return f"({' AND '.join(tests)})"


def _overlaps(key: _Key, values: list[Scalar]) -> str:
    """JSON_OVERLAPS, because JSON_CONTAINS also looks inside nested arrays."""
    return _known(f"{key.is_array} AND JSON_OVERLAPS({key.json}, {_json(values, key)})")


def _text_match(key: _Key, each: MetadataFilter) -> str:
    if not isinstance(each.value, str):
        return "FALSE"
    return _known(f"LOCATE({key.where.bind(each.value)}, {key.text}) > 0 AND {key.is_string}")


def _text_match_insensitive(key: _Key, each: MetadataFilter) -> str:
    if not isinstance(each.value, str):
        return "FALSE"
    needle = f"LOWER({key.where.bind(each.value)})"
    return _known(f"LOCATE({needle}, LOWER({key.text})) > 0 AND {key.is_string}")


def _is_empty(key: _Key, _each: MetadataFilter) -> str:
    return _known(
        f"({key.json} IS NULL OR {key.type} = 'NULL' OR ({key.is_string} AND {key.text} = '')"
        f" OR ({key.is_array} AND JSON_LENGTH({key.json}) = 0))"
    )


def _not(test: Callable[[_Key, MetadataFilter], str]) -> Callable[[_Key, MetadataFilter], str]:
    return lambda key, each: f"NOT {test(key, each)}"


_TESTS: dict[FilterOperator, Callable[[_Key, MetadataFilter], str]] = {
    FilterOperator.EQ: _equal,
    FilterOperator.NE: _not(_equal),
    FilterOperator.IN: _in,
    FilterOperator.NIN: _not(_in),
    FilterOperator.CONTAINS: _contains,
    FilterOperator.ANY: _any,
    FilterOperator.ALL: _all,
    FilterOperator.TEXT_MATCH: _text_match,
    FilterOperator.TEXT_MATCH_INSENSITIVE: _text_match_insensitive,
    FilterOperator.IS_EMPTY: _is_empty,
    **dict.fromkeys(_COMPARISONS, _compare),
}


def _check_value(each: MetadataFilter) -> None:
    for value in (each.key, *(each.value if isinstance(each.value, list) else [each.value])):
        if isinstance(value, float) and not math.isfinite(value):
            raise _unsupported(each, "finite numbers")
        if isinstance(value, str) and not value.isprintable():
            _check_unicode(value, each)


def _check_unicode(value: str, each: MetadataFilter) -> None:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise _unsupported(each, "text without lone surrogates") from error


def _list(each: MetadataFilter) -> list[Scalar]:
    if isinstance(each.value, list):
        return list(each.value)
    raise _unsupported(each, "a list of strings or numbers")


def _json(values: list[Any], key: _Key) -> str:
    return key.where.bind(json.dumps(values, ensure_ascii=False))


def _unsupported(each: MetadataFilter, expected: str) -> UnsupportedFilter:
    return UnsupportedFilter(
        f"The filter on {each.key!r} with operator {each.operator.value!r} has the value "
        f"{each.value!r}; it takes {expected}."
    )
