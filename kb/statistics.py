"""What answers were like, and what they cost, without LlamaIndex, which takes seconds."""

import calendar
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, cast

import sqlalchemy as sa
from typing_extensions import TypedDict

from kb.config.sections import Config
from kb.prices import Prices, find_cost, load_prices
from stores.answers.answer_log import AnswerLog, DailyUse, Purpose, find_month
from stores.answers.model_use import ModelKind, ModelUse
from stores.errors import ConfigError

_COUNTED: Final = ("unanswered", "failed", "up", "down")
_OF_QUESTIONS: Final = ("answer", "search", "memory")
_SUMMED: Final = ("calls", "prompt_tokens", "completion_tokens", "cached_tokens")


class Sums(TypedDict):
    """Answers, with those that had none, those that failed, and how they were rated."""

    answers: int
    unanswered: int
    failed: int
    up: int
    down: int


class Total(Sums):
    unanswered_share: float | None


class DayOfRoute(Sums):
    """The answers of a day by a route; half of them took so many milliseconds, 95 of 100 others."""

    day: date
    route: str
    p50: float
    p95: float


class StepOfRoute(TypedDict):
    """How long a step took, in milliseconds."""

    route: str
    step: str
    answers: int
    p50: float
    p95: float


class DayOfError(TypedDict):
    day: date
    error: str
    answers: int


class WayIn(TypedDict):
    way: str
    answers: int


class Statistics(TypedDict):
    total: Total
    days: list[DayOfRoute]
    steps: list[StepOfRoute]
    errors: list[DayOfError]
    ways: list[WayIn]


class ModelCounts(TypedDict):
    calls: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int


class MonthCost(ModelCounts):
    """What this month costs until now, and what is `expected` of it; null where it is not known."""

    since: date
    cost: float | None
    expected: float | None
    unpriced: int
    budget: float | None
    spent_share: float | None


class DayCost(ModelCounts):
    """What a model took on a day, for whose `key`; `unpriced` calls are not in the `cost`."""

    day: date
    key: str | None
    purpose: Purpose
    kind: str
    model: str
    currency: str | None
    unpriced: int
    estimated: int
    milliseconds: float
    cost: float | None


class Costs(TypedDict):
    currency: str | None
    month: MonthCost
    uses: list[DayCost]


def read_statistics(engine: sa.Engine, days: int) -> Statistics:
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
    total = {**counts, "unanswered_share": share}
    return cast("Statistics", {"total": total, **rows})


def _to_numbers(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row whose sums, which MariaDB gives as decimals, are whole numbers."""
    return {name: int(value or 0) if name in _COUNTED else value for name, value in row.items()}


def read_costs(engine: sa.Engine, config: Config, days: int) -> Costs:
    """Read what models took in the last days, and what this month costs until now and to its end.

    A cost is None where there is no price of any call, and that of the month where all that has a
    price cost nothing; `unpriced` calls are in none. The budget is that of all, with its part that
    is spent.
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
    A cost is None where there is no price, and 0 of a model that costs nothing. Raises ConfigError
    when nothing was asked.
    """
    answered = int(read_statistics(engine, days)["total"]["answers"])
    if not answered:
        raise ConfigError(
            f"No question was answered in the last {days} days, so there is nothing to go by. Ask "
            "some, or look further back with --days."
        )
    taken: dict[tuple[str, str], ModelUse] = {}
    free: set[tuple[str, str]] = set()
    for use in AnswerLog(engine).list_uses(datetime.now(UTC).date() - timedelta(days=days - 1)):
        if use.prompt_tokens and not (use.unpriced or use.cost):
            free.add((use.kind, use.model))
        if use.purpose in _OF_QUESTIONS:
            name = model if model and use.kind == "llm" else use.model
            counts = {each: getattr(use, each) for each in _SUMMED}
            one = ModelUse(cast("ModelKind", use.kind), name, **counts)
            known = taken.get((use.kind, name))
            taken[use.kind, name] = known + one if known else one
    prices = load_prices(config.cost.prices)
    share = questions / answered
    models = [_scale_use(use, share, prices, is_free=key in free) for key, use in taken.items()]
    costs = [use["cost"] for use in models]
    return {
        "questions": questions,
        "answered": answered,
        "days": days,
        "currency": prices.currency if prices else None,
        "cost": None if None in costs else sum(costs),
        "models": models,
    }


def _scale_use(
    use: ModelUse, share: float, prices: Prices | None, *, is_free: bool
) -> dict[str, Any]:
    counts = {name: round(getattr(use, name) * share) for name in _SUMMED}
    cost = find_cost(replace(use, **counts), prices)
    if cost is None and is_free:
        cost = Decimal()
    told = None if cost is None else float(cost)
    return {"kind": use.kind, "model": use.model, **counts, "cost": told}


def _sum_up_month(uses: Iterable[DailyUse], budget: float | None) -> MonthCost:
    """Sum up this month; what is expected goes on as its days until now."""
    uses, now = list(uses), datetime.now(UTC)
    spent = sum((use.cost for use in uses), Decimal())
    _, length = calendar.monthrange(now.year, now.month)
    gone = now.day - 1 + (now.hour * 60 + now.minute) / 1440
    is_known = spent > 0 or not any(use.unpriced for use in uses)
    return {
        "since": find_month(),
        "cost": float(spent) if is_known else None,
        "expected": float(spent) / max(gone, 0.5) * length if is_known else None,
        "unpriced": sum(use.unpriced for use in uses),
        "budget": budget,
        "spent_share": float(spent) / budget if budget else None,
        "calls": sum(use.calls for use in uses),
        "prompt_tokens": sum(use.prompt_tokens for use in uses),
        "completion_tokens": sum(use.completion_tokens for use in uses),
        "cached_tokens": sum(use.cached_tokens for use in uses),
    }


def _describe_use(use: DailyUse) -> DayCost:
    return {
        "day": use.day,
        "key": use.user or None,
        "purpose": use.purpose,
        "kind": use.kind,
        "model": use.model,
        "currency": use.currency or None,
        "calls": use.calls,
        "unpriced": use.unpriced,
        "estimated": use.estimated,
        "prompt_tokens": use.prompt_tokens,
        "completion_tokens": use.completion_tokens,
        "cached_tokens": use.cached_tokens,
        "milliseconds": use.milliseconds,
        "cost": float(use.cost) if use.unpriced < use.calls else None,
    }
