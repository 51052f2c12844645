"""How long one function call of a statement may take at most.

MariaDB looks whether a statement is to be stopped between rows, never within a call: a single
REPLACE of a text of megabytes ignores max_statement_time, KILL and shutdown. So lengths of texts
are followed through the statement, and a call that could work for more than seconds is refused.
What a cell of a table holds is its owner's; it counts as CELL characters.

Measured on MariaDB 11.8 and one core: REPLACE of 60,000 signs takes 0.5 s, LOCATE of 30,000 in
60,000 0.6 s, JSON_OVERLAPS of two texts of 10,000 1.3 s, `REGEXP 'a*a*a*[bc]'` on 1,000 signs 20 s.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from sqlglot import exp

CELL: Final = 255  # characters that a cell of a table counts as
PAD: Final = 255  # characters that RPAD, LPAD and SPACE make, and times that REPEAT does
MOST_CHARACTERS: Final = 1_000_000  # that one call may make
UNBOUNDED: Final = 2**26  # characters: what may grow on and on does so to the largest packet
MOST_STEPS: Final = 10**10  # signs that one call may compare or move: a second or two
AGGREGATED: Final = 65_536  # bytes: group_concat_max_len of the sessions
_VALUE = 64  # characters of a number, a date or a truth value
_TYPED = 512  # characters up to which a column of a recursive CTE keeps the length of its first row
_STAR = "*"  # a column that stands for some whose number is not known
_ANY = ""  # a column of a source all whose columns are of one length
_MOST_REPETITIONS = 50  # of a pattern; more of them make no difference

Columns: TypeAlias = dict[str, int]  # the length of each, by its name in small letters
Sources: TypeAlias = dict[str, Columns]  # those of a FROM, by their aliases

_OF_PATTERN = re.compile(
    r"\\.|\[\^?\]?(?:\\.|\[:\w+:\]|[^\]\\])*\]|(?P<repetition>[*+]|\{\d*,)", re.DOTALL
)
_REPETITION = re.compile(r"[*+]|\{\d*,")
_ODD_PATTERN = re.compile(r"\\Q|\(\?[^:]|\(\*")  # where […] may be no set of signs


_ARITHMETIC = exp.Add | exp.Sub | exp.Mul | exp.Div | exp.IntDiv | exp.Mod | exp.Neg


class _TooCostly(Exception):
    """The reason is its text."""


def find_costly_call(query: exp.Query, texts: Mapping[str, str]) -> str | None:
    """Why a call of the statement may take too long; `texts` are those that its literals name."""
    try:
        _Lengths(texts).of_query(query, {}, [])
    except _TooCostly as error:
        return str(error)
    return None


class _Lengths:
    """Bounds of the lengths of texts, in characters, as far as a statement makes them itself."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts

    def of_query(
        self, query: exp.Expr, ctes: Mapping[str, Columns], outer: Sequence[Sources]
    ) -> Columns:
        """The lengths of its columns. Raises _TooCostly for a call anywhere in it."""
        if isinstance(clause := query.args.get("with_"), exp.With):
            ctes = self._with_ctes(clause, ctes, outer)
        if isinstance(query, exp.SetOperation):
            left = self.of_query(query.left, ctes, outer)
            right = self.of_query(query.right, ctes, outer)
            self._check_rest(query, ctes, [*outer, {_ANY: left}])
            return _longest_of_both(left, right)
        if isinstance(query, exp.Subquery):
            columns = self.of_query(query.this, ctes, outer)
            self._check_rest(query, ctes, [*outer, {_ANY: columns}])
            return columns
        return self._of_select(query, ctes, outer)

    def _with_ctes(
        self, clause: exp.With, known: Mapping[str, Columns], outer: Sequence[Sources]
    ) -> dict[str, Columns]:
        ctes = dict(known)
        for entry in clause.expressions:
            name, names = entry.alias.lower(), entry.args["alias"].columns
            body = entry.this
            if clause.recursive and isinstance(body, exp.SetOperation):
                first = _renamed(self.of_query(body.left, ctes, outer), names)
                ctes[name] = _repeated(first, body)
                self.of_query(body.right, ctes, outer)
            else:
                ctes[name] = _renamed(self.of_query(body, ctes, outer), names)
        return ctes

    def _of_select(
        self, select: exp.Expr, ctes: Mapping[str, Columns], outer: Sequence[Sources]
    ) -> Columns:
        sources: Sources = {}
        joins = select.args.get("joins") or []
        for part in [select.args.get("from_"), *joins]:
            if part is not None:
                self._add_sources(part.this, sources, ctes, [*outer, sources])
        scopes = [*outer, sources]
        columns: Columns = {}
        for place, each in enumerate(select.expressions):
            name = (each.alias_or_name or " ").lower()
            if each.is_star:
                everything = [n for source in sources.values() for n in source.values()]
                columns[f"{_STAR} {place}"] = max([CELL, *everything])
                for source in sources.values():
                    columns |= {c: max(n, columns.get(c, 0)) for c, n in source.items()}
            else:
                columns[f"{name} {place}" if name in columns else name] = self.of(
                    each, ctes, scopes
                )
        self._check_rest(select, ctes, [*scopes, {_ANY: columns}])
        return columns

    def _check_rest(
        self, query: exp.Expr, ctes: Mapping[str, Columns], scopes: Sequence[Sources]
    ) -> None:
        """All clauses but those that have been looked at."""
        for clause, part in query.args.items():
            if clause in ("with_", "from_", "this", "expression", "expressions"):
                continue
            for each in part if isinstance(part, list) else [part]:
                if isinstance(each, exp.Join):
                    self._check_rest(each, ctes, scopes)
                elif isinstance(each, exp.Expr):
                    self.of(each, ctes, scopes)

    def _add_sources(
        self,
        part: exp.Expr,
        sources: Sources,
        ctes: Mapping[str, Columns],
        scopes: Sequence[Sources],
    ) -> None:
        for join in part.args.get("joins") or []:
            self._add_sources(join.this, sources, ctes, scopes)
            self._check_rest(join, ctes, scopes)
        alias = part.alias_or_name.lower()
        if isinstance(part, exp.Table) and isinstance(part.this, exp.Identifier):
            sources[alias] = ctes.get(part.name.lower(), {}) if not part.db else {}
        elif isinstance(part, exp.Table):  # JSON_TABLE: its columns are parts of one text
            sources[alias] = {_ANY: self.of(part.this, ctes, scopes)}
        elif isinstance(part, exp.Subquery) and isinstance(part.this, exp.Query):
            columns = self.of_query(part, ctes, scopes)
            names = part.args["alias"].columns if part.args.get("alias") else []
            sources[alias] = _renamed(columns, names)
        else:  # parentheses around tables
            self._add_sources(part.this, sources, ctes, scopes)

    def of(self, node: exp.Expr, ctes: Mapping[str, Columns], scopes: Sequence[Sources]) -> int:
        """The length of an expression at most. Raises _TooCostly for a call in it."""
        if isinstance(node, exp.Query):
            return max(self.of_query(node, ctes, scopes).values(), default=_VALUE)
        if isinstance(node, exp.Column):
            return _of_column(node, scopes)
        if isinstance(node, exp.Literal):
            return self._of_literal(node)
        lengths = [self.of(part, ctes, scopes) for part in _parts_of(node)]
        self._check_steps(node, lengths)
        length = self._of_result(node, lengths)
        if UNBOUNDED in lengths:
            return min(length, UNBOUNDED)
        if length > MOST_CHARACTERS:
            raise _TooCostly(
                f"{_function(node).upper()} may make a text of {length:,} characters, and "
                f"{MOST_CHARACTERS:,} are allowed"
            )
        return length

    def _of_result(self, node: exp.Expr, lengths: Sequence[int]) -> int:
        match _function(node):
            case _ if isinstance(node, exp.Predicate | exp.Connector | exp.Not | _ARITHMETIC):
                length = _VALUE
            case "pad" | "space":
                length = PAD
            case "repeat":
                length = lengths[0] * PAD
            case "replace":
                length = self._of_replaced(node, *lengths)
            case "regexp_replace":
                length = self._of_matches_replaced(node, *lengths)
            case "concat_ws":
                length = sum(lengths) + lengths[0] * len(lengths)
            case "group_concat" | "json_arrayagg" | "json_object_agg":
                length = AGGREGATED
            case "cast":
                length = max(sum(lengths), _declared_length(node))
            case name if name.startswith("json_") or name in ("hex", "quote", "time_to_str"):
                length = _VALUE + 6 * sum(lengths)  # a sign may become \u0001
            case _:
                length = _VALUE + sum(lengths)
        return length

    def _of_literal(self, literal: exp.Literal) -> int:
        """The parser makes texts of some numbers; another text that is not known may be any."""
        text = self._text_of(literal)
        if text is None:
            return len(literal.name) if literal.name.isdecimal() else MOST_CHARACTERS
        return len(text)

    def _text_of(self, node: exp.Expr | None) -> str | None:
        """What an expression says if it is written out, as CONCAT('^', 'a') is."""
        match node:
            case exp.Literal():
                return self._texts.get(node.name) if node.is_string else node.name
            case exp.Paren() | exp.Collate():
                return self._text_of(node.this)
            case exp.Introducer():
                return self._text_of(node.expression)
            case exp.National():
                return self._texts.get(str(node.this))
            case exp.Concat():
                texts = [self._text_of(part) for part in node.expressions]
                return None if None in texts else "".join(map(str, texts))
        return None

    def _check_steps(self, node: exp.Expr, lengths: Sequence[int]) -> None:
        name = _function(node)
        longest, second = sorted([1, 1, *lengths])[:-3:-1]
        match name:
            case "replace":
                steps = longest**2
            case "like" | "str_position" | "substring_index":
                steps = longest * second
            case "json_overlaps" | "json_contains" | "json_equals" | "json_merge_patch":
                steps = 100 * longest * second
            case "regexp_like" | "regexp_replace" | "regexp_substr" | "regexp_instr":
                steps = self._steps_of_pattern(node, lengths[0])
            case _:
                return
        if steps > MOST_STEPS:
            raise _TooCostly(
                f"{name.upper()} may take {min(steps, 10**15):,} steps on texts of {longest:,} and "
                f"{second:,} characters, and MariaDB could not be stopped meanwhile"
            )

    def _steps_of_pattern(self, node: exp.Expr, length: int) -> int:
        """Of a search that goes back as often as it can: each open repetition tries every length.

        Repetitions within repetitions are ended by a limit of the server's.
        """
        pattern = self._text_of(node.args.get("expression"))
        if pattern is None:
            raise _TooCostly("a regular expression must be written out, or be a bound value")
        found = (
            _REPETITION.findall(pattern)
            if _ODD_PATTERN.search(pattern)
            else [each for each in _OF_PATTERN.finditer(pattern) if each["repetition"]]
        )
        starts = 0 if pattern.startswith("^") and "|" not in pattern else 1
        order = min(len(found), _MOST_REPETITIONS) + starts
        ways = int(length**order) // math.factorial(order)
        return 5 * int(2 ** min(pattern.count("?"), _MOST_REPETITIONS)) * ways

    def _of_replaced(self, node: exp.Expr, of: int, old: int, new: int) -> int:
        known = self._text_of(node.args.get("expression"))
        return max(of, of * new // (len(known) if known else min(old, 1) or 1))

    def _of_matches_replaced(self, node: exp.Expr, of: int, _: int, new: int = 0) -> int:
        """Each match, of which there may be one a sign, may repeat groups as long as the text."""
        written = self._text_of(node.args.get("replacement"))
        groups = new if written is None else written.count("\\")
        return (of + 1) * (1 + new + groups * of)


def _parts_of(node: exp.Expr) -> Iterable[exp.Expr]:
    for part in node.args.values():
        for each in part if isinstance(part, list) else [part]:
            if isinstance(each, exp.Expr) and not isinstance(each, exp.Identifier | exp.DataType):
                yield each


def _function(node: exp.Expr) -> str:
    if isinstance(node, exp.Anonymous):
        return str(node.this).lower()
    return node.sql_name().lower() if isinstance(node, exp.Func) else node.key


def _declared_length(cast: exp.Expr) -> int:
    """The number of CHAR(…), which a recursive CTE may fill."""
    numbers = [int(part.name) for part in cast.args["to"].expressions if part.name.isdecimal()]
    return max(numbers, default=0)


def _of_column(column: exp.Column, scopes: Sequence[Sources]) -> int:
    """The longest of those that it may be: aliases hide one another in more ways than we follow."""
    name, table = column.name.lower(), column.table.lower()
    found = [
        source.get(name, max(source.values(), default=0))
        for scope in scopes
        for alias, source in scope.items()
        if not table or alias == table
    ]
    return max([CELL, *found])


def _longest_of_both(left: Columns, right: Columns) -> Columns:
    if _has_star(left) or _has_star(right):
        return dict.fromkeys(left, max([*left.values(), *right.values()]))
    lengths = [*right.values(), *[0] * len(left)]
    return {name: max(n, other) for (name, n), other in zip(left.items(), lengths, strict=False)}


def _renamed(columns: Columns, names: Sequence[exp.Expr]) -> Columns:
    if not names:
        return columns
    new = [name.name.lower() for name in names]
    if _has_star(columns):
        return dict.fromkeys(new, max(columns.values()))
    return dict(zip(new, columns.values(), strict=False))


def _repeated(first: Columns, body: exp.SetOperation) -> Columns:
    """The columns of a recursive CTE, which adds to its own texts for as long as it likes.

    A column has the type of its first row: what is made of short literals or CAST(… AS CHAR(9)) is
    kept to its length, while the type of a table's column may hold anything.
    """
    if not any(_makes_text(each) for part in _selects(body.right) for each in part.expressions):
        return first
    made = _selects(body.left)[0].expressions
    typed = [not _reads_cells(each) for each in made]
    if _has_star(first) or len(typed) != len(first):
        typed = [False] * len(first)
    return {
        name: n if keeps_type and n <= _TYPED else UNBOUNDED
        for (name, n), keeps_type in zip(first.items(), typed, strict=True)
    }


def _selects(query: exp.Expr) -> list[exp.Select]:
    if isinstance(query, exp.SetOperation):
        return [*_selects(query.left), *_selects(query.right)]
    return [query] if isinstance(query, exp.Select) else _selects(query.this)


def _makes_text(projection: exp.Expr) -> bool:
    made = projection.unalias()
    return made.is_star or not isinstance(made, exp.Column | exp.Literal | exp.Null | _ARITHMETIC)


def _reads_cells(projection: exp.Expr) -> bool:
    made = projection.unalias()
    if isinstance(made, exp.Cast) and _declared_length(made):
        return False
    return made.is_star or isinstance(made, exp.Column) or any(map(_reads_cells, _parts_of(made)))


def _has_star(columns: Columns) -> bool:
    return any(name.startswith(_STAR) for name in columns)
