"""The audit log: who asked what, and which documents and tables that read."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias

import sqlalchemy as sa

from stores.connection import read_snapshot, run_transaction
from stores.sql import statements

_SQL = {name: sa.text(sql) for name, sql in statements("audit_log.sql").items()}

Action: TypeAlias = Literal["ask", "chat", "search", "sql", "passages", "original", "share"]
AuditOutcome: TypeAlias = Literal["begun", "done", "failed", "stopped"]


@dataclass(frozen=True)
class AuditEntry:
    """Something that was asked, in UTC; `text` None was not kept.

    `documents` as ROOT/PATH and `tables` are what was read for it, cited or not.
    """

    id: int
    asked_at: datetime
    user: str | None
    way: str
    action: Action
    session_id: str | None
    text: str | None
    outcome: AuditOutcome
    error: str | None
    documents: Sequence[str]
    tables: Sequence[str]


@dataclass(frozen=True)
class AuditedEnd:
    """What came of an entry."""

    id: int
    outcome: AuditOutcome
    error: str | None = None
    documents: Sequence[str] = ()
    tables: Sequence[str] = ()


@dataclass(frozen=True)
class AuditFilter:
    """Which entries are asked for; None is any."""

    user: str | None = None
    document: str | None = None
    table: str | None = None
    days: int | None = None  # back from now


EVERY_ENTRY: Final = AuditFilter()


@dataclass(frozen=True)
class AuditLog:
    engine: sa.Engine

    def begin(
        self,
        action: Action,
        way: str,
        *,
        user: str | None = None,
        session_id: str | None = None,
        text: str | None = None,
    ) -> int:
        """Write an entry whose end is not known yet, and return its id. Raises StoreError."""
        values = {"action": action, "way": way, "user": user, "session_id": session_id}
        values["text"] = text
        return int(run_transaction(self.engine, lambda c: c.scalar(_SQL["begin"], values)))

    def finish(self, ends: Sequence[AuditedEnd]) -> None:
        """Write what came of entries. Raises StoreError."""
        rows = [
            {
                **vars(end),
                "documents": json.dumps(list(end.documents)),
                "tables": json.dumps(list(end.tables)),
            }
            for end in ends
        ]
        run_transaction(self.engine, lambda c: c.execute(_SQL["end"], rows), attempts=2)

    def list_entries(self, wanted: AuditFilter, limit: int) -> list[AuditEntry]:
        """List the last entries, the last one first."""
        values = {
            "user": wanted.user,
            "document": wanted.document,
            "table_name": wanted.table,
            "days": wanted.days,
            "limit": limit,
        }
        rows = read_snapshot(self.engine, lambda c: c.execute(_SQL["entries"], values).all())
        return [_make_entry(row._asdict()) for row in rows]

    def remove_older_than(self, days: int) -> None:
        while run_transaction(
            self.engine, lambda c: c.execute(_SQL["remove_old"], {"days": days}).rowcount
        ):
            pass


def _make_entry(row: dict[str, Any]) -> AuditEntry:
    named = {name: json.loads(row[name] or "[]") for name in ("documents", "tables")}
    return AuditEntry(**{**row, **named})
