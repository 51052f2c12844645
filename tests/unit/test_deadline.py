"""Branches that run at once."""

import asyncio
import contextvars
import threading
import time

from engines.both.deadline import Branch, run_branches, run_branches_async
from stores.errors import ModelUnavailable

SEEN = contextvars.ContextVar("seen", default="nothing")


def failing() -> str:
    raise ModelUnavailable("The model is away.")


def defective() -> str:
    raise ZeroDivisionError


def test_branches_run_at_once():
    meet = threading.Barrier(2, timeout=5)
    outcomes = run_branches({name: Branch(meet.wait, 5) for name in ("a", "b")})
    assert sorted(outcome.value for outcome in outcomes.values()) == [0, 1]


def test_a_failure_leaves_the_other_branch(caplog):
    outcomes = run_branches(
        {"a": Branch(failing, 5), "b": Branch(lambda: "fine", 5), "c": Branch(defective, 5)}
    )
    assert str(outcomes["a"].error) == "The model is away."
    assert outcomes["b"].value == "fine"
    assert "defect of kb (ZeroDivisionError)" in str(outcomes["c"].error)
    assert "A branch of an answer failed" in caplog.text


def test_nobody_waits_longer_than_the_deadline():
    release = threading.Event()
    begin = time.monotonic()
    outcomes = run_branches({"slow": Branch(lambda: release.wait(20), 0.1), "b": Branch(str, 5)})
    assert time.monotonic() - begin < 5
    release.set()
    assert str(outcomes["slow"].error) == "No answer within 0.1 s."
    assert outcomes["b"].value == ""


def test_a_branch_sees_the_context_of_its_caller():
    SEEN.set("something")
    assert run_branches({"a": Branch(SEEN.get, 5)})["a"].value == "something"


async def test_a_time_out_within_a_branch_is_not_its_deadline():
    async def times_out() -> None:
        raise TimeoutError

    outcomes = await run_branches_async({"a": Branch(times_out, 5)})
    assert "defect of kb (TimeoutError)" in str(outcomes["a"].error)


async def test_it_is_the_same_asynchronously():
    async def slow() -> str:
        await asyncio.sleep(20)
        return "late"

    async def fails() -> str:
        return failing()

    async def fine() -> str:
        return "fine"

    begin = time.monotonic()
    outcomes = await run_branches_async(
        {"slow": Branch(slow, 0.1), "fails": Branch(fails, 5), "fine": Branch(fine, 5)}
    )
    assert time.monotonic() - begin < 5
    assert str(outcomes["slow"].error) == "No answer within 0.1 s."
    assert str(outcomes["fails"].error) == "The model is away."
    assert outcomes["fine"].value == "fine"
