"""Who calls: signing in on the page, signing out, and what one may do."""

from dataclasses import dataclass

from fastapi import APIRouter, Request
from starlette.responses import Response

from kb.api.dependencies import KB
from kb.api.described import Told
from kb.api.guards.access import Caller, Given, Reading, Way
from kb.api.guards.sign_in_cookie import drop_cookie, read_cookie, write_cookie
from kb.api.problem_codes import Code
from kb.api.problems import Problem
from stores.api_keys import Scope
from stores.audiences import EVERYONE
from stores.sign_ins import SignIn, SignIns

router = APIRouter(prefix="/api", tags=["people"])


@dataclass(frozen=True)
class DescribedCaller:
    """Who calls; `name` null has the token of the server's start, `groups` null sees everything.

    `way` is what let them in: the token of the start, a key, a proxy, or a provider.
    """

    name: str | None
    scope: Scope
    groups: list[str] | None
    way: Way
    by_cookie: bool


@router.get("/me")
def read_caller(caller: Reading, given: Given) -> Told[DescribedCaller]:
    """Who calls: their name, what they may do, their groups, and how they signed in."""
    return _describe_caller(caller, by_cookie=given is None and caller.way != "proxy")


@router.post("/sign-in")
def sign_in(
    caller: Reading, given: Given, kb: KB, request: Request, response: Response
) -> Told[DescribedCaller]:
    """Exchange the key of `Authorization` for a cookie that scripts cannot read.

    It lasts `serve.sign_in_hours`, and ends at once with its key.
    """
    if given is None or caller.way == "proxy":
        raise Problem(Code.KEY_NEEDED)
    sign_ins = SignIns(kb.components.engine)
    hours = kb.config.serve.sign_in_hours
    secret = sign_ins.add(_make_sign_in(caller, given.credentials), hours)
    write_cookie(request, response, secret)
    return _describe_caller(caller, by_cookie=True)


def _make_sign_in(caller: Caller, credentials: str) -> SignIn:
    match caller.way:
        case "key":
            return SignIn(key_id=caller.id)
        case "start":
            return SignIn.of_start(credentials)
        case _:
            return SignIn(person=caller.person, groups=tuple(caller.groups or ()))


@router.delete("/sign-in", status_code=204)
def sign_out(caller: Reading, kb: KB, request: Request, response: Response) -> None:  # noqa: ARG001 - only who is in goes out
    """End the sign-in of the cookie, which opens nothing from then on."""
    if secret := read_cookie(request):
        SignIns(kb.components.engine).remove(secret)
    drop_cookie(request, response)


def _describe_caller(caller: Caller, *, by_cookie: bool) -> DescribedCaller:
    groups = None if caller.groups is None else sorted(caller.groups - {EVERYONE})
    name = caller.person or caller.name
    return DescribedCaller(name, caller.scope, groups, caller.way, by_cookie)
