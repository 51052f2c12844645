"""The way of a browser to a provider of OpenID Connect, and back with who it is.

An authorization code with PKCE (RFC 7636), as OpenID Connect Core 1.0 has it. All that is said on
the way follows from a secret in a cookie of the browser that set out: no other one comes back.
"""

import hashlib
import hmac
import logging
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import quote_plus

import httpx
from fastapi import Request
from starlette.responses import Response

from kb.api.guards.sign_in_cookie import is_encrypted
from kb.api.guards.signed_tokens import Endpoints
from kb.api.problem_codes import Code
from kb.api.problems import Problem
from kb.config.serving import OidcConfig

_COOKIE: Final = "kb-way"
_SECONDS: Final = 600  # for who has to find a password
_TIMEOUT: Final = 10  # seconds for the provider
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Way:
    """One way there and back; its `secret` is known to the browser and this server alone."""

    secret: str

    @classmethod
    def begin(cls) -> Self:
        return cls(secrets.token_urlsafe(32))

    @classmethod
    def read(cls, request: Request) -> Self | None:
        """Read it from the browser that set out, None for another one."""
        secret = request.cookies.get(_COOKIE)
        return cls(secret) if secret else None

    def keep(self, request: Request, response: Response) -> None:
        """Have the browser keep it; it is sent along when the provider sends the browser back."""
        response.set_cookie(
            _COOKIE,
            self.secret,
            max_age=_SECONDS,
            httponly=True,
            samesite="lax",
            secure=is_encrypted(request),
        )

    @staticmethod
    def forget(request: Request, response: Response) -> None:
        response.delete_cookie(_COOKIE, httponly=True, samesite="lax", secure=is_encrypted(request))

    @property
    def state(self) -> str:
        return self._derive("state")

    @property
    def nonce(self) -> str:
        return self._derive("nonce")

    @property
    def verifier(self) -> str:
        return self._derive("verifier")

    def is_state(self, given: str) -> bool:
        return hmac.compare_digest(self.state.encode(), given.encode())

    def _derive(self, purpose: str) -> str:
        digest = hmac.digest(self.secret.encode(), purpose.encode(), "sha256")
        return _encode(digest)


def write_address(config: OidcConfig, endpoints: Endpoints, way: Way, back: str) -> str:
    """Write the address at the provider to which the browser is sent."""
    asked = {
        "response_type": "code",
        "client_id": config.client_id or "",
        "redirect_uri": back,
        "scope": " ".join(config.scopes),
        "state": way.state,
        "nonce": way.nonce,
        "code_challenge": _encode(hashlib.sha256(way.verifier.encode()).digest()),
        "code_challenge_method": "S256",
    }
    return str(httpx.URL(endpoints.authorization).copy_merge_params(asked))


async def fetch_id_token(
    config: OidcConfig, endpoints: Endpoints, way: Way, back: str, code: str
) -> str:
    """Exchange a code for the token that says who somebody is.

    Raises Problem 502 when the provider does not take it, or says nothing of them.
    """
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": back,
        "code_verifier": way.verifier,
        "client_id": config.client_id or "",
    }
    try:
        async with httpx.AsyncClient(timeout=_TIMEOUT, auth=_make_auth(config)) as client:
            reply = (await client.post(endpoints.token, data=form)).raise_for_status()
        token = reply.json()["id_token"]
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        reason = error if isinstance(error, httpx.HTTPError) else "it tells no id_token"
        _log.warning("%s gives no token for a code: %s", config.issuer, reason)
        raise Problem(Code.CODE_REFUSED) from error
    return str(token)


def _make_auth(config: OidcConfig) -> httpx.Auth | None:
    """Make what proves who kb is, encoded as RFC 6749 (2.3.1) has it; None for a public client."""
    if config.client_secret is None:
        return None
    secret = config.client_secret.get_secret_value()
    return httpx.BasicAuth(quote_plus(config.client_id or ""), quote_plus(secret))


def _encode(digest: bytes) -> str:
    return urlsafe_b64encode(digest).decode().rstrip("=")
