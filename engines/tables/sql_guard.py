"""Guard one: only what reads the allowed tables passes, as far as a parser can tell.

The statement itself is never changed. What is looked at is a copy without comments and with every
text in quotes replaced, made by the rules of MariaDB's own lexer, so that no difference between
that lexer and the parser's can hide a part of the statement.
"""

import logging
import re
from collections.abc import Collection, Iterator
from functools import cache
from importlib import resources
from typing import Final

import sqlglot
from sqlglot import exp

from stores.errors import UnsafeQuery

LONGEST: Final = 20_000  # characters of a statement
LONGEST_PAD: Final = 255  # characters: no statement makes long texts to keep functions busy
DEEPEST: Final = 30  # parentheses in one another; the parser gives up soon after

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_EXECUTABLE = re.compile(r"/\*(?:M?!|\+)", re.IGNORECASE)
# Under the sql_mode that every session is given: backslashes escape, "…" is a text.
_LEXEME = re.compile(
    r"""(?P<number>\b[xXbB]'[0-9a-fA-F]*')
    | (?P<text>'(?:[^'\\]|\\.|'')*' | "(?:[^"\\]|\\.|"")*")
    | (?P<name>`(?:[^`]|``)+`)
    | (?P<comment>--(?=[ \t\r\n]|\Z)[^\n]* | \#[^\n]* | /\*.*?\*/)""",
    re.DOTALL | re.VERBOSE,
)
_EXPLAIN = re.compile(r"\AEXPLAIN\b\s*(?:(?:EXTENDED|FORMAT\s*=\s*JSON)\s+)?", re.IGNORECASE)
_CTE_COLUMNS = re.compile(
    r"(?P<before>\bWITH\s+(?:RECURSIVE\s+)?|\)\s*,\s*)(?:\w+|`[^`]+`)\s*\([\w\s,`]*\)(?=\s*AS\s*\()",
    re.IGNORECASE,
)
_INDEX_HINT = re.compile(
    r"\b(?:USE|FORCE|IGNORE)\s+(?:INDEX|KEY)\s*(?:FOR\s+(?:JOIN|(?:ORDER|GROUP)\s+BY)\s*)?"
    r"\([\w\s,`]*\)",
    re.IGNORECASE,
)
_CALL = re.compile(r"(?P<of>\.\s*)?(?:`(?P<quoted>[^`]+)`|(?P<word>[\w$]+))\s*\(")
_NO_FUNCTION = "`no function`"
_NO_PART = {
    "'": "a text in it does not end",
    '"': "a text in it does not end",
    "`": "a name in it does not end",
    "@": "it reads a variable",
    "{": "it holds a {…} escape",
    "?": "it has a parameter",
    ":": "it has a parameter or assigns a variable",
    "\\": "it has a backslash outside quotes",
    "--": "it has -- without a space behind, which MariaDB and the parser read differently",
    "/*": "a comment in it does not end",
    ";": "it holds more than one statement",
}
_NO_WORD = {
    "INTO": "INTO writes the result to a file, a table or a variable",
    "UPDATE": "it locks or changes rows",
    "DELETE": "it changes rows",
    "LOCK": "it locks rows",
    "PROCEDURE": "it calls a procedure",
    "CURRENT_USER": "it asks for the account",
    "CURRENT_ROLE": "it asks for the account",
}
_BEFORE_PARENTHESES = frozenset(
    "ALL AND ANY AS BETWEEN BY CASE DISTINCT DIV ELSE EXCEPT EXISTS FROM GROUP HAVING IN INTERSECT "  # noqa: SIM905 - three lines
    "IS JOIN LIKE LIMIT NOT ON OR OVER REGEXP RLIKE ROW SELECT SOME THEN UNION USING VALUES WHEN "
    "WHERE XOR".split()
)
_ALLOWED_NODES = (
    *(exp.Add, exp.Sub, exp.Mul, exp.Div, exp.IntDiv, exp.Mod, exp.Neg),
    *(exp.BitwiseAnd, exp.BitwiseOr, exp.BitwiseXor, exp.BitwiseNot),
    *(exp.BitwiseLeftShift, exp.BitwiseRightShift),
    *(exp.And, exp.Or, exp.Xor, exp.Not, exp.EQ, exp.NEQ, exp.NullSafeEQ, exp.NullSafeNEQ),
    *(exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Is, exp.In, exp.Between, exp.Like, exp.Escape),
    *(exp.All, exp.Any, exp.Exists, exp.Paren, exp.Tuple, exp.Collate),
    *(exp.Literal, exp.Boolean, exp.Null, exp.HexString, exp.BitString, exp.Interval, exp.Var),
    *(exp.Introducer, exp.National, exp.IndexTableHint),
    *(exp.Star, exp.Column, exp.Identifier, exp.Dot, exp.Alias, exp.TableAlias, exp.Table),
    *(exp.Select, exp.SetOperation, exp.Subquery, exp.With, exp.CTE, exp.From, exp.Join),
    *(exp.Where, exp.Group, exp.Rollup, exp.Having, exp.Order, exp.Ordered, exp.Distinct),
    *(exp.Limit, exp.LimitOptions, exp.Offset, exp.Fetch),
    *(exp.Window, exp.WindowSpec, exp.WithinGroup, exp.IgnoreNulls, exp.RespectNulls),
    *(exp.DataType, exp.DataTypeParam, exp.CharacterSet, exp.JSONColumnDef, exp.JSONKeyValue),
    *(exp.JSONPath, exp.JSONPathKey, exp.JSONPathRoot, exp.JSONSchema, exp.JSONValue),
    exp.Func,  # each by its name, as written
)

