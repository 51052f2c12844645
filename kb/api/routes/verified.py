"""Verified queries: questions whose SQL a person has checked."""

from datetime import UTC, datetime

from fastapi import APIRouter
from pydantic import Field

from engines.visible_text import hide_places
from kb.api.dependencies import KB, OneStatement
from kb.api.described import Told
from kb.api.guards.access import Caller, Reading, Verifying
from kb.api.json_bodies import StrictBody
from kb.api.openapi_description import OF_STATEMENTS, problems
from kb.api.problem_codes import Code
from kb.api.problems import Problem, translate_missing
from kb.verified_query_file import Parameters, QueryName, QuestionText, Sql, new_query, save_query
from stores.errors import EngineError
from stores.verified_queries import Editor, VerifiedQuery, Version

router = APIRouter(prefix="/api/verified", tags=["verified queries"])
_ON_THIS_MACHINE = "local"  # who calls without a key and does not say who has checked it


class VerifiedBody(StrictBody):
    question: QuestionText
    sql: Sql
    name: QueryName | None = None
    parameters: Parameters = Field(default_factory=dict)
    verified_by: QueryName | None = None
    replace: bool = False


@router.get("", responses=problems(Code.NOT_SET_UP))
def list_verified_queries(caller: Reading, kb: KB) -> Told[list[VerifiedQuery]]:  # noqa: ARG001 - only keys may read
    """All that count, with who has checked them; `key` is the API key that one belongs to."""
    return kb.components.verified_queries.list_queries()


@router.post(
    "",
    status_code=201,
    dependencies=[OneStatement],
    responses=problems(
        *OF_STATEMENTS, Code.QUERY_NOT_KEPT, Code.QUERY_IN_THE_WAY, Code.KEY_VERIFIES_ITSELF
    ),
)
def add_verified_query(body: VerifiedBody, caller: Verifying, kb: KB) -> Told[VerifiedQuery]:
    """Run a statement, and keep it as verified when that works.

    Who calls with a key has verified it, and else `verified_by`. It is refused when another query
    has its name, unless it is the caller's own (to a key of scope admin, anybody's) and `replace`
    is set; when another one answers the question; and when it is the file's.
    """
    query = new_query(
        body.question,
        body.sql,
        _name_verifier(body, caller),
        datetime.now(UTC).date(),
        name=body.name,
        parameters=body.parameters,
    )
    queries, matcher, run = (
        kb.components.verified_queries,
        kb.components.verified_matcher,
        kb.components.tables.run,
    )
    try:
        kept, _ = save_query(
            queries, matcher, query, run, _make_editor(caller), replace=body.replace
        )
    except EngineError as error:
        if type(error) is not EngineError:
            raise
        raise Problem(Code.QUERY_NOT_KEPT, {"reason": hide_places(str(error))}) from error
    return kept


@router.get("/{name:path}/versions", responses=problems(Code.NO_SUCH_QUERY, Code.NOT_SET_UP))
def list_versions(name: str, caller: Reading, kb: KB) -> Told[list[Version]]:  # noqa: ARG001 - as above
    """What was done to a query that was saved, by whom, and how it was then, the first first.

    Also of one that was removed. An older version counts again when it is saved again.
    """
    with translate_missing(Code.NO_SUCH_QUERY):
        return list(kb.components.verified_queries.list_versions(name))


@router.delete(
    "/{name:path}", status_code=204, responses=problems(Code.NO_SUCH_QUERY, Code.NOT_SET_UP)
)
def remove_verified_query(name: str, caller: Verifying, kb: KB) -> None:
    """Forget one that the caller has saved; to a key of scope admin, one that anybody has.

    Those of a file are removed there.
    """
    with translate_missing(Code.NO_SUCH_QUERY):
        kb.components.verified_queries.remove(name, _make_editor(caller))


def _name_verifier(body: VerifiedBody, caller: Caller) -> str:
    """Return who has verified a query: nobody does so in the name of somebody else."""
    if caller.name is None:
        return body.verified_by or _ON_THIS_MACHINE
    if body.verified_by not in (None, caller.name):
        raise Problem(Code.KEY_VERIFIES_ITSELF, {"name": caller.name})
    return caller.name


def _make_editor(caller: Caller) -> Editor:
    if caller.name is None:
        return Editor(_ON_THIS_MACHINE)
    return Editor(caller.name, is_key=True, changes_all=caller.has_scope("admin"))
