"""What the knowledge base holds, and how it searches."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query

from kb.api.dependencies import KB
from kb.api.guards.access import Administering, Reading
from kb.api.guards.request_language import current_language
from kb.api.named_choices import list_profiles
from kb.api.plain_json import to_plain
from kb.api.suggestion_json import list_suggestion_values
from kb.statistics import read_costs, read_statistics
from stores.audit_log import AuditFilter

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
    serve = kb.config.serve
    limits = {
        "max_upload_mb": serve.max_upload_mb,
        "share_links": serve.share_links,
        "access": kb.config.access.is_set,
    }
    values: dict[str, Any] = to_plain(
        {**state, "indexing": indexing, "roots": roots, "failed": failed, **about_caller, **limits}
    )
    return values


@router.get("/stats")
def stats(
    caller: Administering,  # noqa: ARG001 - only such keys may read
    kb: KB,
    days: Annotated[int, Query(ge=1, le=3650)] = 7,
) -> dict[str, Any]:
    """What answers were like in the last days: how quick, what failed, what people said."""
    values: dict[str, Any] = to_plain(read_statistics(kb.components.engine, days))
    return values


@router.get("/audit")
def audit(
    caller: Administering,  # noqa: ARG001 - as above
    kb: KB,
    user: Annotated[str | None, Query()] = None,
    document: Annotated[str | None, Query(description="As ROOT/PATH.")] = None,
    table: Annotated[str | None, Query()] = None,
    days: Annotated[int | None, Query(ge=1, le=36500)] = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 100,
) -> list[dict[str, Any]]:
    """Who asked what, and which documents and tables that read; the last first."""
    wanted = AuditFilter(user, document, table, days)
    entries: list[dict[str, Any]] = to_plain(
        [asdict(entry) for entry in kb.audit_entries(wanted, limit)]
    )
    return entries


@router.get("/cost")
def cost(
    caller: Administering,  # noqa: ARG001 - as above
    kb: KB,
    days: Annotated[int, Query(ge=1, le=3650)] = 31,
) -> dict[str, Any]:
    """What models took and cost, by day, model and key, with this month's sum and budget."""
    values: dict[str, Any] = to_plain(read_costs(kb.components.engine, kb.config, days))
    return values


@router.get("/suggestions")
def suggestions(
    caller: Reading, kb: KB, limit: Annotated[int, Query(ge=1, le=20)] = 6
) -> list[dict[str, str]]:
    """Questions to begin with: verified ones, and some on documents and tables."""
    roots = None if caller.collections is None else list(caller.collections)
    found = kb.suggest_questions(language=current_language(), roots=roots, limit=limit)
    return list_suggestion_values(found, caller)


@router.get("/models")
def models(caller: Reading, kb: KB) -> list[dict[str, Any]]:  # noqa: ARG001 - only keys may read
    """The language models that a question may name, behind the one that answers when it does not.

    That one has no `name`, and where documents are quoted instead no `model`.
    """
    llm = kb.config.llm
    usual = kb.components.llm.metadata.model_name if kb.components.llm else None
    choices = [{"name": name, "model": llm.choose(name).model} for name in llm.choices]
    return [{"name": None, "model": usual}, *choices]


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
