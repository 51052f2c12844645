"""What the knowledge base holds, and how it searches."""

from typing import Any

from fastapi import APIRouter

from engines.search.profiles import READY
from kb.api.dependencies import KB
from kb.api.guards.access import Reading
from kb.api.plain_json import plain

router = APIRouter(prefix="/api", tags=["state"])


@router.get("/status")
def status(caller: Reading, kb: KB) -> dict[str, Any]:
    """Counts, models and failures; of directories the names, not where they are."""
    told = kb.status()
    roots = [
        {key: root[key] for key in ("name", "documents", "indexed_at")}
        for root in told["roots"]
        if caller.sees(root["name"])
    ]
    failed = [each for each in told["failed"] if caller.sees(each["root"])]
    if caller.collections is not None:  # the totals are of all directories
        told |= {"documents": sum(root["documents"] for root in roots), "chunks": None}
    about_caller = {
        "key": caller.name,
        "scope": caller.scope,
        "only": caller.only,
        "verifies": caller.may_verify,
    }
    values: dict[str, Any] = plain({**told, "roots": roots, "failed": failed, **about_caller})
    return values


@router.get("/profiles")
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
