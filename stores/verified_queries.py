"""Verified queries: questions whose SQL a person has checked."""

import dataclasses
import difflib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias

import sqlalchemy as sa

from stores.connection import read_snapshot, run_transaction
from stores.errors import StoreError, VerifiedQueryConflict
from stores.sql import statements
from stores.text.tokens import fold
from stores.values import Value

_SQL = {name: sa.text(sql) for name, sql in statements("verified_queries.sql").items()}

Origin: TypeAlias = Literal["file", "saved"]
Action: TypeAlias = Literal["saved", "confirmed", "removed"]
MOST_SAVED: Final = 1_000  # by one key, or on this machine: each question is compared with all
MOST_CHARACTERS: Final = 500_000  # of these together: a server parses all before it answers
_VERSIONS_OF_NAME: Final = 100
_VERSIONS_OF_EDITOR: Final = 10_000


@dataclass(frozen=True)
class VerifiedQuery:
    """`parameters` holds what a :name of the SQL is bound to when a question leaves it open.

    `wordings` ask the same in other words, `descriptions` tell what the parameters mean, `units`
    what the columns count in: EUR, %, days. `key` is the API key that saved it, None for one of the
    file and one that somebody on this machine has saved.
    """

    name: str
    question: str
    sql: str
    language: str
    verified_by: str
    verified_at: date
    parameters: Mapping[str, Value] = field(default_factory=dict)
    wordings: tuple[str, ...] = ()
    descriptions: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    origin: Origin = "saved"
    key: str | None = None


@dataclass(frozen=True)
class Editor:
    """Who saves, confirms or removes: a person on this machine, or an API key.

    Without `changes_all` a key changes only what it has saved itself.
    """

    name: str
    is_key: bool = False
    changes_all: bool = True

    @property
    def key(self) -> str | None:
        return self.name if self.is_key else None

    def may_change(self, query: VerifiedQuery) -> bool:
        return self.changes_all or (self.is_key and query.key == self.name)


@dataclass(frozen=True)
class Version:
    """What was done to a query that was saved, and the query as it was then."""

    number: int
    action: Action
    changed_by: str
    by_key: bool
    changed_at: datetime
    query: VerifiedQuery


@dataclass(frozen=True)
class _Read:
    """What was read last, while the table is in this state."""

    state: tuple[int, int | None]
    queries: Sequence[VerifiedQuery]


@dataclass(frozen=True)
class VerifiedQueries:
    """The table of them; `load` keeps it like a file, and what was saved besides.

    One of the file hides one of its name that was saved. Of those that were saved each change is
    kept, with who made it: the last hundred of each name, and ten thousand of each editor.
    """

    engine: sa.Engine
    allows: Callable[[VerifiedQuery], bool] | None = None
    """Which of them are there for somebody; all without it."""
    _last_read: list[_Read] = field(default_factory=list, init=False, repr=False, compare=False)

    def __iter__(self) -> Iterator[VerifiedQuery]:
        """Go through the queries as they are now."""
        return iter(self.list_queries())

    def list_queries(self) -> list[VerifiedQuery]:
        """List the queries, those of the file first, those of keys last."""
        queries = read_snapshot(self.engine, self._read_queries)
        return [query for query in queries if self.allows is None or self.allows(query)]

    def _read_queries(self, connection: sa.Connection) -> Sequence[VerifiedQuery]:
        """Read the queries unless nothing has changed: each question asks for them."""
        state = connection.execute(_SQL["state"]).one()
        now = int(state.queries), state.last
        for read in self._last_read:
            if read.state == now:
                return read.queries
        queries = _drop_hidden(map(row_to_query, connection.execute(_SQL["all"]).all()))
        self._last_read[:] = [_Read(now, queries)]
        return queries

    def one(self, name: str) -> VerifiedQuery:
        """Find a query by its name. Raises StoreError when there is none."""
        return _find_named(name, self.list_queries())

    def save(self, query: VerifiedQuery, by: Editor, *, replace: bool = False) -> VerifiedQuery:
        """The query as it is kept, which belongs to its editor's key.

        Raises VerifiedQueryConflict for a name or a question that another one has, unless it is one
        to replace; for one too many of an editor.
        """
        kept = dataclasses.replace(query, origin="saved", key=by.key)
        run_transaction(self.engine, lambda c: _save_apart(c, kept, by, may_replace=replace))
        return kept

    def confirm(self, name: str, verified_by: str, verified_at: date, by: Editor) -> None:
        """Note that somebody has checked a query anew.

        Raises StoreError when there is none, VerifiedQueryConflict for another's and the file's.
        """

        def work(connection: sa.Connection) -> None:
            known = _find_changeable(connection, name, by)
            new = dataclasses.replace(known, verified_by=verified_by, verified_at=verified_at)
            connection.execute(_SQL["save"], query_to_row(new))
            _keep_version(connection, new, "confirmed", by)

        run_transaction(self.engine, work)

    def remove(self, name: str, by: Editor) -> None:
        """Remove a saved query. Raises StoreError, and VerifiedQueryConflict for another's."""

        def work(connection: sa.Connection) -> None:
            known = _find_changeable(connection, name, by)
            connection.execute(_SQL["remove"], {"name": name})
            _keep_version(connection, known, "removed", by)

        run_transaction(self.engine, work)

    def list_versions(self, name: str) -> list[Version]:
        """List the versions of a name, from the first that is left.

        Raises StoreError when none of that name was ever saved.
        """
        allows = self.allows
        if allows is None:
            return read_snapshot(self.engine, lambda c: _read_versions(c, name))
        versions: list[Version] = []
        with suppress(StoreError):  # which would name another one
            versions = read_snapshot(self.engine, lambda c: _read_versions(c, name))
        if told := [version for version in versions if allows(version.query)]:
            return told
        raise _refuse_name(name, [query.name for query in self.list_queries()])

    def load(self, queries: Sequence[VerifiedQuery]) -> list[str]:
        """Keep the queries of a file and no others of it; return the names that hide saved ones."""
        rows = read_snapshot(self.engine, lambda c: c.execute(_SQL["all"]).all())
        known = [row_to_query(row) for row in rows]
        saved = {query.name for query in known if query.origin == "saved"}
        if sorted(queries, key=_name) != sorted(
            (query for query in known if query.origin == "file"), key=_name
        ):
            run_transaction(self.engine, lambda c: _replace_loaded(c, queries))
        return [query.name for query in queries if query.name in saved]


