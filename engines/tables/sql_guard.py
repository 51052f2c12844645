"""The first guard: only what reads the allowed tables passes, as far as a parser can tell.

The statement itself is never changed. The parser reads a copy of it, made from the tokens as
MariaDB cuts them (`parser_copy`), and the words that bring in tables are counted in the text and in
the tree: no difference between the two readers can hide a part of the statement.
"""

import logging
import math
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from itertools import pairwise
from typing import Final

import sqlglot
from sqlglot import exp
from sqlglot.dialects.mysql import MySQL

from engines.tables.call_costs import PAD, find_costly_call
from engines.tables.parser_copy import copy_for_parser
from stores.errors import UnsafeQuery
from stores.sql_tokens import Token, tokenize_sql
from stores.table_names import TableName, read_table_name
from stores.values import Value

LONGEST: Final = 20_000  # characters of a statement, and of a value in it
DEEPEST: Final = 30  # parentheses in one another; the parser gives up soon after
DEEPEST_TYPES: Final = 5  # those of CHAR(…) and DATE(…), which the parser tries as types first
WIDEST_FRAME: Final = 100  # rows of a window that MIN and MAX look at for every row

_log = logging.getLogger(__name__)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_EXECUTABLE = re.compile(r"/\*(?:M?!|\+)", re.IGNORECASE)
_OPEN = {
    "'": "a text in it does not end",
    '"': "a text in it does not end",
    "`": "a name in it does not end",
    "/": "a comment in it does not end",
}
_NO_SIGN = {
    "@": "it reads a variable",
    "{": "it holds a {…} escape",
    "}": "it holds a {…} escape",
    "?": "it has a parameter",
    ":": "it has a parameter or assigns a variable",
    ":=": "it has a parameter or assigns a variable",
    "::": "it has a parameter or assigns a variable",
    "\\": "it has a backslash outside quotes",
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
_TYPES = frozenset(
    word for word, kind in MySQL.Tokenizer.KEYWORDS.items() if kind in MySQL.Parser.TYPE_TOKENS
)
_BEFORE_PARENTHESES = frozenset(
    "ALL AND ANY AS BETWEEN BY CASE DISTINCT DIV ELSE EXCEPT EXISTS FROM GROUP HAVING IN INTERSECT "  # noqa: SIM905 - three lines
    "IS JOIN LIKE LIMIT NOT ON OR OVER REGEXP RLIKE ROW SELECT SOME THEN UNION USING VALUES WHEN "
    "WHERE XOR".split()
)
_INDEX_HINT = re.compile(
    r"\b(?:USE|FORCE|IGNORE) (?:INDEX|KEY)(?: FOR (?:JOIN|(?:ORDER|GROUP) BY))?$"
)
_CALLS_WITH_FROM = (["EXTRACT"], ["TRIM"], ["SUBSTRING"], ["SUBSTR"], ["MID"])
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

_QUICK_IN_WINDOWS = (
    *(exp.Sum, exp.Count, exp.Avg, exp.BitwiseAndAgg, exp.BitwiseOrAgg, exp.BitwiseXorAgg),
    *(exp.RowNumber, exp.Rank, exp.DenseRank, exp.PercentRank, exp.CumeDist, exp.Ntile),
    *(exp.Lag, exp.Lead, exp.FirstValue, exp.LastValue, exp.NthValue),
    *(exp.Median, exp.WithinGroup),
)


def check_statement(
    sql: str,
    tables: Collection[str],
    database: str | None = None,
    values: Mapping[str, Value] | None = None,
    views: Collection[str] = (),
) -> None:
    """Raise UnsafeQuery unless `sql` is one statement that only reads these tables.

    They are of `database`, or named with their own, as `crm.contacts`. Names are compared as they
    are written. `values` are those of its :names, as they will be bound. Of these tables, `views`
    may be named only where a WITH of the statement hides the table.
    """
    if reason := _find_fault(sql, Allowed(tables, database or "", views), values or {}):
        raise UnsafeQuery(f"The statement was refused: {reason}.")


@dataclass(frozen=True)
class Allowed:
    """The tables that may be named; `views` of them only as the names of a WITH."""

    tables: Collection[str]
    database: str
    views: Collection[str] = ()

    @cached_property
    def names(self) -> frozenset[TableName]:
        return frozenset(read_table_name(written, self.database) for written in self.tables)


def _find_fault(sql: str, allowed: Allowed, values: Mapping[str, Value]) -> str | None:
    if reason := _find_strange_text(sql, values):
        return reason
    tokens = list(tokenize_sql(sql))
    if reason := _find_glued_tokens(tokens) or _find_unknown_parameter(tokens, values):
        return reason
    code = [token for token in tokens if token.is_code]
    if code and code[-1].text == ";":
        code = code[:-1]
    if reason := _find_wrong_beginning(code) or _find_wrong_word(code):
        return reason
    query = _remove_explain(code)
    return (
        _find_deep_part(query)
        or _find_wrong_call(query)
        or _find_wrong_part(query, allowed, values)
    )


def _find_strange_text(sql: str, values: Mapping[str, Value]) -> str | None:
    if len(sql) > LONGEST:
        return f"it has {len(sql)} characters, and {LONGEST} are allowed"
    if _CONTROL.search(sql):
        return "it holds control characters"
    if _EXECUTABLE.search(sql):
        return "it holds a comment that MariaDB would execute"
    for name, value in values.items():
        if isinstance(value, str) and len(value) > LONGEST:
            return f"the value of :{name} has {len(value)} characters, and {LONGEST} are allowed"
    return None


def _find_glued_tokens(tokens: Sequence[Token]) -> str | None:
    """Find two words, numbers or texts that touch, or a word that begins with a digit: 1e5FROM.

    MariaDB, drivers and parsers differ in where the one ends and the other begins.
    """
    for left, right in pairwise(tokens):
        if left.is_wordlike and right.is_wordlike:
            return f"{left.text[-20:]!r} and {right.text[:20]!r} touch; put a space between them"
        if left.text == right.text == "-":
            return "it has -- without a space behind, which MariaDB and the parser read differently"
    if word := next((t.text for t in tokens if t.kind == "word" and t.text[0].isdecimal()), None):
        return f"{word[:20]!r} begins with a digit; put a space behind a number, and a name in `…`"
    return None


def _find_unknown_parameter(tokens: Sequence[Token], values: Mapping[str, Value]) -> str | None:
    names = [token.parameter for token in tokens if token.parameter]
    if unknown := next((name for name in names if name not in values), None):
        return f"it has a parameter :{unknown}, which has no value"
    if names and any(token.kind == "comment" for token in tokens):
        return "it has a comment, and none may stand where values are bound"
    return None


def _remove_explain(code: list[Token]) -> list[Token]:
    words = [token.text.upper() for token in code[:4]]
    if words[:1] != ["EXPLAIN"]:
        return code
    if words[1:2] == ["EXTENDED"]:
        return code[2:]
    return code[4:] if words[1:] == ["FORMAT", "=", "JSON"] else code[1:]


def _find_wrong_beginning(code: list[Token]) -> str | None:
    first = next((token for token in _remove_explain(code) if token.text != "("), None)
    if first is None:
        return "it is empty"
    if first.kind != "operator" and first.text.upper() not in ("SELECT", "WITH"):
        return (
            f"it begins with {first.text[:20]}, and only SELECT, WITH and EXPLAIN of them are run"
        )
    return None


def _find_wrong_word(code: Sequence[Token]) -> str | None:
    """Find a sign or word outside quotes that no statement may have."""
    for token in code:
        if token.kind == "open":
            return _OPEN[token.text[0]]
        if token.kind == "operator":
            if token.text in _NO_SIGN:
                return _NO_SIGN[token.text]
            if token.text > "\x7f":
                return f"it has the sign {token.text!r} outside quotes"
        if token.kind == "word" and token.text.upper() in _NO_WORD:
            return _NO_WORD[token.text.upper()]
    return None


def _find_deep_part(code: Sequence[Token]) -> str | None:
    """Find parentheses too deep in one another.

    Those of types keep the parser guessing, each twice as long as the one before.
    """
    guessed = _TYPES & _load_functions()
    types, depth, deepest = [False], 0, 0
    for place, token in enumerate(code):
        if token.text == "(":
            types.append(place > 0 and code[place - 1].text.upper() in guessed)
            deepest = max(deepest, len(types) - 1)
            depth = max(depth, sum(types[-DEEPEST:]))
        elif token.text == ")" and len(types) > 1:
            types.pop()
    if deepest > DEEPEST:
        return f"it nests more than {DEEPEST} parentheses"
    if depth > DEEPEST_TYPES:
        return f"it nests more than {DEEPEST_TYPES} calls of CHAR, DATE and other names of types"
    return None


def _find_wrong_call(code: Sequence[Token]) -> str | None:
    """Find a name in front of a parenthesis that is no function of the list."""
    for place, token in enumerate(code[1:], 1):
        name = code[place - 1]
        if token.text != "(" or _opens_list_of_names(code, place):
            continue
        if name.kind not in ("word", "name"):
            continue
        is_member = place > 1 and code[place - 2].text == "."
        known = name.text.upper() in _BEFORE_PARENTHESES | _load_functions()
        if name.kind == "word" and known and not is_member:
            continue
        return f"the function {name.text.strip('`')} is not among those that are allowed"
    return None


@cache
def _load_functions() -> frozenset[str]:
    text = resources.files("engines.tables").joinpath("sql_functions.txt").read_text("utf-8")
    lines = (line.partition(":")[2] for line in text.splitlines() if not line.startswith("#"))
    return frozenset(name for line in lines for name in line.split())


def _opens_list_of_names(code: Sequence[Token], place: int) -> bool:
    """Whether this is the parenthesis of USE INDEX (…) or of WITH name (…) AS (."""
    end = next((i for i, t in enumerate(code[place:], place) if t.text == ")"), None)
    if end is None or not all(
        token.kind in ("word", "name") or token.text == "," for token in code[place + 1 : end]
    ):
        return False
    before = [token.text.upper() for token in code[max(0, place - 6) : place]]
    after = [token.text.upper() for token in code[end + 1 : end + 3]]
    if _INDEX_HINT.search(" ".join(before)):
        return after[:1] != ["("]
    return after == ["AS", "("] and before[-2:-1] in (["WITH"], ["RECURSIVE"], [","])


def _find_wrong_part(
    code: Sequence[Token], allowed: Allowed, values: Mapping[str, Value]
) -> str | None:
    copy = copy_for_parser(code, values)
    try:
        query = copy.parse_query()
    except UnsafeQuery:
        raise
    except sqlglot.ParseError as error:
        return f"it cannot be parsed{copy.describe_place(error)}"
    except Exception:  # noqa: BLE001 - what the parser cannot digest is refused
        return "it cannot be parsed"
    if query is None:
        return "it is not one SELECT"
    try:
        return (
            next(_list_wrong_parts(query, allowed, copy.shown), None)
            or _find_unread_clause(code, query)
            or find_costly_call(query, copy.texts)
        )
    except Exception as error:  # noqa: BLE001 - a defect of the guard lets nothing pass
        _log.exception("The guard could not judge a statement.")
        return f"kb could not judge it ({type(error).__name__})"


def _find_unread_clause(code: Sequence[Token], query: exp.Query) -> str | None:
    """Find what brings in tables in the text, and is not in the tree as often, or not at all."""
    words = Counter(token.text.upper() for token in code if token.kind == "word")
    clauses = Counter(token.text.upper() for _, token in _find_table_clauses(code))
    sets = sum(words[word] for word in ("UNION", "EXCEPT", "INTERSECT"))
    if (
        words["SELECT"] != _count_parts(query, exp.Select)
        or clauses["FROM"] != _count_parts(query, exp.From)
        or sets != _count_parts(query, exp.SetOperation)
        or clauses["JOIN"] + clauses["STRAIGHT_JOIN"] > _count_parts(query, exp.Join)
    ):
        return "MariaDB and the parser would read it differently"
    known = {table.name for table in query.find_all(exp.Table)} | {"JSON_TABLE"}
    for place, token in _find_table_clauses(code):
        following = [t for t in code[place + 1 :] if t.text != "("][:5]
        name = [t.text for t in following]
        last = 4 if name[1:4:2] == [".", "."] else 2 if name[1:2] == ["."] else 0
        if following[0].text.upper() in ("SELECT", "WITH"):
            continue
        if following[last].text.strip("`").replace("``", "`") not in known and (
            following[last].text.upper() not in known
        ):
            return f"{token.text} {following[last].text[:30]} is no table to the parser"
    return None


def _count_parts(query: exp.Query, part: type[exp.Expr]) -> int:
    return sum(1 for _ in query.find_all(part))


def _find_table_clauses(code: Sequence[Token]) -> Iterator[tuple[int, Token]]:
    """Find the FROM and JOIN that name tables; not the FROM of EXTRACT(YEAR FROM day)."""
    callers: list[str] = []
    for place, token in enumerate(code):
        if token.text == "(":
            callers.append(code[place - 1].text.upper() if place else "")
        elif token.text == ")" and callers:
            callers.pop()
        elif token.kind == "word":
            match token.text.upper():
                case "FROM" if callers[-1:] not in _CALLS_WITH_FROM:
                    yield place, token
                case "STRAIGHT_JOIN":
                    yield place, token
                case "JOIN" if code[place - 1].text.upper() != "FOR":  # USE INDEX FOR JOIN (…)
                    yield place, token


def _list_wrong_parts(
    query: exp.Query, allowed: Allowed, shown: Mapping[str, str]
) -> Iterator[str]:
    for node in query.walk():
        if not isinstance(node, _ALLOWED_NODES):
            yield f"{type(node).__name__} is not among the parts of a statement that are allowed"
        elif isinstance(node, exp.Pad | exp.Repeat | exp.Space) and not _is_short(node):
            yield (
                "LPAD, RPAD, REPEAT and SPACE need a length that is written as a number up to "
                f"{PAD}, or as LEAST(…, {PAD})"
            )
        elif isinstance(node, exp.ToChar):
            text = node.args.get("format")  # an error would tell it, so it must be no value
            if not isinstance(text, exp.Literal) or shown.get(text.name, ":").startswith(":"):
                yield "TO_CHAR needs a format that is written out"
        elif (
            isinstance(node, exp.Window)
            and node.arg_key != "windows"  # WINDOW w AS (…), which computes nothing itself
            and not isinstance(node.this, _QUICK_IN_WINDOWS)
        ):
            yield from _find_wide_frame(node)
        elif isinstance(node, exp.Limit | exp.Offset) and not _is_whole(node.expression):
            yield "LIMIT and OFFSET need a whole number"
        elif isinstance(node, exp.Table):
            yield from _find_wrong_table(node, allowed)


def _is_short(made: exp.Pad | exp.Repeat | exp.Space) -> bool:
    length = made.args.get({exp.Pad: "expression", exp.Repeat: "times"}.get(type(made), "this"))
    if isinstance(length, exp.Least):
        return any(_is_whole(bound, PAD) for bound in [length.this, *length.expressions])
    return _is_whole(length, PAD)


def _find_wide_frame(window: exp.Window) -> Iterator[str]:
    """Find a frame that may be wide.

    MariaDB looks at the whole of it for each row, and cannot be stopped meanwhile.

    On MariaDB 11.8 MIN(n) OVER () takes 34 s for 40,000 rows, FIRST_VALUE 0.1 s.
    """
    frame = window.args.get("spec") or exp.WindowSpec()
    bounds = [frame.args.get("start"), frame.args.get("end")]
    if frame.args.get("kind") != "ROWS" or not all(
        bound in (None, "CURRENT ROW") or _is_whole(bound, WIDEST_FRAME) for bound in bounds
    ):
        yield (
            "MIN, MAX, STDDEV and VARIANCE over a window need a frame of ROWS that is at most "
            f"{WIDEST_FRAME} long on each side; FIRST_VALUE(…) OVER (… ORDER BY …), or a join with "
            "GROUP BY, tells the same"
        )


def _is_whole(node: object, most: float = math.inf) -> bool:
    return isinstance(node, exp.Literal) and node.is_int and int(node.name) <= most


def _find_wrong_table(table: exp.Table, allowed: Allowed) -> Iterator[str]:
    if not isinstance(table.this, exp.Identifier):
        return  # JSON_TABLE, by its name
    if table.catalog or (table.db and table.db not in {name.database for name in allowed.names}):
        yield f"the database {table.catalog or table.db} is not allowed"
        return
    if not _is_of_the_database(table):
        return
    if TableName(table.db or allowed.database, table.name) not in allowed.names:
        named = f"{table.db}.{table.name}" if table.db else table.name
        yield f"the table {named} is not allowed; these are: {', '.join(sorted(allowed.tables))}"
    elif table.name in allowed.views:
        yield (
            f"you see a part of the table {table.name}; name it without its database, and in no "
            "WITH that stands within another part"
        )


def reads_a_table(query: exp.Expr) -> bool:
    """Whether a query reads any table of the database."""
    return any(map(_is_of_the_database, query.find_all(exp.Table)))


def _is_of_the_database(table: exp.Table) -> bool:
    """Whether it is no JSON_TABLE, no name of a WITH, and not DUAL; within `…` that is one."""
    if not isinstance(table.this, exp.Identifier):
        return False
    is_dual = table.name.upper() == "DUAL" and not table.this.quoted
    return bool(table.db) or not (is_dual or _is_cte(table))


def _is_cte(table: exp.Table) -> bool:
    """Whether a CTE that is in sight here hides the table of this name.

    Within WITH, an entry sees those before it; within WITH RECURSIVE, all of them. An entry of a
    WITH within another one does not always see those of the outer, so that counts as out of sight.
    """
    below: exp.Expr = table
    above = table.parent
    inner = False
    while above is not None:
        if isinstance(above, exp.With):
            entries = above.expressions
            seen = entries if above.recursive else entries[: entries.index(below)]
        else:
            clause = above.args.get("with_")
            seen = clause.expressions if clause is not None and clause is not below else []
        if any(entry.alias == table.name for entry in seen):
            return not inner
        inner = inner or isinstance(above, exp.With)
        below, above = above, above.parent
    return False
