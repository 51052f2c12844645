"""What `kb stats` and `kb cost` show to people."""

import io
from datetime import date
from typing import Any

import pytest
from rich.console import Console

from kb.cli.rendering.statistics import show_costs, show_estimate, show_statistics

DAY = date(2026, 11, 3)
TOTAL = {"answers": 40, "unanswered": 4, "failed": 1, "up": 3, "down": 1, "unanswered_share": 0.1}
TOLD = {
    "total": TOTAL,
    "days": [{"day": DAY, "route": "documents", **TOTAL, "p50": 812.4, "p95": 2400.0}],
    "steps": [{"route": "documents", "step": "retrieval", "answers": 40, "p50": 7.25, "p95": 31.0}],
    "errors": [{"day": DAY, "error": "model_unavailable", "answers": 1}],
    "ways": [{"way": "api", "answers": 40}],
}
USE = {
    "day": DAY,
    "key": "website",
    "purpose": "answer",
    "kind": "llm",
    "model": "small",
    "calls": 40,
    "unpriced": 0,
    "estimated": 2,
    "prompt_tokens": 12_000,
    "completion_tokens": 900,
    "cost": 1.5,
    "currency": "EUR",
}
MONTH = {"since": date(2026, 11, 1), "cost": 1.5, "expected": 18.0, "unpriced": 0, "budget": None}


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=120)


def shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_answers_are_shown_by_day_by_step_and_by_error(console):
    show_statistics(console, TOLD, 7)
    text = shown(console)
    assert "40 answers, 10.0% without evidence, 1 failed" in text
    assert "2026-11-03" in text
    for figure in ("812", "2400", "retrieval", "7.2", "31.0", "model_unavailable"):
        assert figure in text


def test_that_there_was_no_answer_is_said(console):
    show_statistics(console, {"total": {"answers": 0}}, 7)
    assert shown(console) == "No answer of the last 7 days is in the log.\n"


def told(month: dict[str, Any], **use: Any) -> dict[str, Any]:
    return {"currency": "EUR", "month": {**MONTH, **month}, "uses": [{**USE, **use}]}


def test_costs_are_shown_with_the_month_and_its_budget(console):
    show_costs(console, told({"budget": 50.0, "spent_share": 0.03}))
    text = shown(console)
    assert "Since 2026-11-01: 1.5000 EUR, to the end of the month some 18.0000 EUR." in text
    assert "3% of the budget of 50.0000 EUR is spent." in text
    assert "website" in text
    assert "~12,000 + 900" in text


def test_what_nobody_has_priced_is_unknown_and_not_nothing(console):
    month = {"cost": None, "expected": None, "unpriced": 40}
    show_costs(console, told(month, cost=None, currency=None, estimated=0))
    text = shown(console)
    assert "What was spent since 2026-11-01 is unknown." in text
    assert "Of 40 calls nobody has said what they cost" in text
    assert "0.0000" not in text


@pytest.mark.parametrize("cost", [12.5, None])
def test_an_estimate_says_what_it_goes_by(console, cost):
    use = {"model": "m", "calls": 5, "prompt_tokens": 10, "completion_tokens": 2, "cost": cost}
    basis = {"questions": 9, "answered": 3, "days": 31, "currency": "EUR", "cost": cost}
    show_estimate(console, {**basis, "models": [use]})
    text = shown(console)
    assert "By what 3 answers of the last 31 days took." in text
    assert ("9 questions would cost some" in text) == (cost is not None)
    assert ("price of each model below" in text) == (cost is None)
