"""Runs branches of an answer at once, each until its deadline; a failed one leaves the others."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any, Final

from stores.errors import EngineError, KBError

_THREADS: Final = "kb branch"  # what the names of threads begin with
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Branch:
    """`run` gives the outcome, or what to await for it; it counts if it comes within `seconds`."""

    run: Callable[[], Any]
    seconds: float


@dataclass(frozen=True)
class Outcome:
    value: Any = None
    error: KBError | None = None


def run_branches(branches: Mapping[str, Branch]) -> dict[str, Outcome]:
    """Run each branch in a thread, and return the outcomes by name; no error is raised.

    A late branch goes on in its thread, which the interpreter waits for at its end: native code
    does not survive being left there.
    """
    outcomes: dict[str, Outcome] = {}

    def run_branch(name: str, branch: Branch) -> None:
        try:
            outcome = Outcome(value=branch.run())
        except Exception as error:  # noqa: BLE001 - the other branch's answer is worth having
            outcome = Outcome(error=_to_kb_error(error))
        outcomes.setdefault(name, outcome)

    begin = time.monotonic()
    threads = {
        name: threading.Thread(
            target=copy_context().run, args=(run_branch, name, branch), name=f"{_THREADS} {name}"
        )
        for name, branch in branches.items()
    }
    for thread in threads.values():
        thread.start()
    for name, thread in threads.items():
        seconds = branches[name].seconds
        thread.join(max(0.0, begin + seconds - time.monotonic()))
        outcomes.setdefault(name, Outcome(error=_make_late_error(seconds)))
    return outcomes


async def run_branches_async(branches: Mapping[str, Branch]) -> dict[str, Outcome]:
    """Await all branches at once; a late one is cancelled, and no error is raised."""

    async def run_branch(branch: Branch) -> Outcome:
        limit = asyncio.timeout(branch.seconds)
        try:
            async with limit:
                return Outcome(value=await branch.run())
        except Exception as error:  # noqa: BLE001 - as above
            return Outcome(
                error=_make_late_error(branch.seconds) if limit.expired() else _to_kb_error(error)
            )

    outcomes = await asyncio.gather(*map(run_branch, branches.values()))
    return dict(zip(branches, outcomes, strict=True))


def has_late_branches() -> bool:
    """Tell whether a branch that nobody waits for any more is still at work in its thread."""
    return any(thread.name.startswith(_THREADS) for thread in threading.enumerate())


def _make_late_error(seconds: float) -> EngineError:
    return EngineError(f"No answer within {seconds:g} s.")


def _to_kb_error(error: Exception) -> KBError:
    """Return an error that may be shown; one that kb did not foresee goes to the log."""
    if isinstance(error, KBError):
        return error
    _log.exception("A branch of an answer failed", exc_info=error)
    return EngineError(f"It failed by a defect of kb ({type(error).__name__}).")
