"""Links to chats: made and revoked by who owns them, read by who has one, without a key."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Response

from kb.api.caller_sessions import find_session
from kb.api.dependencies import KB
from kb.api.guards.access import Reading
from kb.api.plain_json import to_plain
from kb.api.problem_codes import Code
from kb.api.problems import Problem
from kb.api.safe_html import as_html
from stores.chats.shares import Shares

router = APIRouter(tags=["shared chats"])


@router.post("/api/sessions/{session_id}/shares", status_code=201)
def share(session_id: str, caller: Reading, kb: KB) -> dict[str, str]:
    """A link to the session as it is now; what is asked later is not in it.

    The `token` in the link is told here alone. 403 without serve.share_links.
    """
    if not kb.config.serve.share_links:
        raise Problem(Code.NO_LINKS)
    info = find_session(kb, session_id, caller)
    kb.components.books.audit.note_reading("share", info.title, caller.name, ())
    token = kb.share_session(info.id)
    return {"token": token, "address": f"#/shared/{token}"}


@router.get("/api/sessions/{session_id}/shares")
def shares(session_id: str, caller: Reading, kb: KB) -> list[dict[str, Any]]:
    """The links to a session, the last first, without their tokens."""
    info = find_session(kb, session_id, caller)
    found = Shares(kb.components.engine).list_of(info.id)
    links: list[dict[str, Any]] = to_plain([asdict(each) for each in found])
    return links


@router.delete("/api/sessions/{session_id}/shares/{share_id}", status_code=204)
def revoke(session_id: str, share_id: str, caller: Reading, kb: KB) -> None:
    """Revoke a link, which shows nothing from then on."""
    info = find_session(kb, session_id, caller)
    if not Shares(kb.components.engine).remove(info.id, share_id):
        raise Problem(Code.NO_SUCH_SHARE)


@router.get("/shared/{token}")
def shared(token: str, kb: KB, response: Response) -> dict[str, Any]:
    """A chat as it was when it was shared, with the `html` of each answer; needs no key."""
    response.headers["X-Robots-Tag"] = "noindex, nofollow"
    found = Shares(kb.components.engine).find_presented(token)
    if found is None or not kb.config.serve.share_links:
        raise Problem(Code.NO_SUCH_SHARE)
    values: dict[str, Any] = to_plain(asdict(found))
    for turn in values["turns"]:
        turn["html"] = as_html(turn["answer"])
        for citation in turn["citations"]:
            citation["html"] = as_html(citation["text"])
    return values
