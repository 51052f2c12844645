"""Links to chats: made and revoked by who owns them, read by who has one, without a key."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from fastapi import APIRouter, Response

from kb.api.caller_sessions import find_session
from kb.api.dependencies import KB
from kb.api.described import Told
from kb.api.guards.access import Reading
from kb.api.openapi_description import problems
from kb.api.plain_json import to_plain
from kb.api.problem_codes import Code
from kb.api.problems import Problem
from kb.api.safe_html import as_html
from kb.shared_chats import FrozenCitation, SharedAnswer
from stores.chats.shares import Share, Shares

router = APIRouter(tags=["shared chats"])


@dataclass(frozen=True)
class NewShare:
    token: str
    address: str


@router.post(
    "/api/sessions/{session_id}/shares",
    status_code=201,
    responses=problems(Code.NO_LINKS, Code.NO_SUCH_SESSION),
)
def share_session(session_id: str, caller: Reading, kb: KB) -> Told[NewShare]:
    """A link to the session as it is now; what is asked later is not in it.

    The `token` in the link is told here alone. 403 without serve.share_links.
    """
    if not kb.config.serve.share_links:
        raise Problem(Code.NO_LINKS)
    info = find_session(kb, session_id, caller)
    kb.components.books.audit.note_reading("share", info.title, caller.name, ())
    token = kb.share_session(info.id)
    return NewShare(token, f"#/shared/{token}")


@router.get("/api/sessions/{session_id}/shares", responses=problems(Code.NO_SUCH_SESSION))
def list_shares(session_id: str, caller: Reading, kb: KB) -> Told[list[Share]]:
    """The links to a session, the last first, without their tokens."""
    info = find_session(kb, session_id, caller)
    return to_plain(Shares(kb.components.engine).list_of(info.id))


@router.delete(
    "/api/sessions/{session_id}/shares/{share_id}",
    status_code=204,
    responses=problems(Code.NO_SUCH_SESSION, Code.NO_SUCH_SHARE),
)
def revoke_share(session_id: str, share_id: str, caller: Reading, kb: KB) -> None:
    """Revoke a link, which shows nothing from then on."""
    info = find_session(kb, session_id, caller)
    if not Shares(kb.components.engine).remove(info.id, share_id):
        raise Problem(Code.NO_SUCH_SHARE)


class SharedCitation(FrozenCitation):
    html: str


class SharedTurn(SharedAnswer):
    citations: list[SharedCitation]
    html: str


@dataclass(frozen=True)
class ReadableChat:
    """A chat as it was when it was shared, with its answers and what they cite as HTML."""

    title: str
    made_at: datetime
    turns: list[SharedTurn]


@router.get("/shared/{token}", responses=problems(Code.NO_SUCH_SHARE))
def read_shared_chat(token: str, kb: KB, response: Response) -> Told[ReadableChat]:
    """A chat as it was when it was shared, with the `html` of each answer; needs no key."""
    response.headers["X-Robots-Tag"] = "noindex, nofollow"
    found = Shares(kb.components.engine).find_presented(token)
    if found is None or not kb.config.serve.share_links:
        raise Problem(Code.NO_SUCH_SHARE)
    return to_plain(
        ReadableChat(found.title, found.made_at, [_render_turn(t) for t in found.turns])
    )


def _render_turn(turn: dict[str, Any]) -> SharedTurn:
    """Add to a turn of a shared chat what it looks like."""
    cited = [{**each, "html": as_html(each["text"])} for each in turn["citations"]]
    return cast("SharedTurn", {**turn, "citations": cited, "html": as_html(turn["answer"])})
