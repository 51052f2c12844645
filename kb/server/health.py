"""Whether the server lives, and whether it can answer."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from kb.app import KnowledgeBase
from kb.doctor import model_checks
from kb.server.parts import KB
from kb.server.problems import problem_of

router = APIRouter(tags=["state"])
_KNOWN_SECONDS: Final = 5.0  # how long a look counts; anybody may ask
_LOOK_SECONDS: Final = 10.0


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process lives."""
    return {"status": "ok"}


@router.get("/readyz")
async def readyz(request: Request, kb: KB) -> JSONResponse:
    """Database, models and index are there to answer; 503 while one of them is not."""
    since, states = getattr(request.app.state, "ready", (-_KNOWN_SECONDS, {}))
    if time.monotonic() - since >= _KNOWN_SECONDS:
        states = {name: await _looked(look, kb) for name, look in _LOOKS.items()}
        request.app.state.ready = time.monotonic(), states
    is_ready = all(state == "ok" for state in states.values())
    told = {"status": "ok" if is_ready else "not ready", **states}
    return JSONResponse(told, 200 if is_ready else 503)


async def _looked(look: Callable[[KnowledgeBase], str], kb: KnowledgeBase) -> str:
    try:
        return await asyncio.wait_for(asyncio.to_thread(look, kb), _LOOK_SECONDS)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is not ready
        problem_of(error)  # is in the log
        return "does not answer"


def _database(kb: KnowledgeBase) -> str:
    kb.registry.totals()
    return "ok"


def _model(kb: KnowledgeBase) -> str:
    """Listing models costs nothing, and so anybody may ask."""
    fails = any(check.state == "fail" for check in model_checks(kb.config))
    return "does not answer" if fails else "ok"


def _index(kb: KnowledgeBase) -> str:
    documents, _ = kb.registry.totals()
    return "ok" if documents else "empty"


_LOOKS: Final = {"database": _database, "model": _model, "index": _index}