def _replace_loaded(connection: sa.Connection, queries: Sequence[VerifiedQuery]) -> None:
    connection.execute(_SQL["all_locked"])
    connection.execute(_SQL["remove_loaded"])
    if queries:
        connection.execute(_SQL["save"], [query_to_row(query) for query in queries])


def _save_apart(
    connection: sa.Connection, query: VerifiedQuery, by: Editor, *, may_replace: bool
) -> None:
    known = _lock_all(connection)
    for other in known:
        _require_apart(query, other, by, may_replace=may_replace)
    _require_room(query, known, by)
    connection.execute(_SQL["save"], query_to_row(query))
    _keep_version(connection, query, "saved", by)


def _require_apart(
    query: VerifiedQuery, other: VerifiedQuery, by: Editor, *, may_replace: bool
) -> None:
    """Refuse two that have one name or answer one question: each would hide the other."""
    if other.name != query.name:
        if not _fold_questions(query).isdisjoint(_fold_questions(other)):
            raise refuse_question(other)
        return
    if other.origin == "file" or not by.may_change(other):
        raise _refuse_change(other)
    if not may_replace:
        raise VerifiedQueryConflict(
            f"There is a verified query {query.name!r}. Choose another name, or remove it first."
        )


def _require_room(query: VerifiedQuery, known: Sequence[VerifiedQuery], by: Editor) -> None:
    own = [
        other
        for other in known
        if other.origin == "saved" and other.key == by.key and other.name != query.name
    ]
    if len(own) >= MOST_SAVED:
        raise VerifiedQueryConflict(
            f"{by.name} has saved {MOST_SAVED:,} verified queries, the most that one may. Remove "
            "some."
        )
    values = [value for each in (*own, query) for value in query_to_row(each).values()]
    if sum(len(str(value)) for value in values) > MOST_CHARACTERS:
        raise VerifiedQueryConflict(
            f"The verified queries of {by.name} would have more than {MOST_CHARACTERS:,} "
            "characters. Remove some."
        )


def refuse_question(by: VerifiedQuery) -> VerifiedQueryConflict:
    return VerifiedQueryConflict(
        f"The verified query {by.name!r} answers this question already. Remove it first, or ask "
        "for something else."
    )


def _refuse_change(query: VerifiedQuery) -> VerifiedQueryConflict:
    if query.origin == "file":
        return VerifiedQueryConflict(
            f"The verified query {query.name!r} is of the file of verified queries. Change it, or "
            "take it out, there."
        )
    return VerifiedQueryConflict(
        f"The verified query {query.name!r} was saved by somebody else, who may change it, as may "
        "a key of scope admin. Choose another name."
    )


