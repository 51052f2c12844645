"""Verified queries: questions whose SQL a person has checked."""

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal, TypeAlias

import sqlalchemy as sa

from stores.connection import in_snapshot, in_transaction
from stores.errors import StoreError
from stores.sql import statements

_SQL = {name: sa.text(sql) for name, sql in statements("verified_queries.sql").items()}

Value: TypeAlias = str | int | float | Decimal | date | datetime | None
Origin: TypeAlias = Literal["file", "saved"]


@dataclass(frozen=True)
class VerifiedQuery:
    """`parameters` holds what a :name of the SQL is bound to when a question leaves it open.

    `wordings` ask the same in other words, `descriptions` tell what the parameters mean, `units`
    what the columns count in: EUR, %, days.
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


@dataclass(frozen=True)
class VerifiedQueries:
    """The table of them; `load` keeps it like a file, and what was saved besides."""

    engine: sa.Engine

    def __iter__(self) -> Iterator[VerifiedQuery]:
        """As they are now."""
        return iter(self.all())

    def all(self) -> list[VerifiedQuery]:
        rows = in_snapshot(self.engine, lambda c: c.execute(_SQL["all"]).all())
        return [_query(row) for row in rows]

    def one(self, name: str) -> VerifiedQuery:
        """Raises StoreError when there is none of that name."""
        known = {query.name: query for query in self.all()}
        if name not in known:
            raise _unknown(name, list(known))
        return known[name]

    def save(self, query: VerifiedQuery) -> None:
        """Keep one, in the place of one of that name."""
        in_transaction(self.engine, lambda c: c.execute(_SQL["save"], _row(query)))

    def confirm(self, name: str, verified_by: str, verified_at: date) -> None:
        """Note that somebody has checked it anew. Raises StoreError when there is none."""
        values = {"name": name, "verified_by": verified_by, "verified_at": verified_at}
        self.one(name)
        in_transaction(self.engine, lambda c: c.execute(_SQL["confirm"], values))

    def remove(self, name: str) -> None:
        """Raises StoreError when there is none of that name."""
        self.one(name)
        in_transaction(self.engine, lambda c: c.execute(_SQL["remove"], {"name": name}))

    def load(self, queries: Sequence[VerifiedQuery]) -> list[str]:
        """Keep those of a file, and no others of it; names that saved ones hold already."""
        known = self.all()
        saved = {query.name for query in known if query.origin == "saved"}
        loaded = [query for query in queries if query.name not in saved]
        if sorted(loaded, key=_name) != sorted(
            (query for query in known if query.origin == "file"), key=_name
        ):
            in_transaction(self.engine, lambda c: _replace(c, loaded))
        return [query.name for query in queries if query.name in saved]


def _replace(connection: sa.Connection, queries: Sequence[VerifiedQuery]) -> None:
    connection.execute(_SQL["remove_loaded"])
    if queries:
        connection.execute(_SQL["save"], [_row(query) for query in queries])


def _name(query: VerifiedQuery) -> str:
    return query.name


def _unknown(name: str, known: Sequence[str]) -> StoreError:
    near = difflib.get_close_matches(name, known, n=1)
    meant = f" Did you mean {near[0]}?" if near else ""
    return StoreError(f"There is no verified query {name!r}.{meant}")


def _row(query: VerifiedQuery) -> dict[str, Any]:
    return {
        "name": query.name,
        "origin": query.origin,
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


def _query(row: Any) -> VerifiedQuery:
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
    )


def _to_json(value: Value) -> Any:
    """What JSON has no type for is an object of one key, which is the type."""
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
