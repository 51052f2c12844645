"""Who calls: a key and what it allows, or who has the token of this start while there is no key."""

import hmac
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Final, Literal, Self, TypeAlias

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr
from starlette import types as asgi

from kb.api.guards.proxied_people import find_proxied_person, name_person
from kb.api.guards.sign_in_cookie import read_cookie
from kb.api.guards.signed_tokens import ProviderUnavailable, SignedTokens
from kb.api.problem_codes import Code
from kb.api.problems import Problem
from kb.assembly.answer_sources import Source
from kb.config.sections import Config
from kb.config.serving import OidcConfig, ServeConfig
from stores.api_keys import OF_PERSON, ApiKey, ApiKeys, Scope, Subject
from stores.audiences import Groups, join_groups
from stores.sign_ins import SignIn, SignIns

Way: TypeAlias = Literal["start", "key", "proxy", "oidc"]
SCOPES: Final[tuple[Scope, ...]] = ("read", "write", "admin")
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_SAME_SITE: Final = frozenset({"same-origin", "none"})
_SOURCE_OF: Final[Mapping[Subject, Source]] = {"documents": "documents", "tables": "database"}
_OWN_HOST: Final = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?", re.IGNORECASE)
_FORWARDED: Final = "x-forwarded-"
_PROXIED: Final = frozenset(
    {
        *("forwarded", "via", "client-ip", "x-real-ip", "x-client-ip", "x-cluster-client-ip"),
        *("true-client-ip", "cf-connecting-ip", "fastly-client-ip", "fly-client-ip"),
    }
)
_GUARDED: Final = ("/api/", "/v1/")
_bearer = HTTPBearer(auto_error=False, description="A key that `kb key create` has shown.")
Given = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


def with_token(config: Config) -> Config:
    """Return a configuration with the secret that callers need while there is no key.

    It is a new one unless one is set.
    """
    token = config.serve.token or SecretStr(secrets.token_urlsafe(32))
    serve = config.serve.model_copy(update={"token": token})
    return config.model_copy(update={"serve": serve})


@dataclass(frozen=True)
class Caller:
    """`name` is the key's; without one it is whoever has started the server, who may do anything.

    `collections` are the indexed directories whose documents the caller may see, None for all;
    `only` is what they may ask from, None for documents and tables; `groups` are those that they
    are in, None for who sees everything. `id` is the key's too. `way` is what let them in: the
    token of the start, a key, a proxy, or a provider of OpenID Connect.
    """

    name: str | None = None
    id: str | None = None
    scope: Scope = "admin"
    collections: tuple[str, ...] | None = None
    only: Subject | None = None
    verifies: bool = False
    requests_per_minute: int | None = None
    tokens_per_day: int | None = None
    groups: Groups | None = None
    way: Way = "start"

    @classmethod
    def from_key(cls, key: ApiKey) -> Self:
        """Make the caller of a key; who may ask from tables alone has no documents to see.

        An administrator without groups sees everything.
        """
        sees_all = key.scope == "admin" and key.groups is None
        return cls(
            key.name,
            key.id,
            key.scope,
            () if key.only == "tables" else key.collections,
            key.only,
            key.verifies,
            key.requests_per_minute,
            key.tokens_per_day,
            None if sees_all else join_groups(key.groups or ()),
            "key",
        )

    @classmethod
    def from_person(cls, name: str, groups: Groups, scope: Scope, way: Way) -> Self:
        """Make the caller of who signed in elsewhere. Raises Problem 401 for an odd name."""
        known_as, person_id = name_person(name)
        return cls(known_as, person_id, scope, groups=groups, way=way)

    @property
    def person(self) -> str | None:
        """The name of a person, as who let them in has it; None for who comes by a key or token."""
        if self.way in ("start", "key") or self.name is None:
            return None
        return self.name.removeprefix(OF_PERSON)

    def has_scope(self, scope: Scope) -> bool:
        return SCOPES.index(self.scope) >= SCOPES.index(scope)

    def require_subject(self, subject: Subject) -> None:
        """Raises Problem 403 for what the caller may not ask from."""
        if self.only not in (None, subject):
            raise Problem(Code.KEY_LACKS_SOURCE, {"only": self.only})

    def choose_source(self, asked: Source) -> Source:
        """Return where the caller's question is put: `auto` is what they may ask from.

        Raises Problem 403.
        """
        if not self.may_use(asked):
            raise Problem(Code.KEY_LACKS_SOURCE, {"only": self.only})
        return _SOURCE_OF[self.only] if self.only else asked

    def may_use(self, source: Source) -> bool:
        return self.only is None or source in ("auto", _SOURCE_OF[self.only])

    @property
    def may_upload(self) -> bool:
        return self.has_scope("write") and self.may_use("documents")

    @property
    def may_verify(self) -> bool:
        """Verified queries answer everybody, so it takes more than writing."""
        return (self.verifies or self.has_scope("admin")) and self.only != "documents"

    def may_see(self, root: str | None) -> bool:
        return self.collections is None or root in self.collections

    def list_visible_roots(self, root: str | None) -> list[str] | None:
        """List the roots that the caller may see of the one asked for, or of all; None for all."""
        if root is not None:
            return [root] if self.may_see(root) else []
        return None if self.collections is None else list(self.collections)


