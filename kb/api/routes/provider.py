"""Signing in on the page at a provider of OpenID Connect: a browser goes there, and comes back."""

from dataclasses import dataclass
from html import escape
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, RedirectResponse, Response

from kb.api.dependencies import KB, TheLimits
from kb.api.described import Told
from kb.api.guards.provider_sign_in import Way, fetch_id_token, write_address
from kb.api.guards.request_language import current_language
from kb.api.guards.sign_in_cookie import write_cookie
from kb.api.guards.signed_tokens import ProviderUnavailable, SignedTokens
from kb.api.problem_codes import Code
from kb.api.problems import Problem
from kb.config.serving import OidcConfig
from stores.sign_ins import SignIn, SignIns
from stores.text.translations import Message, load_translations

router = APIRouter(prefix="/sign-in", tags=["people"])


@dataclass(frozen=True)
class WaysIn:
    provider: bool


@router.get("")
def list_ways_in(kb: KB) -> Told[WaysIn]:
    """How one can sign in on the page besides by a key; needs none."""
    oidc = kb.config.serve.oidc
    return WaysIn(provider=oidc is not None and oidc.client_id is not None)


@router.get("/provider", include_in_schema=False)
async def go_to_provider(request: Request, kb: KB) -> Response:
    """Send the browser to the provider, where somebody says who they are."""
    try:
        config, tokens = _require_provider(request, kb)
        endpoints = await run_in_threadpool(tokens.find_endpoints)
    except ProviderUnavailable:
        return _say_refusal(request, Problem(Code.PROVIDER_AWAY))
    except Problem as problem:
        return _say_refusal(request, problem)
    way = Way.begin()
    address = write_address(config, endpoints, way, _find_way_back(request, kb))
    response = RedirectResponse(address, 302)
    way.keep(request, response)
    return response


@router.get("/provider/back", include_in_schema=False)
async def come_back(
    request: Request,
    kb: KB,
    limits: TheLimits,
    code: Annotated[str, Query(max_length=4096)] = "",
    state: Annotated[str, Query(max_length=4096)] = "",
) -> Response:
    """Take in whom the provider has sent back, with the cookie of the page."""
    response: Response
    try:
        person = await _find_person(request, kb, code, state)
    except ProviderUnavailable:
        response = _say_refusal(request, Problem(Code.PROVIDER_AWAY))
    except Problem as problem:
        response = _say_refusal(request, problem)
    else:
        sign_ins = SignIns(kb.components.engine)
        hours = kb.config.serve.sign_in_hours
        secret = await limits.looking_up.run(sign_ins.add, person, hours)
        response = RedirectResponse("../../", 302)
        write_cookie(request, response, secret)
    Way.forget(request, response)
    return response


async def _find_person(request: Request, kb: KB, code: str, state: str) -> SignIn:
    """Find who comes back. Raises Problem, ProviderUnavailable."""
    config, tokens = _require_provider(request, kb)
    way = Way.read(request)
    if way is None or not way.is_state(state):
        raise Problem(Code.OTHER_BROWSER)
    if not code:  # the provider did not let them in, or they changed their mind
        raise Problem(Code.CODE_REFUSED)
    endpoints = await run_in_threadpool(tokens.find_endpoints)
    back = _find_way_back(request, kb)
    token = await fetch_id_token(config, endpoints, way, back, code)
    found = await run_in_threadpool(tokens.find_signed_in, token, way.nonce)
    if found is None:
        raise Problem(Code.CODE_REFUSED)
    name, groups = found
    return SignIn(person=name, groups=tuple(sorted(groups)))


def _require_provider(request: Request, kb: KB) -> tuple[OidcConfig, SignedTokens]:
    oidc, tokens = kb.config.serve.oidc, request.app.state.tokens
    if oidc is None or oidc.client_id is None or tokens is None:
        raise Problem(Code.NO_PROVIDER)
    return oidc, tokens


def _find_way_back(request: Request, kb: KB) -> str:
    base = str(kb.config.serve.public_url or request.base_url).rstrip("/")
    return f"{base}{router.prefix}/provider/back"


def _say_refusal(request: Request, problem: Problem) -> HTMLResponse:
    """Say to a person, who has come by a link, why they are not signed in."""
    texts = load_translations(current_language())
    again = Message("Back to kb").say_in(texts)
    words = f"<p>{escape(problem.title)}. {escape(problem.detail)}</p>"
    home = escape(str(request.base_url.path))
    link = f'<p><a href="{home}">{escape(again)}</a></p>'
    page = f"<!doctype html><html lang={current_language()}><meta charset=utf-8><title>kb</title>"
    return HTMLResponse(page + words + link, problem.status)
