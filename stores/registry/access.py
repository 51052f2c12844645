"""The audiences of documents: what the configuration and the documents themselves demand.

A document demands one of the groups of the first rule that its path matches, one of those that its
own metadata `groups` name, and one of those that somebody gave it, where there are such. Who meets
all demands sees it.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Self

import sqlalchemy as sa
from pathspec import GitIgnoreSpec

from stores.audiences import NAME_CHARACTERS
from stores.connection import read_snapshot, run_transaction
from stores.errors import ConfigError, StoreError
from stores.sql import statements

MARK: Final = "groups"
"""The key of a document's metadata that names who may see it."""

_SQL = {name: sa.text(sql) for name, sql in statements("access.sql").items()}
_GIVEN: Final = _SQL["given"].bindparams(sa.bindparam("ids", expanding=True))
_HOLD_GIVEN: Final = _SQL["hold_given"].bindparams(sa.bindparam("ids", expanding=True))
_NOBODY: Final = ("",)
Demand = tuple[str, ...]
"""Groups, of which one meets it; ascending."""


@dataclass(frozen=True)
class Audience:
    """Who may see a document: whoever meets the demand of a rule, and those of its marks."""

    ruled: Demand
    marks: frozenset[Demand] = frozenset()

    @cached_property
    def id(self) -> bytes:
        written = json.dumps([self.ruled, sorted(self.marks)])
        return hashlib.sha256(written.encode("utf-8", "surrogatepass")).digest()[:16]

    def list_rows(self) -> list[dict[str, Any]]:
        demands = [self.ruled, *sorted(self.marks)]
        return [
            {"id": self.id, "demand": number, "group_name": name, "demands": len(demands)}
            for number, demand in enumerate(demands)
            for name in demand or _NOBODY
        ]


@dataclass(frozen=True)
class AccessRule:
    """The groups for the paths of a pattern, as .gitignore has them, below one root or any."""

    path: str
    groups: Demand
    root: str | None = None

    @cached_property
    def _spec(self) -> GitIgnoreSpec:
        return GitIgnoreSpec.from_lines([self.path])

    def covers(self, root: str, path: str) -> bool:
        return self.root in (None, root) and self._spec.match_file(path)


@dataclass(frozen=True)
class AccessRules:
    """Rules for documents, the first of which that matches decides, and what holds without one.

    `found` is the digest of those that the audiences were made by when they were opened.
    """

    default: Demand
    rules: tuple[AccessRule, ...] = ()
    found: bytes | None = None

    @classmethod
    def open(cls, engine: sa.Engine, default: Iterable[str], rules: Iterable[AccessRule]) -> Self:
        found = read_snapshot(engine, lambda connection: connection.scalar(_SQL["rules"]))
        return cls(_sort_groups(default), tuple(rules), found and bytes(found))

    @cached_property
    def digest(self) -> bytes:
        written = [self.default, [(rule.root, rule.path, rule.groups) for rule in self.rules]]
        return hashlib.sha256(json.dumps(written).encode()).digest()

    def find_groups(self, root: str, path: str) -> Demand:
        rules = (rule.groups for rule in self.rules if rule.covers(root, path))
        return _sort_groups(next(rules, self.default))

    def require_current(self, connection: sa.Connection) -> None:
        """Keep other rules from being applied until the transaction ends.

        Raises ConfigError when others have been applied since these were opened.
        """
        applied = connection.scalar(_SQL["hold_rules"])
        if applied is not None and bytes(applied) != self.digest:
            raise _make_outdated()

    def apply(self, engine: sa.Engine, chunk_table: str) -> None:
        """Give every document the audience that these rules make, whatever it had before.

        When this returns nobody sees a document by other rules, and nobody writes one by them.
        Raises ConfigError when others have been applied since these were opened.
        """
        run_transaction(engine, lambda connection: self._apply(connection, chunk_table))

    def _apply(self, connection: sa.Connection, chunk_table: str) -> None:
        applied = connection.scalar(_SQL["lock_rules"])
        applied = applied and bytes(applied)
        if applied not in (self.digest, self.found):
            raise _make_outdated()
        if applied != self.digest:
            connection.execute(_SQL["set_rules"], {"digest": self.digest})
        marks = _read_known_marks(connection)
        new = _read_new_marks(connection, chunk_table)
        for document, given in _group_by_document(connection.execute(_SQL["all_given"])).items():
            new[document] = new.get(document, frozenset()) | {given}
        changed = []
        for row in connection.execute(_SQL["documents"]).all():
            known = row.audience and marks.get(bytes(row.audience), frozenset())
            audience = Audience(
                self.find_groups(row.root, row.path),
                new.get(row.id, frozenset()) if known is None else known,
            )
            if row.audience is None or bytes(row.audience) != audience.id:
                changed.append((row.id, audience))
        if changed:
            set_audiences(connection, changed)
            note_change(connection)

    def make_audience(self, root: str, path: str, marks: Iterable[Demand]) -> Audience:
        return Audience(self.find_groups(root, path), frozenset(marks))


def read_marks(metadata: Iterable[str]) -> frozenset[Demand]:
    """Read who may see a document from the metadata of its chunks, as JSON."""
    marked = (json.loads(text) for text in metadata if f'"{MARK}"' in text)
    return _to_demands(values.get(MARK) for values in marked)


