"""Whether the server lives, whether it can answer, and what it holds."""

from typing import Any

from fastapi import APIRouter
from starlette.responses import JSONResponse

from engines.profiles import READY
from kb.server.access import Reading
from kb.server.parts import KB
from stores.errors import KBError

router = APIRouter(tags=["state"])


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process lives."""
    return {"status": "ok"}


@router.get("/readyz")
def readyz(kb: KB) -> JSONResponse:
    """Database, models and index are there to answer."""
    states = {"database": _database(kb), "model": _model(kb), "index": _index(kb)}
    is_ready = all(state == "ok" for state in states.values())
    return JSONResponse(
        {"status": "ok" if is_ready else "not ready", **states}, 200 if is_ready else 503
    )


def _database(kb: KB) -> str:
    try:
        kb.registry.totals()
    except KBError:
        return "does not answer"
    return "ok"


def _model(kb: KB) -> str:
    try:
        kb.embed_model.get_query_embedding("ready")
    except Exception:  # noqa: BLE001 - whatever a model raises, it is not ready
        return "does not answer"
    return "ok"


def _index(kb: KB) -> str:
    try:
        documents, _ = kb.registry.totals()
    except KBError:
        return "does not answer"
    return "ok" if documents else "empty"


@router.get("/api/status")
def status(caller: Reading, kb: KB) -> dict[str, Any]:
    """Counts, models and failures; of directories the names, not where they are."""
    told = kb.status()
    roots = [
        {key: root[key] for key in ("name", "documents", "indexed_at")}
        for root in told["roots"]
        if caller.sees(root["name"])
    ]
    failed = [each for each in told["failed"] if caller.sees(each["root"])]
    return {**told, "roots": roots, "failed": failed, "key": caller.name, "scope": caller.scope}


@router.get("/api/profiles")
def profiles(caller: Reading, kb: KB) -> list[dict[str, Any]]:  # noqa: ARG001 - only keys may read
    """The search profiles, and which one searches when none is named."""
    names = dict.fromkeys((*READY, *kb.config.profiles))
    return [
        {
            "name": name,
            "description": kb.config.profile(name).description,
            "default": name == kb.config.retrieval.profile,
        }
        for name in names
    ]
