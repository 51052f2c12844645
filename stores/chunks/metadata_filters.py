"""MetadataFilters -> a WHERE clause and its bound values; pure, no database.

The operators mean what LlamaIndex's own in-memory filter means by them: typed comparison, a
missing key fails every operator but NE, NIN and IS_EMPTY, NOT keeps what none of its filters match.
"""

import json
import math
import re
import zlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, assert_never

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
_CUTTING = re.compile(r"[.\[\]*\"'\\\x00-\x1f]")
Scalar = str | int | float


def to_json_path(key: str) -> str:
    """Write the JSON path of one top-level metadata key. Raises UnsupportedFilter.

    MariaDB 11.8 finds no key behind `$."-`, but one behind `$.-`, where some characters cut it.
    """
    if not key.startswith("-"):
        return f"$.{json.dumps(key, ensure_ascii=False)}"
    if _CUTTING.search(key):
        raise UnsupportedFilter(
            f"The filter key {key!r} begins with - and holds a dot, a bracket, a star or a quote: "
            "MariaDB cannot look for it. Name it otherwise."
        )
    return f"$.{key}"


def name_filter_column(key: str) -> str:
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

    def require_any(self, column: str, values: Iterable[str | int]) -> None:
        """Require that a column holds one of these values."""
        self.conditions.append(f"{column} IN ({', '.join(map(self.bind, values))})")

    def copy(self) -> "Where":
        return Where(self.filter_keys, [*self.conditions], {**self.values})

    def require_keys(self, seqs: Iterable[int]) -> None:
        """Require one of these keys of chunks, however many they are."""
        columns = "COLUMNS (listed INT UNSIGNED PATH '$')"
        rows = f"JSON_TABLE({self.bind(json.dumps(list(seqs)))}, '$[*]' {columns}) AS listing"
        self.conditions.append(f"seq IN (SELECT listed FROM {rows})")  # noqa: S608 - names only; the keys are bound

    def require_phrase(self, phrase: str) -> None:
        """Require these words beside each other, whatever their case and the space between.

        They may stand in the text, or in the title or the headings above it.
        """
        pattern = self.bind(r"\s+".join(map(re.escape, phrase.split())))
        above = (f"JSON_VALUE(metadata, '$.{key}') {_AS_TEXT}" for key in ("title", "headings"))
        tests = (f"IFNULL({place} REGEXP {pattern}, FALSE)" for place in ("text", *above))
        self.conditions.append(f"({' OR '.join(tests)})")

    def require_filters(self, filters: MetadataFilters | None) -> None:
        """Require what the filters require. Raises UnsupportedFilter for what has no meaning."""
        if filters and (condition := _write_group(filters, self)):
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


def _write_group(filters: MetadataFilters, where: Where) -> str:
    parts = [part for part in (_write_condition(part, where) for part in filters.filters) if part]
    if not parts:
        return ""
    if not isinstance(filters.condition, FilterCondition | None):
        known = ", ".join(FilterCondition)
        raise UnsupportedFilter(f"Filters are joined by {known}, not by {filters.condition!r}.")
    match filters.condition:
        case FilterCondition.AND | None:
            return f"({' AND '.join(parts)})"
        case FilterCondition.OR:
            return f"({' OR '.join(parts)})"
        case FilterCondition.NOT:
            return f"NOT ({' OR '.join(parts)})"
        case _:
            assert_never(filters.condition)


def _write_condition(  # noqa: C901, PLR0911, PLR0912 - one case for each operator
    wanted: MetadataFilter | MetadataFilters, where: Where
) -> str:
    if isinstance(wanted, MetadataFilters):
        return _write_group(wanted, where)
    if not isinstance(wanted.operator, FilterOperator):
        known = ", ".join(FilterOperator)
        raise UnsupportedFilter(
            f"The filter on {wanted.key!r} has the operator {wanted.operator!r}; there are {known}."
        )
    _check_value(wanted)
    key = _Key(wanted.key, where.bind(to_json_path(wanted.key)), where)
    match wanted.operator:
        case FilterOperator.EQ:
            return _test_equality(key, wanted)
        case FilterOperator.NE:
            return f"NOT {_test_equality(key, wanted)}"
        case FilterOperator.GT:
            return _compare(key, ">", wanted)
        case FilterOperator.GTE:
            return _compare(key, ">=", wanted)
        case FilterOperator.LT:
            return _compare(key, "<", wanted)
        case FilterOperator.LTE:
            return _compare(key, "<=", wanted)
        case FilterOperator.IN:
            return _test_membership(key, wanted)
        case FilterOperator.NIN:
            return f"NOT {_test_membership(key, wanted)}"
        case FilterOperator.CONTAINS:
            return _test_containing(key, wanted)
        case FilterOperator.ANY:
            return _test_overlap(key, _require_list(wanted))
        case FilterOperator.ALL:
            overlaps = (_test_overlap(key, [value]) for value in _require_list(wanted))
            return f"({' AND '.join([_null_to_false(key.is_array), *overlaps])})"
        case FilterOperator.TEXT_MATCH:
            return _find_text(key, wanted)
        case FilterOperator.TEXT_MATCH_INSENSITIVE:
            return _find_text_in_any_case(key, wanted)
        case FilterOperator.IS_EMPTY:
            return _test_emptiness(key)
        case _:
            assert_never(wanted.operator)


def _null_to_false(test: str) -> str:
    """Two-valued: NULL, as of a missing key, is false."""
    return f"IFNULL({test}, FALSE)"


