"""Chat sessions: their turns, and asking the next one."""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response, StreamingResponse

from engines.answer import Answer
from kb.api.answer_events import AnswerEvents, AnswerUnderWay, begin_turn
from kb.api.answer_shapes import (
    TRANSCRIPT,
    ListedSessionValues,
    SessionValues,
    SessionWithTurnsValues,
    TurnAnswerValues,
    TurnValues,
)
from kb.api.caller_sessions import (
    MOST_ID_CHARACTERS,
    find_session,
    find_stored_id,
    read_cursor,
    restore_id,
    write_cursor,
)
from kb.api.column_kinds import column_types
from kb.api.dependencies import KB, TheLibrary, TheLimits, TheWork
from kb.api.described import Shaped, Told
from kb.api.guards.access import Reading
from kb.api.json_bodies import StrictBody, Words
from kb.api.json_filters import Filters, metadata_filters, restore_filters
from kb.api.named_choices import require_model, require_profile
from kb.api.openapi_description import (
    HTML,
    MODEL,
    OF_ANSWERS,
    STREAMED,
    problems,
)
from kb.api.passage_json import CitedEvidence, describe_evidence
from kb.api.plain_json import to_plain
from kb.api.problem_codes import Code
from kb.api.problems import Problem, translate_missing
from kb.api.sse import HEADERS, format_attempt
from kb.api.suggestion_json import choose_suggestions
from kb.api.turn_progress import TurnProgress, follow_turn
from kb.assembly.answer_sources import Source
from kb.cited_evidence import compare_evidence
from kb.session_values import info_values
from kb.suggestions import Suggestion
from kb.transcript import turn_values, write_transcript
from stores.chats.chat_sessions import MOST_TAGS, TAG_CHARACTERS, Turn
from stores.chats.cited_passages import find_kept_passage
from stores.searches.search_log import SearchLog

router = APIRouter(prefix="/api/sessions", tags=["sessions"])
_MEDIA_TYPES = {"markdown": "text/markdown", "json": "application/json"}
_ENDINGS = {"markdown": "md", "json": "json"}
_EXPORTED: dict[int | str, dict[str, Any]] = {
    200: {
        "model": Annotated[dict[str, Any], Shaped(TRANSCRIPT)],
        "content": {"text/markdown": {"schema": {"type": "string"}}},
    }
}
_NO_SESSION = problems(Code.NO_SUCH_SESSION)
_NO_TURN = problems(Code.NO_SUCH_SESSION, Code.NO_SUCH_TURN)


Tag = Annotated[Words, Field(max_length=TAG_CHARACTERS)]


class ChangeBody(StrictBody):
    """What is to be changed of a session; what is left out stays as it is."""

    title: Annotated[Words, Field(max_length=255)] | None = None
    pinned: bool | None = None
    tags: Annotated[list[Tag], Field(max_length=MOST_TAGS)] | None = None


class ChosenBody(StrictBody):
    ids: Annotated[list[Words], Field(min_length=1, max_length=1000)]


class TurnBody(StrictBody):
    """The same `turn_id` twice stores one turn, and gives its answer again.

    `replaces` is a turn of which this is another version; the session goes on from it.
    """

    message: Words
    turn_id: Annotated[str, Field(min_length=1, max_length=190)] | None = None
    replaces: Annotated[str, Field(min_length=1, max_length=190)] | None = None
    source: Source = "auto"
    profile: str | None = None
    model: str | None = Field(default=None, description=MODEL)
    filters: Filters = Field(default_factory=dict)
    stream: bool = False
    html: bool = Field(default=False, description=HTML)


