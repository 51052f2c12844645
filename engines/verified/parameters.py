"""What the parameters of a verified query stand for in its SQL, as sqlglot reads it."""

import re
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Final, Literal, TypeAlias

import sqlglot
from babel import Locale, numbers
from sqlglot import exp

from engines.tables.parser_log import silence_parser
from stores.binding import list_parameters
from stores.errors import EngineError
from stores.table_names import quote_name
from stores.values import Value
from stores.verified_queries import VerifiedQuery

Kind: TypeAlias = Literal[
    "year", "month", "date", "limit", "number", "bound", "name", "country", "fixed"
]
_COMPARISONS: Final[dict[type[exp.Expr], str]] = {
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
}
_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
CURRENCY_SIGN: Final = "[$\u00a2-\u00a5\u20a0-\u20cf]"
UNIT_SIGN: Final = rf"(?:[%\u2030]|{CURRENCY_SIGN})"
_COUNTRY_COLUMNS = ("country", "pays", "nation")


@dataclass(frozen=True)
class Column:
    """`source` is SQL for what may stand behind FROM: a table, or the joined ones of a SELECT."""

    source: str
    name: str


@dataclass(frozen=True)
class Parameter:
    """`bound` is compared by `comparison`; `name` and `country` are values of `column`.

    `signs` are the %, € and the like that may stand beside a number: those that its query has.
    What is `fixed` cannot be recognised in a question and keeps its default.
    """

    name: str
    kind: Kind
    default: Value
    column: Column | None = None
    comparison: str = ""
    signs: frozenset[str] = frozenset()


def read_parameters(query: VerifiedQuery) -> list[Parameter]:
    """Return what every parameter stands for, in the order of the SQL.

    Raises EngineError when the SQL cannot be read or binds what has no default.
    """
    names = list_parameters(query.sql)
    if set(names) != set(query.parameters):
        odd = ", ".join(sorted(set(names) ^ set(query.parameters)))
        raise EngineError(
            f"The verified query {query.name!r} binds other parameters than it declares: {odd}. "
            "Give each :name of the SQL a value under `parameters`, and no other."
        )
    places, signs = _find_placeholders(query), _find_signs(query)
    parameters = []
    for name in names:
        default = query.parameters[name]
        readings = {_read_parameter(name, default, place) for place in places.get(name, [])}
        is_clear = len(readings) == 1
        parameter = readings.pop() if is_clear else Parameter(name, "fixed", default)
        parameters.append(replace(parameter, signs=signs))
    return parameters


def _find_signs(query: VerifiedQuery) -> frozenset[str]:
    """Return the signs of units that a query's columns count in, or that its wordings have."""
    units = [
        numbers.get_currency_symbol(unit, "en") if numbers.is_currency(unit) else unit
        for unit in query.units.values()
    ]
    texts = [query.question, *query.wordings, *units]
    return frozenset(sign for text in texts for sign in re.findall(UNIT_SIGN, text))


def _find_placeholders(query: VerifiedQuery) -> dict[str, list[exp.Placeholder]]:
    try:
        with silence_parser():
            parsed = sqlglot.parse_one(query.sql, read="mysql")
    except (sqlglot.errors.SqlglotError, RecursionError) as error:
        raise EngineError(
            f"The SQL of the verified query {query.name!r} cannot be read."
        ) from error
    places: dict[str, list[exp.Placeholder]] = {}
    for place in parsed.find_all(exp.Placeholder):
        places.setdefault(place.name, []).append(place)
    return places


def _read_parameter(name: str, default: Value, place: exp.Placeholder) -> Parameter:
    parent = place.parent
    if isinstance(parent, exp.Limit):
        return Parameter(name, "limit", default)
    if isinstance(parent, exp.EQ):
        return _read_equality(name, default, parent.right if parent.left is place else parent.left)
    if isinstance(parent, exp.Binary) and isinstance(default, int | float | Decimal):
        comparison = _COMPARISONS.get(type(parent), "")
        written = comparison if parent.right is place else _FLIPPED.get(comparison, "")
        return Parameter(name, "bound" if written else "fixed", default, comparison=written)
    return Parameter(name, "fixed", default)


def _read_equality(name: str, default: Value, other: exp.Expr) -> Parameter:
    match other:
        case exp.Year():
            return Parameter(name, "year", default)
        case exp.Month():
            return Parameter(name, "month", default)
        case exp.Column() if isinstance(default, str) and (column := _resolve_column(other)):
            is_country = any(word in column.name.lower() for word in _COUNTRY_COLUMNS)
            kind: Kind = "country" if is_country and default in Locale("en").territories else "name"
            return Parameter(name, kind, default, column)
        case exp.Column() if type(default) is int:
            return Parameter(name, "number", default)
        case exp.Column() | exp.TsOrDsToDate() if type(default) is date:
            return Parameter(name, "date", default)
    return Parameter(name, "fixed", default)


def _resolve_column(column: exp.Column) -> Column | None:
    """Return the column with the table behind its alias, of the tables of the same SELECT.

    Without an alias, where several are joined, the server says of which it is. None when it is of
    no table, or of such as are joined by a value that the question gives.
    """
    select = column.find_ancestor(exp.Select)
    sources = [] if select is None else [select.args.get("from_"), *select.args.get("joins", [])]
    named = [each.this for each in sources if each and isinstance(each.this, exp.Table)]
    tables = [table for table in named if column.table in ("", table.alias_or_name)]
    if len(tables) == 1:
        [table] = tables
        parts = filter(None, (table.db, table.name))
        return Column(".".join(map(quote_name, parts)), column.name)
    depends_on_question = any(each.find(exp.Placeholder) for each in sources if each)
    if not tables or column.table or len(named) < len(sources) or depends_on_question:
        return None
    joined = " ".join(each.sql(dialect="mysql") for each in sources).removeprefix("FROM ")
    return Column(joined, column.name)
