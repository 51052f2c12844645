"""The cookie of who signed in on the page: no script reads it, no other site makes use of it."""

import hashlib
from typing import Final

from fastapi import Request
from starlette.responses import Response

from kb.api.guards.own_site import is_of_other_site, is_silent_change
from kb.api.problem_codes import Code
from kb.api.problems import Problem

_PREFIX: Final = "kb-sign-in-"


def read_cookie(request: Request) -> str | None:
    """Read the secret of the cookie, None without one.

    Raises Problem 403 for what a page of another site has a browser send: a request that changes
    something must say that it comes from this one.
    """
    secret = request.cookies.get(_name_cookie(request))
    if secret is None:
        return None
    if is_silent_change(request) or is_of_other_site(request):
        raise Problem(Code.FOREIGN_SITE)
    return secret


def write_cookie(request: Request, response: Response, secret: str) -> None:
    response.set_cookie(
        _name_cookie(request),
        secret,
        max_age=request.app.state.kb.config.serve.sign_in_hours * 3600,
        httponly=True,
        samesite="strict",
        secure=is_encrypted(request),
    )


def drop_cookie(request: Request, response: Response) -> None:
    response.delete_cookie(
        _name_cookie(request), httponly=True, samesite="strict", secure=is_encrypted(request)
    )


def is_encrypted(request: Request) -> bool:
    """Whether the browser came by https; a forged header would only keep a cookie from http."""
    public_url: str | None = request.app.state.kb.config.serve.public_url
    schemes = (request.url.scheme, request.headers.get("x-forwarded-proto", ""))
    return "https" in schemes or (public_url or "").startswith("https://")


def _name_cookie(request: Request) -> str:
    """Name the cookie after the database: browsers tell servers by host alone, not by port."""
    url = request.app.state.kb.components.engine.url
    return _PREFIX + hashlib.sha256(url.render_as_string().encode()).hexdigest()[:12]
