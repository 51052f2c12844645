"""What the knowledge base holds, and how it searches."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query

from kb.api.dependencies import KB
from kb.api.described import Told
from kb.api.guards.access import Administering, Reading
from kb.api.guards.request_language import current_language
from kb.api.named_choices import list_profiles
from kb.api.plain_json import to_plain
from kb.api.suggestion_json import choose_suggestions
from kb.statistics import Costs, Statistics, read_costs, read_statistics
from kb.suggestions import Suggestion
from stores.api_keys import Scope, Subject
from stores.audit_log import AuditEntry, AuditFilter
from stores.registry.inspection import Health

router = APIRouter(prefix="/api", tags=["state"])


@dataclass(frozen=True)
class IndexedRoot:
    """An indexed directory by its name, with the number of its documents."""

    name: str
    documents: int
    indexed_at: datetime | None


@dataclass(frozen=True)
class Failure:
    """A file that could not be read, and why."""

    path: str
    reason: str
    root: str


@dataclass(frozen=True)
class ServerStatus:
    """What the knowledge base holds for the caller, how it is set up, and what the caller may do.

    `chunks` and `unfindable` are null to who does not see all, the collection while there is none.
    """

    server: str
    collection: str | None
    embedding: str | None
    dimension: int | None
    llm: str | None
    documents: int
    chunks: int | None
    indexing: list[str]
    roots: list[IndexedRoot]
    unfindable: Health | None
    failed: list[Failure]
    key: str | None
    scope: Scope
    only: Subject | None
    verifies: bool
    max_upload_mb: int
    share_links: bool
    access: bool


@router.get("/status")
def read_status(caller: Reading, kb: KB) -> Told[ServerStatus]:
    """Counts, models and failures; of directories the names, not where they are."""
    state = kb.status()
    roots = [
        IndexedRoot(root["name"], root["documents"], root["indexed_at"])
        for root in state["roots"]
        if caller.may_see(root["name"])
    ]
    failed = [Failure(**failure) for failure in state["failed"] if caller.may_see(failure["root"])]
    indexing = [name for name in state["indexing"] if caller.may_see(name)]
    sees_all = caller.collections is None  # else the totals would be of all directories
    serve = kb.config.serve
    return to_plain(
        ServerStatus(
            server=state["server"],
            collection=state["collection"],
            embedding=state["embedding"],
            dimension=state["dimension"],
            llm=state["llm"],
            documents=state["documents"] if sees_all else sum(root.documents for root in roots),
            chunks=state["chunks"] if sees_all else None,
            indexing=indexing,
            roots=roots,
            unfindable=state["unfindable"] if sees_all else None,
            failed=failed,
            key=caller.name,
            scope=caller.scope,
            only=caller.only,
            verifies=caller.may_verify,
            max_upload_mb=serve.max_upload_mb,
            share_links=serve.share_links,
            access=kb.config.access.is_set,
        )
    )


@router.get("/stats")
def read_stats(
    caller: Administering,  # noqa: ARG001 - only such keys may read
    kb: KB,
    days: Annotated[int, Query(ge=1, le=3650)] = 7,
) -> Told[Statistics]:
    """What answers were like in the last days: how quick, what failed, what people said."""
    return to_plain(read_statistics(kb.components.engine, days))


@router.get("/audit")
def list_audit_entries(
    caller: Administering,  # noqa: ARG001 - as above
    kb: KB,
    user: Annotated[str | None, Query()] = None,
    document: Annotated[str | None, Query(description="As ROOT/PATH.")] = None,
    table: Annotated[str | None, Query()] = None,
    days: Annotated[int | None, Query(ge=1, le=36500)] = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 100,
) -> Told[list[AuditEntry]]:
    """Who asked what, and which documents and tables that read; the last first."""
    wanted = AuditFilter(user, document, table, days)
    return to_plain(list(kb.audit_entries(wanted, limit)))


@router.get("/cost")
def list_costs(
    caller: Administering,  # noqa: ARG001 - as above
    kb: KB,
    days: Annotated[int, Query(ge=1, le=3650)] = 31,
) -> Told[Costs]:
    """What models took and cost, by day, model and key, with this month's sum and budget."""
    return to_plain(read_costs(kb.components.engine, kb.config, days))


@router.get("/suggestions")
def list_suggestions(
    caller: Reading, kb: KB, limit: Annotated[int, Query(ge=1, le=20)] = 6
) -> Told[list[Suggestion]]:
    """Questions to begin with: verified ones, and some on documents and tables."""
    roots = None if caller.collections is None else list(caller.collections)
    found = kb.suggest_questions(language=current_language(), roots=roots, limit=limit)
    return choose_suggestions(found, caller)


@dataclass(frozen=True)
class ModelChoice:
    """A language model by the name that a question may give, null for the one that answers else."""

    name: str | None
    model: str | None


@router.get("/models")
def list_models(caller: Reading, kb: KB) -> Told[list[ModelChoice]]:  # noqa: ARG001 - only keys may read
    """The language models that a question may name, behind the one that answers when it does not.

    That one has no `name`, and where documents are quoted instead no `model`.
    """
    llm = kb.config.llm
    usual = kb.components.llm.metadata.model_name if kb.components.llm else None
    choices = [ModelChoice(name, llm.choose(name).model) for name in llm.choices]
    return [ModelChoice(None, usual), *choices]


@dataclass(frozen=True)
class DescribedProfile:
    """A search profile; the one that is `default` searches when none is named."""

    name: str
    description: str
    default: bool


@router.get("/profiles")
def describe_profiles(caller: Reading, kb: KB) -> Told[list[DescribedProfile]]:  # noqa: ARG001 - only keys may read
    """The search profiles, and which one searches when none is named."""
    return [
        DescribedProfile(
            name=name,
            description=kb.config.profile(name).description,
            default=name == kb.config.retrieval.profile,
        )
        for name in list_profiles(kb.config)
    ]