def _fold_questions(query: VerifiedQuery) -> frozenset[str]:
    """Fold the questions of a query, however they are spaced, ended and written in capitals."""
    return frozenset(
        fold(" ".join(text.split())).rstrip(" .?!") for text in (query.question, *query.wordings)
    )


def _find_changeable(connection: sa.Connection, name: str, by: Editor) -> VerifiedQuery:
    known = _find_named(name, _lock_all(connection))
    if known.origin == "file" or not by.may_change(known):
        raise _refuse_change(known)
    return known


def _lock_all(connection: sa.Connection) -> Sequence[VerifiedQuery]:
    return _drop_hidden(map(row_to_query, connection.execute(_SQL["all_locked"]).all()))


def _drop_hidden(queries: Iterable[VerifiedQuery]) -> Sequence[VerifiedQuery]:
    """Drop those that are hidden: of each name the first stays, the file's if it has one."""
    by_name: dict[str, VerifiedQuery] = {}
    for query in queries:
        by_name.setdefault(query.name, query)
    return list(by_name.values())


def _keep_version(
    connection: sa.Connection, query: VerifiedQuery, action: Action, by: Editor
) -> None:
    editor = {"changed_by": by.name, "by_key": by.is_key}
    connection.execute(_SQL["keep_version"], {**query_to_row(query), **editor, "action": action})
    of_name = {"name": query.name, "most": _VERSIONS_OF_NAME}
    connection.execute(_SQL["forget_versions_of_name"], of_name)
    of_editor = {**editor, "most": _VERSIONS_OF_EDITOR}
    connection.execute(_SQL["forget_versions_of_editor"], of_editor)


def _read_versions(connection: sa.Connection, name: str) -> list[Version]:
    rows = connection.execute(_SQL["versions"], {"name": name}).all()
    if not rows:
        raise _refuse_name(name, connection.execute(_SQL["names_of_versions"]).scalars().all())
    return [
        Version(
            number=row.number,
            action=row.action,
            changed_by=row.changed_by,
            by_key=bool(row.by_key),
            changed_at=row.changed_at,
            query=row_to_query(row),
        )
        for row in rows
    ]


def _name(query: VerifiedQuery) -> str:
    return query.name


def _find_named(name: str, known: Sequence[VerifiedQuery]) -> VerifiedQuery:
    for query in known:
        if query.name == name:
            return query
    raise _refuse_name(name, [query.name for query in known])


def _refuse_name(name: str, known: Sequence[str]) -> StoreError:
    near = difflib.get_close_matches(name, known, n=1)
    meant = f" Did you mean {near[0]}?" if near else ""
    return StoreError(f"There is no verified query {name!r}.{meant}")


def query_to_row(query: VerifiedQuery) -> dict[str, Any]:
    """Make the row of a query, with JSON for what no column holds."""
    return {
        "name": query.name,
        "origin": query.origin,
        "key_name": query.key,
        "question": query.question,
        "language": query.language,
        "wordings": json.dumps(query.wordings, ensure_ascii=False),
        "statement": query.sql,
        "parameters": json.dumps(
            {name: _to_json(value) for name, value in query.parameters.items()}, ensure_ascii=False
        ),
        "descriptions": json.dumps(dict(query.descriptions), ensure_ascii=False),
        "units": json.dumps(dict(query.units), ensure_ascii=False),
        "verified_by": query.verified_by,
        "verified_at": query.verified_at,
    }


def row_to_query(row: Any) -> VerifiedQuery:
    """Make the query of a row. Raises ValueError for JSON that is none."""
    parameters = json.loads(row.parameters).items()
    return VerifiedQuery(
        name=row.name,
        question=row.question,
        sql=row.statement,
        language=row.language,
        verified_by=row.verified_by,
        verified_at=row.verified_at,
        parameters={name: _from_json(value) for name, value in parameters},
        wordings=tuple(json.loads(row.wordings)),
        descriptions=json.loads(row.descriptions),
        units=json.loads(row.units),
        origin=row.origin,
        key=row.key_name,
    )


def _to_json(value: Value) -> Any:
    """Write what JSON has no type for as an object of one key, which is the type."""
    match value:
        case Decimal():
            return {"decimal": str(value)}
        case datetime():
            return {"datetime": value.isoformat()}
        case date():
            return {"date": value.isoformat()}
    return value


def _from_json(value: Any) -> Value:
    match value:
        case {"decimal": written}:
            return Decimal(written)
        case {"datetime": written}:
            return datetime.fromisoformat(written)
        case {"date": written}:
            return date.fromisoformat(written)
    plain: Value = value
    return plain
