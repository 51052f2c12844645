"""How long MariaDB may work on one row of a statement at most, and on reading the statement.

It looks whether a statement is to be stopped between rows, not between the calls for one: a single
REPLACE of a text of megabytes ignores max_statement_time, KILL and shutdown. So lengths of texts
are followed through the statement, and one that could work for seconds on a row is refused, as is
one whose columns stand for so many parts that to merge or copy them takes the server's memory.
What a cell of a table holds is its owner's; it counts as CELL characters.

Measured on MariaDB 11.8 and one core: REPLACE of 60,000 signs takes 0.5 s, LOCATE of 30,000 in
60,000 0.6 s, LIKE eight times that, JSON_OVERLAPS of two texts of 10,000 1.3 s, to compare texts of
a million signs a thousand times 5 s, to expand a column to 2**22 parts 9 GB.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

from sqlglot import exp

from engines.tables.pattern_costs import LONGEST_PATTERN, count_search_steps

CELL: Final = 255  # characters that a cell of a table counts as
PAD: Final = 255  # characters that RPAD, LPAD and SPACE make, and times that REPEAT does
MOST_CHARACTERS: Final = 1_000_000  # that one call may make
MOST_OF_ROW: Final = 10_000_000  # characters of a row of the result
MOST_PARTS: Final = 20_000  # that a column stands for, those of the columns in it among them
UNBOUNDED: Final = 2**26  # characters: what may grow on and on does so to the largest packet
MOST_STEPS: Final = 10**10  # signs that are compared or moved for one row: a second or two
AGGREGATED: Final = 65_536  # bytes: group_concat_max_len of the sessions
_VALUE = 64  # characters of a number, a date or a truth value
_PER_SIGN = 40  # steps that any function or comparison may take a sign
_PER_LIKE = 20  # steps of LIKE, for each that LOCATE takes
_PER_JSON = 100  # steps of a comparison of JSON texts, for each pair of their signs
_TYPED = 512  # characters up to which a column of a recursive CTE keeps the length of its first row
_STAR = "*"  # a column that stands for some whose number is not known
_ANY = ""  # a source of columns without a name of its own, or a column like all of its source


class Measure(NamedTuple):
    """How many characters an expression has at most, and how many parts it is made of."""

    length: int
    parts: int = 1


Columns: TypeAlias = dict[str, Measure]  # by their names in small letters
Sources: TypeAlias = dict[str, Columns]  # those of a FROM, by their aliases

_ARITHMETIC = exp.Add | exp.Sub | exp.Mul | exp.Div | exp.IntDiv | exp.Mod | exp.Neg
_CELL = Measure(CELL)


class _TooCostly(Exception):
    """The reason is its text."""


def find_costly_call(query: exp.Query, texts: Mapping[str, str]) -> str | None:
    """Say why a call of the statement may take too long; `texts` are what its literals name."""
    try:
        row = _Measures(texts).measure_query(query, {}, []).values()
    except _TooCostly as error:
        return str(error)
    if (length := sum(cell.length for cell in row if cell.length < UNBOUNDED)) > MOST_OF_ROW:
        return f"a row of it may have {length:,} characters, and {MOST_OF_ROW:,} are allowed"
    return None


class _Measures:
    """Bounds of the lengths of texts, as far as a statement makes them itself, and of its work."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts
        self._steps = 0

    def measure_query(
        self, query: exp.Expr, ctes: Mapping[str, Columns], outer: Sequence[Sources]
    ) -> Columns:
        """Measure the columns of a query. Raises _TooCostly for a call anywhere in it."""
        if isinstance(clause := query.args.get("with_"), exp.With):
            ctes = self._measure_ctes(clause, ctes, outer)
        if isinstance(query, exp.SetOperation):
            left = self.measure_query(query.left, ctes, outer)
            right = self.measure_query(query.right, ctes, outer)
            self._check_rest(query, ctes, [*outer, {_ANY: left}])
            return _merge_columns(left, right)
        if isinstance(query, exp.Subquery):
            columns = self.measure_query(query.this, ctes, outer)
            self._check_rest(query, ctes, [*outer, {_ANY: columns}])
            return columns
        return self._measure_select(query, ctes, outer)

    def _measure_ctes(
        self, clause: exp.With, known: Mapping[str, Columns], outer: Sequence[Sources]
    ) -> dict[str, Columns]:
        ctes = dict(known)
        for entry in clause.expressions:
            name, names = entry.alias.lower(), entry.args["alias"].columns
            body = entry.this
            if clause.recursive and isinstance(body, exp.SetOperation):
                first = _rename_columns(self.measure_query(body.left, ctes, outer), names)
                ctes[name] = _measure_recursion(first, body)
                self.measure_query(body.right, ctes, outer)
            else:
                ctes[name] = _rename_columns(self.measure_query(body, ctes, outer), names)
        return ctes

    def _measure_select(
        self, select: exp.Expr, ctes: Mapping[str, Columns], outer: Sequence[Sources]
    ) -> Columns:
        sources: Sources = {}
        joins = select.args.get("joins") or []
        for part in [select.args.get("from_"), *joins]:
            if part is not None:
                self._add_sources(part.this, sources, ctes, [*outer, sources])
        columns: Columns = {}
        scopes = [*outer, sources, {_ANY: columns}]  # its own columns, for subqueries in it
        for place, projection in enumerate(select.expressions):
            name = (projection.alias_or_name or " ").lower()
            if projection.is_star:
                everything = [n for source in sources.values() for n in source.values()]
                columns[f"{_STAR} {place}"] = _take_most([_CELL, *everything])
                for source in sources.values():
                    columns |= {c: _take_most([n, columns.get(c, n)]) for c, n in source.items()}
            else:
                key = f"{name} {place}" if name in columns else name
                columns[key] = self.measure_node(projection, ctes, scopes)
        self._check_rest(select, ctes, scopes)
        return columns

    def _check_rest(
        self, query: exp.Expr, ctes: Mapping[str, Columns], scopes: Sequence[Sources]
    ) -> None:
        """Measure all clauses but those that have been looked at, for the work they take."""
        for clause, part in query.args.items():
            if clause in ("with_", "from_", "this", "expression", "expressions"):
                continue
            for node in part if isinstance(part, list) else [part]:
                if isinstance(node, exp.Join):
                    self._check_rest(node, ctes, scopes)
                elif isinstance(node, exp.Expr):
                    self.measure_node(node, ctes, scopes)

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
            sources[alias] = {_ANY: self.measure_node(part.this, ctes, scopes)}
        elif isinstance(part, exp.Subquery) and isinstance(part.this, exp.Query):
            columns = self.measure_query(part, ctes, scopes)
            names = part.args["alias"].columns if part.args.get("alias") else []
            sources[alias] = _rename_columns(columns, names)
        else:  # parentheses around tables
            self._add_sources(part.this, sources, ctes, scopes)

    def measure_node(
        self, node: exp.Expr, ctes: Mapping[str, Columns], scopes: Sequence[Sources]
    ) -> Measure:
        """Measure an expression. Raises _TooCostly for a call in it."""
        if isinstance(node, exp.Query):
            columns = self.measure_query(node, ctes, scopes).values()
            length = max((column.length for column in columns), default=_VALUE)
            return self._limit_parts(node, length, 1 + sum(column.parts for column in columns))
        if isinstance(node, exp.Column):
            return _measure_column(node, scopes)
        if isinstance(node, exp.Literal):
            # The parser makes short literals of its own, such as the number of INTERVAL 1 DAY.
            text = self._read_text(node)
            return Measure(len(node.name if text is None else text))
        parts = [self.measure_node(part, ctes, scopes) for part in _list_parts(node)]
        lengths = [part.length for part in parts]
        self._check_steps(node, lengths)
        length = self._find_result_length(node, lengths)
        if UNBOUNDED in lengths:
            length = min(length, UNBOUNDED)
        elif length > MOST_CHARACTERS:
            raise _TooCostly(
                f"{_name_function(node).upper()} may make a text of {length:,} characters, and "
                f"{MOST_CHARACTERS:,} are allowed"
            )
        return self._limit_parts(node, length, 1 + sum(part.parts for part in parts))

    def _limit_parts(self, node: exp.Expr, length: int, parts: int) -> Measure:
        if parts > MOST_PARTS:
            raise _TooCostly(
                f"{_name_function(node).upper()} is made of {parts:,} parts, as columns in it are "
                f"made of columns, and {MOST_PARTS:,} are allowed"
            )
        return Measure(length, parts)

    def _find_result_length(self, node: exp.Expr, lengths: Sequence[int]) -> int:
        match _name_function(node):
            case _ if isinstance(node, exp.Predicate | exp.Connector | exp.Not | _ARITHMETIC):
                length = _VALUE
            case "pad" | "space":
                length = PAD
            case "repeat":
                length = lengths[0] * PAD
            case "replace":
                of, old, new = lengths
                searched = self._read_text(node.args.get("expression"))
                length = max(of, of * new // (len(searched) if searched else min(old, 1) or 1))
            case "regexp_replace":
                length = self._find_replaced_length(node, *lengths)
            case "concat_ws":
                length = sum(lengths) + lengths[0] * len(lengths)
            case "group_concat" | "json_arrayagg" | "json_object_agg":
                length = AGGREGATED
            case "cast":
                length = max(sum(lengths), _read_declared_length(node))
            case name if name.startswith("json_") or name in ("hex", "quote", "time_to_str"):
                length = _VALUE + 6 * sum(lengths)  # a sign may become \u0001
            case _:
                length = _VALUE + sum(lengths)
        return length

    def _read_text(self, node: exp.Expr | None) -> str | None:
        """Return what an expression says if it is written out, as CONCAT('^', 'a') is."""
        match node:
            case exp.Literal():
                return self._texts.get(node.name) if node.is_string else node.name
            case exp.Paren() | exp.Collate():
                return self._read_text(node.this)
            case exp.Introducer():
                return self._read_text(node.expression)
            case exp.National():
                return self._texts.get(str(node.this))
            case exp.Concat():
                texts = [self._read_text(part) for part in node.expressions]
                return None if None in texts else "".join(map(str, texts))
        return None

    def _check_steps(self, node: exp.Expr, lengths: Sequence[int]) -> None:
        """Add up the steps of a call; all are done for a row without a look for a stop."""
        name = _name_function(node)
        longest, second = sorted([1, 1, *lengths])[:-3:-1]
        match name:
            case "replace" | "trim":
                steps = longest**2
            case "str_position" | "substring_index":
                steps = longest * second
            case "like":
                steps = _PER_LIKE * longest * second
            case "json_overlaps" | "json_contains" | "json_equals" | "json_merge_patch":
                steps = _PER_JSON * longest * second
            case "regexp_replace":
                steps = longest**2 + self._count_pattern_steps(node, lengths[0])
            case "regexp_like" | "regexp_substr" | "regexp_instr":
                steps = self._count_pattern_steps(node, lengths[0])
            case _:
                steps = 0
        self._steps += steps + _PER_SIGN * sum(lengths)
        if self._steps > MOST_STEPS:
            raise _TooCostly(
                f"up to {name.upper()} it may take {min(self._steps, 10**15):,} steps for a row, "
                f"in which MariaDB could not be stopped, and {MOST_STEPS:,} are allowed; use "
                "shorter texts, and regular expressions that begin with ^"
            )

    def _count_pattern_steps(self, node: exp.Expr, length: int) -> int:
        pattern = self._read_text(node.args.get("expression"))
        if pattern is None:
            raise _TooCostly("a regular expression must be written out, or be a bound value")
        if len(pattern) > LONGEST_PATTERN:
            raise _TooCostly(
                f"a regular expression has {len(pattern):,} characters, and {LONGEST_PATTERN:,} "
                "are allowed"
            )
        return count_search_steps(pattern, length)

    def _find_replaced_length(self, node: exp.Expr, of: int, _: int, new: int = 0) -> int:
        """Return the length of a text whose matches are replaced.

        There may be a match at each sign, and it may repeat groups as long as the text.
        """
        written = self._read_text(node.args.get("replacement"))
        groups = new if written is None else written.count("\\")
        return (of + 1) * (1 + new + groups * of)


def _list_parts(node: exp.Expr) -> Iterable[exp.Expr]:
    if isinstance(node, exp.Connector | exp.Add | exp.Mul):  # a AND b AND c is one, not two
        yield from node.flatten(unnest=False)
        return
    for part in node.args.values():
        for child in part if isinstance(part, list) else [part]:
            if isinstance(child, exp.Expr) and not isinstance(child, exp.Identifier | exp.DataType):
                yield child


def _name_function(node: exp.Expr) -> str:
    if isinstance(node, exp.Anonymous):
        return str(node.this).lower()
    return node.sql_name().lower() if isinstance(node, exp.Func) else node.key


def _read_declared_length(cast: exp.Expr) -> int:
    """Return the number of CHAR(…), which a recursive CTE may fill."""
    numbers = [int(part.name) for part in cast.args["to"].expressions if part.name.isdecimal()]
    return max(numbers, default=0)


def _take_most(measures: Iterable[Measure]) -> Measure:
    lengths, parts = zip(*measures, strict=True)
    return Measure(max(lengths), max(parts))


def _measure_column(column: exp.Column, scopes: Sequence[Sources]) -> Measure:
    """Return the most that a column may be: aliases hide one another in ways we do not follow."""
    name, table = column.name.lower(), column.table.lower()
    found = [
        source[name] if name in source else _take_most(source.values())
        for scope in scopes
        for alias, source in scope.items()
        if source and (not table or alias == table) and (alias != _ANY or name in source)
    ]
    return _take_most([_CELL, *found])


def _merge_columns(left: Columns, right: Columns) -> Columns:
    if _has_star(left) or _has_star(right):
        return dict.fromkeys(left, _take_most([*left.values(), *right.values()]))
    others = [*right.values(), *[_CELL] * len(left)]
    return {
        name: _take_most([n, other]) for (name, n), other in zip(left.items(), others, strict=False)
    }


def _rename_columns(columns: Columns, names: Sequence[exp.Expr]) -> Columns:
    if not names:
        return columns
    new = [name.name.lower() for name in names]
    if _has_star(columns):
        return dict.fromkeys(new, _take_most(columns.values()))
    return dict(zip(new, columns.values(), strict=False))


def _measure_recursion(first: Columns, body: exp.SetOperation) -> Columns:
    """Measure the columns of a recursive CTE, which adds to its texts for as long as it likes.

    A column has the type of its first row: what is made of short literals or CAST(… AS CHAR(9)) is
    kept to its length, while the type of a table's column may hold anything.
    """
    repeated = [one for select in _list_selects(body.right) for one in select.expressions]
    if not any(map(_makes_text, repeated)):
        return first
    made = _list_selects(body.left)[0].expressions
    typed = [not _reads_cells(projection) for projection in made]
    if _has_star(first) or len(typed) != len(first):
        typed = [False] * len(first)
    return {
        name: n if keeps_type and n.length <= _TYPED else Measure(UNBOUNDED)
        for (name, n), keeps_type in zip(first.items(), typed, strict=True)
    }


def _list_selects(query: exp.Expr) -> list[exp.Select]:
    if isinstance(query, exp.SetOperation):
        return [*_list_selects(query.left), *_list_selects(query.right)]
    return [query] if isinstance(query, exp.Select) else _list_selects(query.this)


def _makes_text(projection: exp.Expr) -> bool:
    made = projection.unalias()
    return made.is_star or not isinstance(made, exp.Column | exp.Literal | exp.Null | _ARITHMETIC)


def _reads_cells(projection: exp.Expr) -> bool:
    made = projection.unalias()
    if isinstance(made, exp.Cast) and _read_declared_length(made):
        return False
    return made.is_star or isinstance(made, exp.Column) or any(map(_reads_cells, _list_parts(made)))


def _has_star(columns: Columns) -> bool:
    return any(name.startswith(_STAR) for name in columns)