async def find_caller(request: Request, given: Given) -> Caller:
    """Find who sends a request, once for each. Raises Problem 401, 403, 421 or 429."""
    known: Caller | None = getattr(request.state, "caller", None)
    if known is None:
        known = request.state.caller = await _identify_caller(request, given)
        await request.app.state.limits.count_request(known)
        request.app.state.limits.share_statements(known)
    return known


async def _identify_caller(request: Request, given: HTTPAuthorizationCredentials | None) -> Caller:
    serve: ServeConfig = request.app.state.kb.config.serve
    if serve.trusted_proxy and (person := find_proxied_person(request, serve)):
        return Caller.from_person(*person, serve.trusted_proxy.scope, "proxy")
    if given is None:
        return await _find_by_cookie(request)
    keys, text = ApiKeys(request.app.state.kb.components.engine), given.credentials
    look_up = request.app.state.limits.looking_up.run
    if _is_token(request, text) and not await look_up(keys.has_any):
        _require_own_page(request)
        return Caller()
    if serve.oidc and SignedTokens.is_one(text):
        return await _find_signed_in(request, serve.oidc, text)
    wrong = request.app.state.limits.wrong_keys
    address = request.client.host if request.client else ""
    if seconds := await wrong.seconds_to_wait(address, text, keys):
        headers = {"Retry-After": str(round(seconds))}
        raise Problem(Code.TOO_MANY_WRONG_KEYS, headers=headers)
    key = await look_up(keys.find_presented, text)
    if key is None or key.is_expired:
        await wrong.count_wrong(address)
    return _require_valid(key)


def _require_valid(key: ApiKey | None) -> Caller:
    """Return the caller of a key. Raises Problem 401 for none, and for one that is expired."""
    if key is None:
        raise _key_needed(Code.KEY_NEEDED)
    if key.is_expired:
        day, time = f"{key.expires:%Y-%m-%d}", f"{key.expires:%H:%M}"
        raise _key_needed(Code.KEY_EXPIRED, {"day": day, "time": time})
    return Caller.from_key(key)


async def _find_by_cookie(request: Request) -> Caller:
    """Find who signed in on the page. Raises Problem 401, 403 or 421.

    The key is looked up each time, so that a sign-in ends with it.
    """
    engine, look_up = (
        request.app.state.kb.components.engine,
        request.app.state.limits.looking_up.run,
    )
    secret = read_cookie(request)
    found = await look_up(SignIns(engine).find_presented, secret) if secret else None
    if found is None:
        raise _key_needed(Code.KEY_NEEDED)
    if found.key_id is not None:
        return _require_valid(await look_up(ApiKeys(engine).find_in_use, found.key_id))
    oidc: OidcConfig | None = request.app.state.kb.config.serve.oidc
    if found.person is not None and oidc:
        return Caller.from_person(found.person, join_groups(found.groups), oidc.scope, "oidc")
    if _is_of_this_start(request, found) and not await look_up(ApiKeys(engine).has_any):
        _require_own_page(request)
        return Caller()
    raise _key_needed(Code.KEY_NEEDED)


