"""Chat sessions: their turns, and asking the next one."""

import asyncio
import secrets
from dataclasses import replace
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import Response

from engines.answer import Answer
from kb.api.answer_events import AnswerUnderWay, turned
from kb.api.column_kinds import column_types
from kb.api.dependencies import KB, TheLimits, TheWork
from kb.api.guards.access import Caller, Reading
from kb.api.json_filters import Filters, metadata_filters
from kb.api.openapi_description import STREAMED
from kb.api.plain_json import plain
from kb.api.problem_codes import Code
from kb.api.problems import missing
from kb.api.routes.asking import Body, Words, events, require_profile, whole_values
from kb.app import KnowledgeBase
from kb.assembly.answer_sources import Source
from kb.transcript import info_values, session_values, transcript
from stores.chats.chat_messages import ID_CHARACTERS
from stores.chats.chat_sessions import SessionInfo
from stores.searches.search_log import SearchLog

router = APIRouter(prefix="/api/sessions", tags=["sessions"])
_MEDIA_TYPES = {"markdown": "text/markdown", "json": "application/json"}
_ENDINGS = {"markdown": "md", "json": "json"}
_EXPORTED: dict[int | str, dict[str, Any]] = {
    200: {"content": {media_type: {} for media_type in _MEDIA_TYPES.values()}}
}
_MOST_CHARACTERS: Final = ID_CHARACTERS - len("@4f2a90c1d7b3")  # of a key, see _stored_id


class TitleBody(Body):
    title: Annotated[Words, Field(max_length=255)]


class TurnBody(Body):
    """The same `turn_id` twice stores one turn, and gives its answer again."""

    message: Words
    turn_id: Annotated[str, Field(min_length=1, max_length=190)] | None = None
    source: Source = "auto"
    profile: str | None = None
    filters: Filters = Field(default_factory=dict)
    stream: bool = False


@router.get("")
def sessions(
    caller: Reading, kb: KB, search: Annotated[str | None, Query(max_length=1000)] = None
) -> list[dict[str, Any]]:
    """Those of the caller, the last used first; those that hold all words of `search`."""
    found = kb.sessions(search=search, user=caller.name)
    return [info_values(_as_named(each, caller)) for each in found]


@router.post("", status_code=201)
def new_session(caller: Reading) -> dict[str, str]:  # noqa: ARG001 - only keys may ask
    """An id for a session, which begins with its first turn."""
    return {"id": secrets.token_urlsafe(12)}


@router.get("/{session_id}")
def session(session_id: str, caller: Reading, kb: KB) -> dict[str, Any]:
    """A session with its turns, what their columns hold, and the last rating of each."""
    info = of_caller(kb, session_id, caller)
    turns = kb.components.session_store.list_turns(info.id)
    ratings = SearchLog(kb.components.engine).list_ratings(info.id)
    values: dict[str, Any] = plain(session_values(_as_named(info, caller), turns))
    for turn, told in zip(turns, values["turns"], strict=True):
        told["rating"] = ratings.get(turn.id)
        tables = Answer.from_metadata(turn.evidence).tables
        if tables.sql:
            told["evidence"]["types"] = column_types(tables.columns, tables.rows)
    return values


@router.patch("/{session_id}")
def rename(session_id: str, body: TitleBody, caller: Reading, kb: KB) -> dict[str, Any]:
    kb.rename_session(of_caller(kb, session_id, caller).id, body.title)
    return info_values(_as_named(of_caller(kb, session_id, caller), caller))


@router.delete("/{session_id}", status_code=204)
def delete(session_id: str, caller: Reading, kb: KB) -> None:
    """Everything of it: words, turns, memory, feedback and logged searches."""
    with missing(Code.NO_SUCH_SESSION):
        kb.delete_session(of_caller(kb, session_id, caller).id)


@router.post("/{session_id}/reset", status_code=204)
def reset(session_id: str, caller: Reading, kb: KB) -> None:
    """Everything of it but itself."""
    with missing(Code.NO_SUCH_SESSION):
        kb.components.session_store.reset(of_caller(kb, session_id, caller).id)


@router.get("/{session_id}/export", responses=_EXPORTED)
def export(
    session_id: str,
    caller: Reading,
    kb: KB,
    format: Literal["markdown", "json"] = "markdown",  # noqa: A002 - the public interface's name
) -> Response:
    info = of_caller(kb, session_id, caller)
    text = transcript(
        _as_named(info, caller), kb.components.session_store.list_turns(info.id), format
    )
    headers = {"Content-Disposition": f'attachment; filename="session.{_ENDINGS[format]}"'}
    return Response(text.encode(), media_type=_MEDIA_TYPES[format], headers=headers)


@router.post("/{session_id}/turns", responses=STREAMED)
async def turn(
    session_id: Annotated[str, Field(min_length=1, max_length=_MOST_CHARACTERS)],
    body: TurnBody,
    request: Request,
    caller: Reading,
    kb: KB,
    limits: TheLimits,
    work: TheWork,
) -> Any:
    """Ask the next question; with `stream`, the events of `ask`, with the turn's id."""
    require_profile(kb, body.profile)
    source, filters = caller.source(body.source), metadata_filters(body.filters, caller)

    async def begin() -> AnswerUnderWay:
        return await turned(
            kb,
            await asyncio.to_thread(_stored_id, kb, session_id, caller),
            body.message,
            body.turn_id,
            source,
            filters=filters,
            profile=body.profile,
            user=caller.name,
        )

    await limits.require_tokens(caller)
    if body.stream:
        return work.stream(caller, events(begin, caller, limits))
    return await work.while_connected(request, caller, whole_values(begin, caller, limits))


def of_caller(kb: KnowledgeBase, session_id: str, caller: Caller) -> SessionInfo:
    """With the id that it is stored under. Raises Problem 404."""
    with missing(Code.NO_SUCH_SESSION):
        return kb.components.session_store.one(_stored_id(kb, session_id, caller))


def _stored_id(kb: KnowledgeBase, session_id: str, caller: Caller) -> str:
    """Each key has ids of its own, so that nobody takes, or learns of, those of another one.

    What is stored as the caller's without the id of their key is older, or was not made here.
    """
    if caller.name is None or kb.components.session_store.is_of(session_id, caller.name):
        return session_id
    return f"{session_id}@{caller.id}"


def _as_named(info: SessionInfo, caller: Caller) -> SessionInfo:
    """With the id that the caller knows it by."""
    return replace(info, id=info.id.removesuffix(f"@{caller.id}"))
