"""What the knowledge base holds, and how it searches."""

from typing import Any

from fastapi import APIRouter

from kb.api.dependencies import KB
from kb.api.guards.access import Reading
from kb.api.plain_json import to_plain
from kb.api.search_profiles import list_profiles

router = APIRouter(prefix="/api", tags=["state"])


@router.get("/status")
def status(caller: Reading, kb: KB) -> dict[str, Any]:
    """Counts, models and failures; of directories the names, not where they are."""
    state = kb.status()
    roots = [
        {key: root[key] for key in ("name", "documents", "indexed_at")}
        for root in state["roots"]
        if caller.may_see(root["name"])
    ]
    failed = [failure for failure in state["failed"] if caller.may_see(failure["root"])]
    indexing = [name for name in state["indexing"] if caller.may_see(name)]
    if caller.collections is not None:  # the totals are of all directories
        state |= {"documents": sum(root["documents"] for root in roots)}
        state |= {"chunks": None, "unfindable": None}
    about_caller = {
        "key": caller.name,
        "scope": caller.scope,
        "only": caller.only,
        "verifies": caller.may_verify,
    }
    limits = {"max_upload_mb": kb.config.serve.max_upload_mb}
    values: dict[str, Any] = to_plain(
        {**state, "indexing": indexing, "roots": roots, "failed": failed, **about_caller, **limits}
    )
    return values


@router.get("/profiles")
def profiles(caller: Reading, kb: KB) -> list[dict[str, Any]]:  # noqa: ARG001 - only keys may read
    """The search profiles, and which one searches when none is named."""
    return [
        {
            "name": name,
            "description": kb.config.profile(name).description,
            "default": name == kb.config.retrieval.profile,
        }
        for name in list_profiles(kb.config)
    ]