def _is_of_this_start(request: Request, sign_in: SignIn) -> bool:
    token: SecretStr | None = request.app.state.token
    is_local: bool = request.app.state.is_local
    return is_local and token is not None and sign_in.is_of_start(token.get_secret_value())


async def _find_signed_in(request: Request, oidc: OidcConfig, text: str) -> Caller:
    """Find who presents the token of a provider; a wrong one costs no look-up.

    Raises Problem 401 or 503.
    """
    look_up = request.app.state.limits.looking_up.run
    try:
        person = await look_up(request.app.state.tokens.find_person, text)
    except ProviderUnavailable as error:
        raise Problem(Code.PROVIDER_AWAY) from error
    if person is None:
        raise _key_needed(Code.KEY_NEEDED)
    name, groups = person
    return Caller.from_person(name, groups, oidc.scope, "oidc")


def _is_token(request: Request, text: str) -> bool:
    """Whether a text is the token of this start, which opens nothing from other machines."""
    token: SecretStr | None = request.app.state.token
    if token is None or not request.app.state.is_local:
        return False
    return hmac.compare_digest(text.encode(), token.get_secret_value().encode())


def _key_needed(code: Code, values: Mapping[str, str] | None = None) -> Problem:
    return Problem(code, values, headers={"WWW-Authenticate": "Bearer"})


class KeyBeforeBody:
    """Refuses who may not call before anything is read of what they send."""

    def __init__(self, app: asgi.ASGIApp, guarded: tuple[str, ...] = _GUARDED) -> None:
        self._app = app
        self._guarded = guarded

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(self._guarded):
            request = Request(scope)
            await find_caller(request, await _bearer(request))
        await self._app(scope, receive, send)


def _require_own_page(request: Request) -> None:
    """Raise Problem for the token from another page or a proxy: a token may get about."""
    if any(name in _PROXIED or name.startswith(_FORWARDED) for name in request.headers):
        raise _key_needed(Code.KEY_NEEDED_BEHIND_PROXY)
    hosts, origin = request.headers.getlist("host"), request.headers.get("origin")
    if len(hosts) != 1 or not _OWN_HOST.fullmatch(hosts[0]):
        raise Problem(Code.WRONG_HOST)
    is_foreign = origin is not None and origin.partition("://")[2] != hosts[0]
    if is_foreign or request.headers.get("sec-fetch-site", "none") not in _SAME_SITE:
        raise Problem(Code.FOREIGN_SITE)


def require_scope(scope: Scope) -> Callable[..., Awaitable[Caller]]:
    """Make what endpoints depend on that take a key of a scope or above."""

    async def require(caller: Annotated[Caller, Depends(find_caller)]) -> Caller:
        if not caller.has_scope(scope):
            raise Problem(Code.KEY_LACKS_SCOPE, {"scope": scope})
        return caller

    return require


def require_subject(subject: Subject) -> Callable[..., Awaitable[None]]:
    """Make what all endpoints depend on that tell of documents, or of tables."""

    async def require(caller: Annotated[Caller, Depends(find_caller)]) -> None:
        caller.require_subject(subject)

    return require


async def _require_verifying(caller: Annotated[Caller, Depends(find_caller)]) -> Caller:
    if not caller.may_verify:
        raise Problem(Code.KEY_LACKS_VERIFYING)
    return caller


Reading = Annotated[Caller, Depends(require_scope("read"))]
Writing = Annotated[Caller, Depends(require_scope("write"))]
Administering = Annotated[Caller, Depends(require_scope("admin"))]
Verifying = Annotated[Caller, Depends(_require_verifying)]
