"""What answers were like, and what they cost, without LlamaIndex, which takes seconds."""

import calendar
from collections.abc import Iterable
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, cast

import sqlalchemy as sa

from kb.config.sections import Config
from kb.prices import Prices, load_prices
from stores.answers.answer_log import AnswerLog, DailyUse, find_month
from stores.answers.model_use import ModelKind, ModelUse
from stores.errors import ConfigError

_COUNTED: Final = ("unanswered", "failed", "up", "down")
_OF_QUESTIONS: Final = ("answer", "search", "memory")
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


def estimate_costs(
    engine: sa.Engine, config: Config, questions: int, days: int, model: str | None = None
) -> dict[str, Any]:
    """Estimate what so many questions would cost, if they are as those of the last days.

    What each model took for them is scaled, by a language model of another name if one is given.
    A cost is None where there is no price. Raises ConfigError when nothing was asked.
    """
    answered = int(read_statistics(engine, days)["total"]["answers"])
    if not answered:
        raise ConfigError(
            f"No question was answered in the last {days} days, so there is nothing to go by. Ask "
            "some, or look further back with --days."
        )
    taken: dict[tuple[str, str], ModelUse] = {}
    for use in AnswerLog(engine).list_uses(datetime.now(UTC).date() - timedelta(days=days - 1)):
        if use.purpose in _OF_QUESTIONS:
            name = model if model and use.kind == "llm" else use.model
            counts = {each: getattr(use, each) for each in _SUMMED}
            one = ModelUse(cast("ModelKind", use.kind), name, **counts)
            known = taken.get((use.kind, name))
            taken[use.kind, name] = known + one if known else one
    prices = load_prices(config.cost.prices)
    share = questions / answered
    models = [_scale_use(use, share, prices) for use in taken.values()]
    costs = [use["cost"] for use in models]
    return {
        "questions": questions,
        "answered": answered,
        "days": days,
        "currency": prices.currency if prices else None,
        "cost": None if None in costs or not prices else sum(costs),
        "models": models,
    }


def _scale_use(use: ModelUse, share: float, prices: Prices | None) -> dict[str, Any]:
    counts = {name: round(getattr(use, name) * share) for name in _SUMMED}
    cost = prices.find_cost(replace(use, **counts)) if prices else None
    told = None if cost is None else float(cost)
    return {"kind": use.kind, "model": use.model, **counts, "cost": told}


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