def _test_equality(key: _Key, wanted: MetadataFilter) -> str:
    if wanted.value is None:
        return "FALSE"
    if isinstance(wanted.value, list):
        return _null_to_false(
            f"{key.is_array} AND JSON_EQUALS({key.json}, {_bind_json(wanted.value, key)})"
        )
    return _test_value(key, wanted.value)


def _test_value(key: _Key, value: Scalar) -> str:
    if key.name not in key.where.filter_keys:
        return _test_stored_value(key, value)
    if isinstance(value, str):
        tagged, exact = (
            key.where.bind(f"s{value}"[:INDEXED_CHARACTERS]),
            len(value) < INDEXED_CHARACTERS,
        )
    else:
        tagged, exact = f"CONCAT('n', {key.where.bind(value)} + 0e0)", not _is_coarse(value)
    indexed = f"`{name_filter_column(key.name)}` <=> {tagged}"
    return indexed if exact else f"({indexed} AND {_test_stored_value(key, value)})"


def _test_stored_value(key: _Key, value: Scalar) -> str:
    bound = key.where.bind(value)
    if isinstance(value, str):
        return _null_to_false(f"{key.text} = {bound} AND {key.is_string}")
    return _null_to_false(f"{key.is_number} AND {key.number(value)} = {bound}")


def _compare(key: _Key, sign: str, wanted: MetadataFilter) -> str:
    if isinstance(wanted.value, str):
        return _null_to_false(
            f"{key.is_string} AND {key.text} {sign} {key.where.bind(wanted.value)}"
        )
    if isinstance(wanted.value, int | float):
        number = key.number(wanted.value)
        return _null_to_false(f"{key.is_number} AND {number} {sign} {key.where.bind(wanted.value)}")
    raise _refuse_value(wanted, "a number or a string")


def _test_membership(key: _Key, wanted: MetadataFilter) -> str:
    values = _require_list(wanted)
    return f"({' OR '.join(_test_value(key, value) for value in values)})" if values else "FALSE"


def _test_containing(key: _Key, wanted: MetadataFilter) -> str:
    if wanted.value is None or isinstance(wanted.value, list):
        raise _refuse_value(wanted, "one string or number")
    return _test_overlap(key, [wanted.value])


def _test_overlap(key: _Key, values: list[Scalar]) -> str:
    """Test whether an array holds one of the values.

    By JSON_OVERLAPS, because JSON_CONTAINS also looks inside nested arrays; it compares numbers as
    doubles, so integers that these do not tell apart are compared as decimals.
    """
    coarse = [value for value in values if not isinstance(value, str) and _is_coarse(value)]
    fine = [value for value in values if isinstance(value, str) or not _is_coarse(value)]
    tests = [f"JSON_OVERLAPS({key.json}, {_bind_json(fine, key)})"] if fine or not coarse else []
    items = f"JSON_TABLE({key.json}, '$[*]' COLUMNS (item JSON PATH '$')) AS items"
    for value in coarse:
        equal = f"CAST(item AS DECIMAL(65, 0)) = {key.where.bind(value)}"
        test = f"JSON_TYPE(item) = 'INTEGER' AND {equal}"
        tests.append(f"EXISTS (SELECT 1 FROM {items} WHERE {test})")  # noqa: S608 - names only
    return _null_to_false(f"{key.is_array} AND ({' OR '.join(tests)})")


def _find_text(key: _Key, wanted: MetadataFilter) -> str:
    if not isinstance(wanted.value, str):
        return "FALSE"
    return _null_to_false(
        f"LOCATE({key.where.bind(wanted.value)}, {key.text}) > 0 AND {key.is_string}"
    )


def _find_text_in_any_case(key: _Key, wanted: MetadataFilter) -> str:
    if not isinstance(wanted.value, str):
        return "FALSE"
    needle = f"LOWER({key.where.bind(wanted.value)})"
    return _null_to_false(f"LOCATE({needle}, LOWER({key.text})) > 0 AND {key.is_string}")


def _test_emptiness(key: _Key) -> str:
    return _null_to_false(
        f"({key.json} IS NULL OR {key.type} = 'NULL' OR ({key.is_string} AND {key.text} = '')"
        f" OR ({key.is_array} AND JSON_LENGTH({key.json}) = 0))"
    )


def _check_value(wanted: MetadataFilter) -> None:
    for value in (
        wanted.key,
        *(wanted.value if isinstance(wanted.value, list) else [wanted.value]),
    ):
        if isinstance(value, float) and not math.isfinite(value):
            raise _refuse_value(wanted, "finite numbers")
        if isinstance(value, str) and not value.isprintable():
            _check_unicode(value, wanted)


def _check_unicode(value: str, wanted: MetadataFilter) -> None:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise _refuse_value(wanted, "text without lone surrogates") from error


def _require_list(wanted: MetadataFilter) -> list[Scalar]:
    if isinstance(wanted.value, list):
        return list(wanted.value)
    raise _refuse_value(wanted, "a list of strings or numbers")


def _bind_json(values: list[Any], key: _Key) -> str:
    return key.where.bind(json.dumps(values, ensure_ascii=False))


def _refuse_value(wanted: MetadataFilter, expected: str) -> UnsupportedFilter:
    return UnsupportedFilter(
        f"The filter on {wanted.key!r} with operator {wanted.operator.value!r} has the value "
        f"{wanted.value!r}; it takes {expected}."
    )