def read_stored_marks(
    connection: sa.Connection, document_id: str, chunk_table: str
) -> frozenset[Demand]:
    """Read who may see a document from the chunks that are stored of it."""
    statement = sa.text(_SQL["marks_of"].text.format(table=f"`{chunk_table}`"))
    rows = connection.execute(statement, {"id": document_id})
    return _to_demands(json.loads(row.mark) for row in rows)


def give_groups(connection: sa.Connection, document_id: str, groups: Iterable[str]) -> None:
    """Give a document groups in the place of those that somebody gave it before.

    Raises StoreError for what cannot be the name of a group.
    """
    groups = [name.strip() for name in groups]
    if unfit := [name for name in groups if not 0 < len(name) <= NAME_CHARACTERS]:
        raise StoreError(
            f"{unfit[0][:80]!r} is no name of a group. It has 1 to {NAME_CHARACTERS} characters."
        )
    connection.execute(_SQL["take_back"], {"id": document_id})
    if demand := _sort_groups(groups):
        connection.execute(_SQL["give"], [{"id": document_id, "group_name": n} for n in demand])


def read_given(connection: sa.Connection, document_ids: Sequence[str]) -> dict[str, Demand]:
    """Read the groups that somebody gave to documents, by the ids of those that have such."""
    return _group_by_document(connection.execute(_GIVEN, {"ids": document_ids}))


def hold_given(connection: sa.Connection, document_ids: Sequence[str]) -> dict[str, Demand]:
    """Read the groups that somebody gave to documents as they are now, until the transaction ends.

    What it has read before may be older.
    """
    return _group_by_document(connection.execute(_HOLD_GIVEN, {"ids": document_ids}))


def find_id_at(connection: sa.Connection, root: str, path: str) -> str | None:
    """Find the id of the document at a place, which may have moved there with it."""
    found = connection.scalar(_SQL["id_at"], {"root": root, "path": path})
    return None if found is None else str(found)


def find_place(connection: sa.Connection, document_id: str) -> tuple[str, str] | None:
    """Find the root and path of a document, whose audience nobody else sets meanwhile."""
    row = connection.execute(_SQL["place"], {"id": document_id}).one_or_none()
    return None if row is None else (row.root, row.path)


def read_audience_id(connection: sa.Connection, document_id: str) -> bytes | None:
    """Read the id of the audience of a document; None when it has none yet, or is not there."""
    found = connection.scalar(_SQL["audience_of"], {"id": document_id})
    return None if found is None else bytes(found)


def set_audiences(connection: sa.Connection, documents: Sequence[tuple[str, Audience]]) -> None:
    """Set the audiences of documents, by their ids."""
    audiences = {audience.id: audience for _, audience in documents}
    rows = [row for audience in audiences.values() for row in audience.list_rows()]
    connection.execute(_SQL["add"], rows)
    values = [{"id": document, "audience": audience.id} for document, audience in documents]
    connection.execute(_SQL["set"], values)


def note_change(connection: sa.Connection) -> None:
    """Note that audiences have changed without their documents, which kept results heed."""
    connection.execute(_SQL["note_change"])


def _read_known_marks(connection: sa.Connection) -> dict[bytes, frozenset[Demand]]:
    """Read what is marked in the documents of each audience."""
    marks: dict[bytes, dict[int, list[str]]] = {}
    for row in connection.execute(_SQL["known"]):
        of_audience = marks.setdefault(bytes(row.id), {})
        if row.demand:
            of_audience.setdefault(row.demand, []).append(row.group_name)
    return {
        audience: frozenset(map(_sort_groups, demands.values()))
        for audience, demands in marks.items()
    }


def _read_new_marks(connection: sa.Connection, chunk_table: str) -> dict[str, frozenset[Demand]]:
    """Read what is marked in documents without an audience."""
    statement = sa.text(_SQL["marks"].text.format(table=f"`{chunk_table}`"))
    marks: dict[str, frozenset[Demand]] = {}
    for row in connection.execute(statement):
        marks[row.id] = marks.get(row.id, frozenset()) | _to_demands([json.loads(row.mark)])
    return marks


def _group_by_document(rows: Iterable[Any]) -> dict[str, Demand]:
    given: dict[str, list[str]] = {}
    for row in rows:
        given.setdefault(row.id, []).append(row.group_name)
    return {document: _sort_groups(names) for document, names in given.items()}


def _to_demands(values: Iterable[Any]) -> frozenset[Demand]:
    return frozenset(_to_demand(value) for value in values if value is not None)


def _to_demand(value: Any) -> Demand:
    """Make a demand of what a document says; of what names no group, one that nobody meets."""
    values = value if isinstance(value, list) else [value]
    names = (name.strip() for name in values if isinstance(name, str))
    return _sort_groups(name for name in names if len(name) <= NAME_CHARACTERS) or _NOBODY


def _sort_groups(names: Iterable[str]) -> Demand:
    return tuple(sorted(set(names)))


def _make_outdated() -> ConfigError:
    return ConfigError(
        "The rules of `access` in config.yaml were changed and applied by another process since "
        "this one has read them. Start this one again."
    )
