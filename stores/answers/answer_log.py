"""The log of answers, and what models took each day."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias

import sqlalchemy as sa

from stores.answers.model_use import ModelUse
from stores.connection import read_snapshot, run_transaction
from stores.sql import statements

_SQL = {name: sa.text(sql) for name, sql in statements("answer_log.sql").items()}

Outcome: TypeAlias = Literal["answered", "unanswered", "failed"]
Purpose: TypeAlias = Literal["answer", "search", "index", "memory", "embeddings", "benchmark"]
NO_ROUTE: Final = "none"
"""The route of an answer that no source was asked for."""


@dataclass(frozen=True)
class LoggedAnswer:
    """A question and what came of it, in UTC; `question` None keeps no text.

    `steps` are milliseconds by step; `way` is how it was asked for, as the command line.
    """

    way: str
    outcome: Outcome
    milliseconds: float
    route: str = NO_ROUTE
    user: str | None = None
    session_id: str | None = None
    turn_id: str | None = None
    search_id: str | None = None
    error: str | None = None
    question: str | None = None
    steps: Mapping[str, float] = field(default_factory=dict)
    best_score: float | None = None
    model: str | None = None


@dataclass(frozen=True)
class LoggedCalls:
    """What models took for one thing, with the `answer` if it was one that is logged.

    `currency` is that of the costs, "" where no price is known at all.
    """

    purpose: Purpose
    uses: Sequence[ModelUse]
    user: str | None = None
    currency: str = ""
    answer: LoggedAnswer | None = None
    at: datetime = field(default_factory=lambda: datetime.now(UTC).replace(tzinfo=None))


@dataclass(frozen=True)
class Step:
    """A step of an answer, and the milliseconds that it took."""

    step: str
    ms: float


@dataclass(frozen=True)
class SlowAnswer:
    """An answer that took long; the question is None where the log keeps no texts, time in UTC."""

    question: str | None
    route: str
    milliseconds: float
    answered_at: datetime
    outcome: Outcome
    model: str | None
    steps: Sequence[Step]


@dataclass(frozen=True)
class DailyUse:
    """What a model took on a day, by whose key, "" without one; `unpriced` calls cost nobody knows.

    `cost` is that of the others.
    """

    day: date
    user: str
    purpose: Purpose
    kind: str
    model: str
    currency: str
    calls: int
    unpriced: int
    estimated: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    milliseconds: float
    cost: Decimal


@dataclass(frozen=True)
class AnswerLog:
    engine: sa.Engine

    def add(self, entries: Sequence[LoggedCalls]) -> None:
        """Log all of them, or none. Raises StoreError, StoreUnavailable."""
        answers = [_make_answer_row(entry.answer, entry) for entry in entries if entry.answer]
        uses = _add_up_rows(entries)

        def work(connection: sa.Connection) -> None:
            if answers:
                connection.execute(_SQL["add_answer"], answers)
            if uses:
                connection.execute(_SQL["add_use"], uses)

        run_transaction(self.engine, work, attempts=2)

    def remove_older_than(self, days: int) -> None:
        """Delete the answers that are older; what models took each day stays."""
        while run_transaction(
            self.engine, lambda c: c.execute(_SQL["remove_old"], {"days": days}).rowcount
        ):
            pass

    def list_slowest(self, days: int, limit: int) -> list[SlowAnswer]:
        """List the answers of the last days that took longest, with the milliseconds of steps."""
        values = {"days": days, "limit": limit}
        rows = read_snapshot(
            self.engine, lambda c: c.execute(_SQL["slowest"], values).mappings().all()
        )
        return [
            SlowAnswer(**{**row, "steps": [Step(**step) for step in json.loads(row["steps"])]})
            for row in rows
        ]

    def read_statistics(self, days: int) -> dict[str, list[dict[str, Any]]]:
        """Read what the last days were like: `days`, `steps`, `errors` and `ways`, a list each."""
        blocks = {"days": "answers_by_day", "steps": "steps", "errors": "errors", "ways": "ways"}
        values = {"days": days}

        def work(connection: sa.Connection) -> dict[str, list[dict[str, Any]]]:
            return {
                name: [dict(row) for row in connection.execute(_SQL[block], values).mappings()]
                for name, block in blocks.items()
            }

        return read_snapshot(self.engine, work)

    def list_uses(self, since: date) -> list[DailyUse]:
        """List what models took from a day on, the last day first."""
        values = {"since": since}
        rows = read_snapshot(self.engine, lambda c: c.execute(_SQL["uses"], values).all())
        return [DailyUse(**row._asdict()) for row in rows]

    def add_up_spent(self, since: date, currency: str, user: str | None = None) -> Decimal:
        """Add up what was spent since a day, by a key or by all."""
        values = {"since": since, "currency": currency, "user": user}
        spent = read_snapshot(self.engine, lambda c: c.scalar(_SQL["spent"], values))
        return Decimal(spent or 0)


def find_month() -> date:
    """Return the first day of this month, in UTC."""
    return datetime.now(UTC).date().replace(day=1)


def _make_answer_row(answer: LoggedAnswer, entry: LoggedCalls) -> dict[str, Any]:
    costs = [use.cost for use in entry.uses]
    texts = [use for use in entry.uses if use.kind == "llm"]
    steps = [{"step": step, "ms": taken} for step, taken in answer.steps.items()]
    return {
        **vars(answer),
        "answered_at": entry.at.isoformat(" "),  # mariadb 2.0.0rc2 fails on times of a bulk insert
        "steps": json.dumps(steps),
        "calls": json.dumps([asdict(use) for use in entry.uses], default=str),
        "prompt_tokens": sum(use.prompt_tokens for use in texts),
        "completion_tokens": sum(use.completion_tokens for use in texts),
        "cached_tokens": sum(use.cached_tokens for use in texts),
        "embedding_tokens": sum(u.prompt_tokens for u in entry.uses if u.kind == "embedding"),
        "cost": None if None in costs else str(sum(filter(None, costs), Decimal())),
        "currency": entry.currency or None,
    }


_SUMMED: Final = ("calls", "estimated", "prompt_tokens", "completion_tokens", "cached_tokens")


def _add_up_rows(entries: Sequence[LoggedCalls]) -> list[dict[str, Any]]:
    """Make one row of each day, key and model, in an order in which no two writers deadlock."""
    rows: dict[tuple[str, ...], dict[str, Any]] = {}
    for entry in entries:
        for use in entry.uses:
            names = ("day", "user", "purpose", "kind", "model", "currency")
            day, user = entry.at.date().isoformat(), entry.user or ""
            key = (day, user, entry.purpose, use.kind, use.model[:255], entry.currency)
            zeros = dict.fromkeys((*_SUMMED, "unpriced"), 0)
            empty = {**dict(zip(names, key, strict=True)), **zeros}
            row = rows.setdefault(key, {**empty, "milliseconds": 0.0, "cost": Decimal()})
            for name in (*_SUMMED, "milliseconds"):
                row[name] += getattr(use, name)
            row["unpriced"] += use.calls if use.cost is None else 0
            row["cost"] += use.cost or 0
    return [{**rows[key], "cost": str(rows[key]["cost"])} for key in sorted(rows)]