@router.get("")
def list_sessions(
    caller: Reading,
    kb: KB,
    search: Annotated[str | None, Query(max_length=1000)] = None,
    tag: Annotated[str | None, Query(max_length=190)] = None,
    after: Annotated[str | None, Query(max_length=1000, description="A `cursor`.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[ListedSessionValues]:
    """Those of the caller: pinned ones, then the others, the last used first.

    Those that hold all words of `search`, have a `tag`, and stand behind one of which `after` is
    the `cursor`.
    """
    place = None if after is None else read_cursor(after)
    found = kb.sessions(search=search, user=caller.name, tag=tag, after=place, limit=limit)
    return [
        {**info_values(restore_id(info, caller)), "cursor": write_cursor(info.place)}
        for info in found
    ]


@router.get("/tags")
def count_tags(caller: Reading, kb: KB) -> dict[str, int]:
    """The tags of the caller's sessions, and how many have each."""
    return kb.components.session_store.count_tags(caller.name)


@dataclass(frozen=True)
class Deleted:
    deleted: int


@router.post("/delete")
def delete_sessions(body: ChosenBody, caller: Reading, kb: KB) -> Told[Deleted]:
    """Take sessions out of sight; `restore` brings them back for a quarter of an hour."""
    stored = [find_stored_id(kb, each, caller) for each in body.ids]
    return Deleted(kb.components.session_store.mark_deleted(stored, caller.name))


@dataclass(frozen=True)
class Restored:
    restored: int


@router.post("/restore")
def restore_sessions(body: ChosenBody, caller: Reading, kb: KB) -> Told[Restored]:
    """Bring back sessions that were deleted by `delete`, and are not gone for good yet."""
    own = [f"{each}@{caller.id}" for each in body.ids] if caller.name is not None else []
    store = kb.components.session_store
    return Restored(store.bring_back([*body.ids, *own], caller.name))


@dataclass(frozen=True)
class NewSession:
    id: str


@router.post("", status_code=201)
def make_session(caller: Reading) -> Told[NewSession]:  # noqa: ARG001 - only keys may ask
    """An id for a session, which begins with its first turn."""
    return NewSession(secrets.token_urlsafe(12))


@router.get("/{session_id}", responses=_NO_SESSION)
def read_session(
    session_id: str,
    caller: Reading,
    kb: KB,
    last: Annotated[int | None, Query(ge=1)] = None,
    before: Annotated[int | None, Query(ge=1)] = None,
) -> SessionWithTurnsValues:
    """A session with its turns, what their columns hold, and the last rating of each.

    Of its turns those `before` a number, and the `last` ones of them.
    """
    info = find_session(kb, session_id, caller)
    turns = kb.components.session_store.list_turns(info.id, before=before, limit=last)
    told: dict[str, Any] = to_plain(info_values(restore_id(info, caller)))
    return {**told, "turns": _list_turn_values(kb, info.id, turns)}


def _list_turn_values(kb: KB, stored_id: str, turns: Sequence[Turn]) -> list[dict[str, Any]]:
    ratings = SearchLog(kb.components.engine).list_ratings(stored_id)
    versions = kb.components.session_store.list_versions(stored_id)
    told: list[dict[str, Any]] = to_plain([turn_values(turn) for turn in turns])
    for turn, values in zip(turns, told, strict=True):
        values["rating"] = ratings.get(turn.id)
        values["versions"] = versions.get(turn.id, [turn.id])
        filters = restore_filters(turn.options.get("filters"))
        values["options"] = {**turn.options, "filters": filters}
        tables = Answer.from_metadata(turn.evidence).tables
        if tables.sql:
            values["evidence"]["types"] = column_types(tables.columns, tables.rows)
    return told


@router.patch("/{session_id}", responses=_NO_SESSION)
def change_session(session_id: str, body: ChangeBody, caller: Reading, kb: KB) -> SessionValues:
    """Give it another title, pin it or let it go, or give it other tags."""
    stored, store = find_session(kb, session_id, caller).id, kb.components.session_store
    with translate_missing(Code.NO_SUCH_SESSION):
        if body.title is not None:
            kb.rename_session(stored, body.title)
        if body.pinned is not None:
            store.pin(stored, is_pinned=body.pinned)
        if body.tags is not None:
            store.tag(stored, body.tags)
    return info_values(restore_id(find_session(kb, session_id, caller), caller))


@router.delete("/{session_id}", status_code=204, responses=_NO_SESSION)
def delete_session(session_id: str, caller: Reading, kb: KB) -> None:
    """Everything of it: words, turns, memory, feedback and logged searches."""
    with translate_missing(Code.NO_SUCH_SESSION):
        kb.delete_session(find_session(kb, session_id, caller).id)


@router.post("/{session_id}/reset", status_code=204, responses=_NO_SESSION)
def reset_session(session_id: str, caller: Reading, kb: KB) -> None:
    """Everything of it but itself."""
    with translate_missing(Code.NO_SUCH_SESSION):
        kb.components.session_store.reset(find_session(kb, session_id, caller).id)


@router.get("/{session_id}/export", response_model=None, responses=_EXPORTED | _NO_SESSION)
def export_session(
    session_id: str,
    caller: Reading,
    kb: KB,
    format: Literal["markdown", "json"] = "markdown",  # noqa: A002 - the public interface's name
) -> Response:
    """A session as a document, to read or for programs."""
    info = find_session(kb, session_id, caller)
    text = write_transcript(
        restore_id(info, caller), kb.components.session_store.list_turns(info.id), format
    )
    headers = {"Content-Disposition": f'attachment; filename="session.{_ENDINGS[format]}"'}
    return Response(text.encode(), media_type=_MEDIA_TYPES[format], headers=headers)


@router.post(
    "/{session_id}/turns",
    response_model=TurnAnswerValues,
    responses=STREAMED | problems(*OF_ANSWERS, Code.TURN_UNDER_WAY, Code.ANSWER_STOPPED),
)
async def ask_in_session(
    session_id: Annotated[str, Field(min_length=1, max_length=MOST_ID_CHARACTERS)],
    body: TurnBody,
    caller: Reading,
    kb: KB,
    limits: TheLimits,
    work: TheWork,
) -> dict[str, Any] | StreamingResponse:
    """Ask the next question; with `stream`, the events of `ask`, with the turn's id.

    The turn goes on to its end, also when the client leaves; `stop` ends it before.
    """
    require_profile(kb.config, body.profile)
    require_model(kb.config, body.model)
    source, filters = caller.choose_source(body.source), metadata_filters(body.filters, caller)
    stored_id = await asyncio.to_thread(find_stored_id, kb, session_id, caller)
    turn_id = body.turn_id or secrets.token_hex(8)

    async def begin() -> AnswerUnderWay:
        return await begin_turn(
            kb,
            stored_id,
            body.message,
            turn_id,
            source,
            filters=filters,
            profile=body.profile,
            user=caller.name,
            replaces=body.replaces,
            model=body.model,
        )

    await limits.require_tokens(caller)
    progress = TurnProgress(kb.components.session_store, stored_id, turn_id, begin)
    if body.stream:
        events = AnswerEvents(html=body.html)
        answering = progress.stream(caller, limits, events)
        return work.stream(caller, answering, to_the_end=True, format_attempt=format_attempt)
    return await work.to_the_end(caller, progress.make_values(caller, limits))


@router.get(
    "/{session_id}/turns/{turn_id:path}/events",
    response_class=StreamingResponse,
    responses=STREAMED | _NO_TURN,
)
async def stream_turn(
    session_id: str,
    turn_id: str,
    caller: Reading,
    kb: KB,
    *,
    after: Annotated[int, Query(ge=0)] = 0,
    html: Annotated[bool, Query(description=HTML)] = False,
) -> StreamingResponse:
    """The events of a turn, as they come or came, behind the one whose id is `after`."""
    info = await asyncio.to_thread(find_session, kb, session_id, caller)
    store = kb.components.session_store
    with translate_missing(Code.NO_SUCH_TURN):
        await asyncio.to_thread(store.read_turn, info.id, turn_id)
    stream = follow_turn(store, info.id, turn_id, AnswerEvents(after, html))
    return StreamingResponse(stream, media_type="text/event-stream", headers=HEADERS)


@router.get(
    "/{session_id}/turns/{turn_id:path}/citations/{number}",
    responses=problems(Code.NO_SUCH_SESSION, Code.NO_SUCH_PASSAGE),
)
def read_citation(
    session_id: str,
    turn_id: str,
    number: int,
    caller: Reading,
    kb: KB,
    library: TheLibrary,
    around: Annotated[int, Query(ge=0, le=5)] = 1,
) -> Told[CitedEvidence]:
    """A passage as the answer cites it, and what became of it since.

    Its `state` is `unchanged`, `document_changed` (but not this passage), `changed` or `gone`;
    `now` is what is indexed in its place, with what stands around that.
    """
    info = find_session(kb, session_id, caller)
    kept = find_kept_passage(kb.components.engine, info.id, turn_id, number)
    if kept is None or not caller.may_see(kept.passage.metadata.get("root")):
        raise Problem(Code.NO_SUCH_PASSAGE)
    return to_plain(describe_evidence(compare_evidence(library, kept, around)))


@router.get("/{session_id}/turns/{turn_id:path}/suggestions", responses=_NO_TURN)
def list_follow_ups(
    session_id: str, turn_id: str, caller: Reading, kb: KB
) -> Told[list[Suggestion]]:
    """Questions to go on with behind an answer: on what it found and does not cite."""
    info = find_session(kb, session_id, caller)
    with translate_missing(Code.NO_SUCH_TURN):
        turn = kb.components.session_store.read_turn(info.id, turn_id)
    filters = metadata_filters({}, caller)
    found = kb.suggest_follow_ups(turn.evidence, filters=filters, user=caller.name)
    return choose_suggestions(found, caller)


@router.get("/{session_id}/turns/{turn_id:path}", responses=_NO_TURN)
def read_turn(session_id: str, turn_id: str, caller: Reading, kb: KB) -> TurnValues:
    """A turn as those of its session are told."""
    info = find_session(kb, session_id, caller)
    with translate_missing(Code.NO_SUCH_TURN):
        turn = kb.components.session_store.read_turn(info.id, turn_id)
    [values] = _list_turn_values(kb, info.id, [turn])
    return values


@router.post("/{session_id}/turns/{turn_id:path}/choose", status_code=204, responses=_NO_TURN)
def choose_turn(session_id: str, turn_id: str, caller: Reading, kb: KB) -> None:
    """Go on from this version of a turn, and from what followed it."""
    info = find_session(kb, session_id, caller)
    with translate_missing(Code.NO_SUCH_TURN):
        kb.components.session_store.choose_version(info.id, turn_id)


@router.post("/{session_id}/turns/{turn_id:path}/stop", status_code=204, responses=_NO_TURN)
def stop_turn(session_id: str, turn_id: str, caller: Reading, kb: KB) -> None:
    """End an answer under way, with what was said so far; one that has ended stays as it is."""
    info = find_session(kb, session_id, caller)
    with translate_missing(Code.NO_SUCH_TURN):
        kb.components.session_store.ask_to_stop(info.id, turn_id)