logging.getLogger("sqlglot").setLevel(logging.CRITICAL)  # it would warn of what is refused here


def check(sql: str, tables: Collection[str], database: str | None = None) -> None:
    """Raise UnsafeQuery unless `sql` is one statement that only reads these tables of `database`.

    Table names are compared as written.
    """
    if reason := _reason(sql, tables, database):
        raise UnsafeQuery(f"The statement was refused: {reason}.")


def _reason(sql: str, tables: Collection[str], database: str | None) -> str | None:
    if reason := _looks_wrong(sql):
        return reason
    bare = _unterminated(_LEXEME.sub(_for_the_parser, sql))
    words = _unterminated(_LEXEME.sub(" ", sql))
    calls = _unterminated(_LEXEME.sub(_for_finding_calls, sql))
    query = _EXPLAIN.sub("", bare, count=1)
    return (
        _begins_wrong(query)
        or _says_wrong(words)
        or _calls_wrong(_EXPLAIN.sub("", calls, count=1))
        or _parses_wrong(query, tables, database)
    )


def _looks_wrong(sql: str) -> str | None:
    if len(sql) > LONGEST:
        return f"it has {len(sql)} characters, and {LONGEST} are allowed"
    if _CONTROL.search(sql):
        return "it holds control characters"
    if _EXECUTABLE.search(sql):
        return "it holds a comment that MariaDB would execute"
    return None


def _unterminated(sql: str) -> str:
    """Only of the spaces that MariaDB knows; to it, others are letters."""
    return sql.strip(" \t\r\n").removesuffix(";").strip(" \t\r\n")


def _for_the_parser(lexeme: re.Match[str]) -> str:
    match lexeme.lastgroup:
        case "text":
            return "'s'"
        case "number":
            return "0"
        case "name":
            return lexeme[0]
    return " "


def _for_finding_calls(lexeme: re.Match[str]) -> str:
    """A name may hold parentheses, as in AS `revenue (EUR)`; no function has such a name."""
    has_parenthesis = lexeme.lastgroup == "name" and "(" in lexeme[0]
    return _NO_FUNCTION if has_parenthesis else _for_the_parser(lexeme)


def _says_wrong(words: str) -> str | None:
    """What needs no parser to be seen; `words` has neither texts nor quoted names."""
    for part, reason in _NO_PART.items():
        if part in words:
            return reason
    for word in re.findall(r"\w+", words):
        if word.upper() in _NO_WORD:
            return _NO_WORD[word.upper()]
    if strange := next((sign for sign in words if sign > "\x7f" and not sign.isalnum()), None):
        return f"it has the sign {strange!r} outside quotes"
    return None


