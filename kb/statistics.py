"""What answers were like, and what they cost, without LlamaIndex, which takes seconds."""

import calendar
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import sqlalchemy as sa

from kb.config.sections import Config
from kb.prices import load_prices
from stores.answers.answer_log import AnswerLog, DailyUse, find_month

_COUNTED: Final = ("unanswered", "failed", "up", "down")
_SUMMED: Final = ("calls", "prompt_tokens", "completion_tokens", "cached_tokens")


def read_statistics(engine: sa.Engine, days: int) -> dict[str, Any]:
    """Read the answers of the last days: by day and route, their steps, errors and ways in.

    Times are milliseconds, days in UTC; `total` has the shares of all.
    """
    told = AnswerLog(engine).read_statistics(days)
    counts = {
        name: sum(int(row[name]) for row in told["days"] if row[name])
        for name in ("answers", "unanswered", "failed", "up", "down")
    }
    share = counts["unanswered"] / counts["answers"] if counts["answers"] else None
    rows = {name: [_to_numbers(row) for row in rows] for name, rows in told.items()}
    return {"total": {**counts, "unanswered_share": share}, **rows}


def _to_numbers(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row whose sums, which MariaDB gives as decimals, are whole numbers."""
    return {name: int(value or 0) if name in _COUNTED else value for name, value in row.items()}


def read_costs(engine: sa.Engine, config: Config, days: int) -> dict[str, Any]:
    """Read what models took in the last days, and what this month costs until now and to its end.

    A cost is None where there is no price of any call; `unpriced` calls are in none. The budget is
    that of all, with its part that is spent.
    """
    log, today = AnswerLog(engine), datetime.now(UTC).date()
    uses = log.list_uses(today - timedelta(days=days - 1))
    prices = load_prices(config.cost.prices)
    budget = config.cost.budget.month if config.cost.budget else None
    return {
        "currency": prices.currency if prices else None,
        "month": _sum_up_month(log.list_uses(find_month()), budget),
        "uses": [_describe_use(use) for use in uses],
    }


def _sum_up_month(uses: Iterable[DailyUse], budget: float | None) -> dict[str, Any]:
    """Sum up this month; what is expected goes on as its days until now."""
    uses, now = list(uses), datetime.now(UTC)
    spent = sum((use.cost for use in uses), Decimal())
    _, length = calendar.monthrange(now.year, now.month)
    gone = now.day - 1 + (now.hour * 60 + now.minute) / 1440
    is_known = any(use.calls > use.unpriced for use in uses) or not uses
    return {
        "since": find_month(),
        "cost": float(spent) if is_known else None,
        "expected": float(spent) / max(gone, 0.5) * length if is_known else None,
        "unpriced": sum(use.unpriced for use in uses),
        "budget": budget,
        "spent_share": float(spent) / budget if budget else None,
        **{name: sum(getattr(use, name) for use in uses) for name in _SUMMED},
    }


def _describe_use(use: DailyUse) -> dict[str, Any]:
    cost = float(use.cost) if use.unpriced < use.calls else None
    key = use.user or None
    values = {**asdict(use), "cost": cost, "currency": use.currency or None, "key": key}
    return {name: value for name, value in values.items() if name != "user"}
