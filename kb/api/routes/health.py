"""Whether the server lives, and whether it can answer."""

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from kb.api.dependencies import KB
from kb.api.described import Told
from kb.api.problems import error_to_problem
from kb.doctor.models import check_models
from stores.connection import ask_for_nothing

router = APIRouter(tags=["state"])
_KNOWN_SECONDS: Final = 5.0  # how long a look counts; anybody may ask
_LOOK_SECONDS: Final = 10.0
_NO_ANSWER: Final = "does not answer"


class Readiness:
    """One look for everybody who asks meanwhile; one that hangs is waited for, and not repeated."""

    def __init__(self, kb: KB) -> None:
        self._kb = kb
        self._alone = asyncio.Lock()
        self._looks: dict[str, asyncio.Task[str]] = {}
        self._states: dict[str, str] = {}
        self._until = -math.inf

    async def find_states(self) -> dict[str, str]:
        async with self._alone:
            if time.monotonic() >= self._until:
                self._states = await self._look_at_all()
                self._until = time.monotonic() + _KNOWN_SECONDS
            return self._states

    async def _look_at_all(self) -> dict[str, str]:
        for name, look in _LOOKS.items():
            if name not in self._looks or self._looks[name].done():
                self._looks[name] = asyncio.create_task(
                    asyncio.to_thread(_look_safely, look, self._kb)
                )
        await asyncio.wait(self._looks.values(), timeout=_LOOK_SECONDS)
        return {
            name: look.result() if look.done() else _NO_ANSWER for name, look in self._looks.items()
        }


@dataclass(frozen=True)
class Life:
    status: Literal["ok"]


@dataclass(frozen=True)
class ReadyParts:
    """Whether all of it is ready, and how each part is: `ok`, or what is the matter."""

    status: Literal["ok", "not ready"]
    database: str
    model: str
    index: str


_READY: Final[dict[int | str, dict[str, Any]]] = {
    200: {"model": ReadyParts},
    503: {"model": ReadyParts, "description": "A part is not ready, or the server is busy."},
}


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz")
async def healthz() -> Told[Life]:
    """The process lives."""
    return Life("ok")


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", responses=_READY)
async def readyz(request: Request) -> JSONResponse:
    """Database, models and index are there to answer; 503 while one of them is not."""
    states = await request.app.state.readiness.find_states()
    is_ready = all(state == "ok" for state in states.values())
    values = {"status": "ok" if is_ready else "not ready", **states}
    return JSONResponse(values, 200 if is_ready else 503)


def _look_safely(look: Callable[[KB], str], kb: KB) -> str:
    try:
        return look(kb)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is not ready
        error_to_problem(error)  # is in the log
        return _NO_ANSWER


def _look_at_database(kb: KB) -> str:
    ask_for_nothing(kb.components.engine)
    return "ok"


def _look_at_model(kb: KB) -> str:
    """Look whether the models are there; listing them costs nothing, and so anybody may ask."""
    fails = any(check.state == "fail" for check in check_models(kb.config))
    return _NO_ANSWER if fails else "ok"


def _look_at_index(kb: KB) -> str:
    return "ok" if kb.components.registry.has_documents() else "empty"


_LOOKS: Final = {"database": _look_at_database, "model": _look_at_model, "index": _look_at_index}