def _calls_wrong(bare: str) -> str | None:
    named = _INDEX_HINT.sub(" i ", _CTE_COLUMNS.sub(r"\g<before> c ", bare))
    for call in _CALL.finditer(named):
        name = call["quoted"] or call["word"]
        if call["word"] and name.upper() in _BEFORE_PARENTHESES and not call["of"]:
            continue
        if call["of"] or name.upper() not in _functions():
            return f"the function {name} is not among those that are allowed"
    return None


@cache
def _functions() -> frozenset[str]:
    text = resources.files("engines.tables").joinpath("sql_functions.txt").read_text("utf-8")
    lines = (line.partition(":")[2] for line in text.splitlines() if not line.startswith("#"))
    return frozenset(name for line in lines for name in line.split())


def _begins_wrong(query: str) -> str | None:
    first = re.match(r"[\s(]*(\w*)", query)
    word = first[1].upper() if first else ""
    if word in ("SELECT", "WITH"):
        return None
    if not word:
        return "it is empty"
    return f"it begins with {word}, and only SELECT, WITH and EXPLAIN of them are run"


def _parses_wrong(query: str, tables: Collection[str], database: str | None) -> str | None:
    if _depth(query) > DEEPEST:
        return f"it nests more than {DEEPEST} parentheses"
    try:
        parsed = [each for each in sqlglot.parse(query, read="mysql") if each is not None]
        if len(parsed) != 1 or not isinstance(parsed[0], exp.Query):
            return "it is not one SELECT"
        return next(_wrong_parts(parsed[0], tables, database), None)
    except Exception as error:  # noqa: BLE001 - what the parser cannot digest is refused
        return f"it cannot be parsed{_place(error)}"


def _depth(query: str) -> int:
    deepest = depth = 0
    for sign in query:
        depth += (sign == "(") - (sign == ")")
        deepest = max(deepest, depth)
    return deepest


def _place(error: Exception) -> str:
    if isinstance(error, sqlglot.ParseError) and error.errors:
        return f" near {error.errors[0].get('highlight') or 'its end'!r}"
    return ""


def _wrong_parts(query: exp.Query, tables: Collection[str], database: str | None) -> Iterator[str]:
    for node in query.walk():
        if not isinstance(node, _ALLOWED_NODES):
            yield f"{type(node).__name__} is not among the parts of a statement that are allowed"
        elif isinstance(node, exp.Pad) and not _is_short(node.expression):
            yield f"LPAD and RPAD need a length that is written as a number up to {LONGEST_PAD}"
        elif isinstance(node, exp.Table):
            yield from _wrong_table(node, tables, database)


def _is_short(length: exp.Expr) -> bool:
    return isinstance(length, exp.Literal) and length.is_int and int(length.name) <= LONGEST_PAD


def _wrong_table(table: exp.Table, tables: Collection[str], database: str | None) -> Iterator[str]:
    if not isinstance(table.this, exp.Identifier):
        return  # JSON_TABLE, by its name
    if table.catalog or (table.db and table.db != database):
        yield f"the database {table.db} is not allowed"
    elif not table.db and (_is_cte(table) or _is_dual(table.this)):
        return
    elif table.name not in tables:
        allowed = ", ".join(sorted(tables))
        yield f"the table {table.name} is not allowed; these are: {allowed}"


def _is_dual(name: exp.Identifier) -> bool:
    """FROM DUAL reads no table; within `…` it would be one."""
    return name.name.upper() == "DUAL" and not name.quoted


def _is_cte(table: exp.Table) -> bool:
    """Whether a CTE that is in sight here hides the table of this name.

    Within WITH, an entry sees those before it; within WITH RECURSIVE, all of them.
    """
    below: exp.Expr = table
    above = table.parent
    while above is not None:
        if isinstance(above, exp.With):
            entries = above.expressions
            seen = entries if above.recursive else entries[: entries.index(below)]
        else:
            clause = above.args.get("with_")
            seen = clause.expressions if clause is not None and clause is not below else []
        if any(entry.alias == table.name for entry in seen):
            return True
        below, above = above, above.parent
    return False
