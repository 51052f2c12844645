"""MetadataFilters -> conditions of a WHERE clause; pure, no database.

The operators mean what LlamaIndex's own in-memory filter means by them: typed comparison, a
missing key fails every operator but NE, NIN and IS_EMPTY, NOT keeps what none of its filters match.
"""

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, assert_never

from llama_index.core.vector_stores import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
)

from stores.chunks.field_filter import MOMENT, OFFSET, WALL_CLOCK, FieldFilter
from stores.chunks.filter_terms import find_terms
from stores.chunks.where import INDEXED_CHARACTERS, Where, name_filter_column, to_json_path
from stores.errors import UnsupportedFilter

_EXACT_DOUBLES = 2**53
Scalar = str | int | float


def require_filters(where: Where, filters: MetadataFilters | None) -> None:
    """Require what the filters require. Raises UnsupportedFilter for what has no meaning."""
    if filters and (condition := _write_group(filters, where)):
        where.conditions.append(condition)
        where.terms = find_terms(filters)


@dataclass(frozen=True)
class _Key:
    """SQL expressions over one metadata key, or a column: as JSON, and as a value of its own."""

    name: str
    json: str
    value: str
    where: Where

    @property
    def is_indexed(self) -> bool:
        return self.name in self.where.filter_keys

    @property
    def type(self) -> str:
        return f"JSON_TYPE({self.json})"

    @property
    def text(self) -> str:
        return f"{self.value} COLLATE utf8mb4_nopad_bin"

    def number(self, like: float) -> str:
        """A number in doubles; where those are too coarse for an integer, in decimals."""
        if _is_coarse(like):
            return f"CAST({self.value} AS DECIMAL(65, 0))"
        return f"({self.value} + 0e0)"

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
    key = _make_key(wanted, where)
    if isinstance(wanted, FieldFilter) and wanted.moment:
        return _compare_moments(key, wanted, wanted.moment)
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


def _make_key(wanted: MetadataFilter, where: Where) -> _Key:
    name, path = wanted.key, [wanted.key]
    if isinstance(wanted, FieldFilter):
        if wanted.place != "metadata":
            return _Key("", f"JSON_QUOTE({wanted.place})", wanted.place, where)
        name, path = "", [*wanted.path]
    bound = where.bind("$" + "".join(to_json_path(key).removeprefix("$") for key in path))
    return _Key(name, f"JSON_EXTRACT(metadata, {bound})", f"JSON_VALUE(metadata, {bound})", where)


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
    if not key.is_indexed:
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


def _compare_moments(key: _Key, wanted: MetadataFilter, moment: datetime) -> str:
    """Compare strings that are moments with one, by the wall clock where that has no offset."""
    signs = {
        FilterOperator.EQ: "=",
        FilterOperator.GT: ">",
        FilterOperator.GTE: ">=",
        FilterOperator.LT: "<",
        FilterOperator.LTE: "<=",
    }
    if wanted.operator not in signs:
        raise UnsupportedFilter(
            f"The filter on {wanted.key!r} compares moments by {wanted.operator.value!r}; there "
            f"are {', '.join(signs)}."
        )
    bind = key.where.bind
    wall_clock = f"CAST(REGEXP_SUBSTR({key.text}, {bind(WALL_CLOCK)}) AS DATETIME(6))"
    ahead, minutes = moment.utcoffset(), "0"
    if ahead is not None:
        moment, minutes = moment.astimezone(UTC), _read_offset(key, ahead)
    # Compared as it is, what is no date, as 2020-02-31, would be less than any.
    found = f"({wall_clock} - INTERVAL {minutes} MINUTE)"
    is_moment = f"{key.is_string} AND {key.text} REGEXP {bind(MOMENT)}"
    sought = f"CAST({bind(moment.replace(tzinfo=None).isoformat(' '))} AS DATETIME(6))"
    return _null_to_false(f"{is_moment} AND {found} {signs[wanted.operator]} {sought}")


def _read_offset(key: _Key, assumed: timedelta) -> str:
    """The minutes that a string's clock is ahead of UTC; without an offset, `assumed`."""
    offset = f"REGEXP_SUBSTR({key.text}, {key.where.bind(OFFSET)})"
    minutes = f"(SUBSTR({offset}, 2, 2) * 60 + RIGHT({offset}, 2))"
    otherwise = key.where.bind(int(assumed.total_seconds()) // 60)
    return (
        f"CASE LEFT({offset}, 1) WHEN '' THEN {otherwise} WHEN 'Z' THEN 0"
        f" WHEN '+' THEN {minutes} ELSE -{minutes} END"
    )


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
