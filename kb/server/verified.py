"""Verified queries: questions whose SQL a person has checked."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from kb.server.access import Reading, Writing
from kb.server.asking import Body, Words
from kb.server.parts import KB
from kb.server.plain import without_places
from kb.server.problems import Problem, missing
from kb.server.tables import Statement
from kb.verified_queries import new_query, save
from stores.errors import EngineError

router = APIRouter(prefix="/api/verified", tags=["verified queries"])
Name = Annotated[str, Field(min_length=1, max_length=190)]


class VerifiedBody(Body):
    question: Words
    sql: Statement
    name: Name | None = None
    parameters: dict[str, str | int | float | None] = Field(default_factory=dict)
    verified_by: Name | None = None
    replace: bool = False


@router.get("")
def verified(caller: Reading, kb: KB) -> list[dict[str, Any]]:  # noqa: ARG001 - only keys may read
    """All of them."""
    return [asdict(each) for each in kb.verified_queries.all()]


@router.post("", status_code=201)
def add(body: VerifiedBody, caller: Writing, kb: KB) -> dict[str, Any]:
    """Run a statement, and keep it as verified when that works.

    Who calls with a key has verified it, and else `verified_by`.
    """
    query = new_query(
        body.question,
        body.sql,
        caller.name or body.verified_by or "kb",
        datetime.now(UTC).date(),
        name=body.name,
        parameters=body.parameters,
    )
    if not body.replace and any(known.name == query.name for known in kb.verified_queries):
        raise Problem(409, "The name is taken", "Choose another name, or set replace.")
    try:
        save(kb.verified_queries, query, kb.tables.run, replace=body.replace)
    except EngineError as error:
        if type(error) is not EngineError:
            raise
        raise Problem(422, "The query cannot be kept", without_places(str(error))) from error
    return asdict(query)


@router.delete("/{name}", status_code=204)
def remove(name: str, caller: Writing, kb: KB) -> None:  # noqa: ARG001 - only keys may write
    """Forget one that was saved; those of a file are removed there."""
    with missing("verified query"):
        query = kb.verified_queries.one(name)
        if query.origin == "file":
            raise Problem(409, "The query is of a file", "Remove it from the file of queries.")
        kb.verified_queries.remove(name)
