"""Tokens that a provider of OpenID Connect has signed, as `Authorization: Bearer` brings them."""

import hmac
import logging
import threading
import time
from dataclasses import dataclass
from typing import Any, Final

import httpx
import jwt

from kb.config.serving import OidcConfig
from stores.audiences import Groups, join_groups

_ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")  # fmt: skip  # noqa: E501
_LEEWAY: Final = 30  # seconds that clocks may differ
_TIMEOUT: Final = 5  # seconds for the provider
_KEYS_KNOWN: Final = 300  # seconds
_BETWEEN_TRIES: Final = 10.0  # seconds, while the provider does not answer

_log = logging.getLogger(__name__)


class ProviderUnavailable(Exception):
    """The provider does not tell its keys, or where people sign in."""


@dataclass(frozen=True)
class Endpoints:
    """Where a provider sends browsers, and where it gives tokens for their codes."""

    authorization: str
    token: str


@dataclass(frozen=True)
class _Provider:
    """What a provider tells of itself."""

    keys: jwt.PyJWKClient
    endpoints: Endpoints | None


class SignedTokens:
    """The tokens of one provider; its keys are fetched when the first one is presented."""

    def __init__(self, config: OidcConfig) -> None:
        self._config = config
        self._alone = threading.Lock()
        self._provider: _Provider | None = None
        self._failed = float("-inf")

    @staticmethod
    def is_one(text: str) -> bool:
        """Tell whether a text looks like a signed token, and not like a key."""
        return text.count(".") == 2  # noqa: PLR2004 - header, claims, signature

    def find_endpoints(self) -> Endpoints:
        """Find where the provider signs people in. Raises ProviderUnavailable."""
        endpoints = self._find_provider().endpoints
        if endpoints is None:
            raise ProviderUnavailable("It does not say where people sign in.")
        return endpoints

    def find_signed_in(self, text: str, nonce: str) -> tuple[str, Groups] | None:
        """Find whom the provider has signed in on the page, by a token for this way in alone.

        None for a token that is not good. Raises ProviderUnavailable.
        """
        claims = self._read_claims(text, self._config.client_id or "", "nonce")
        if claims is None or not hmac.compare_digest(str(claims["nonce"]).encode(), nonce.encode()):
            return None
        return self._read_person(claims)

    def find_person(self, text: str) -> tuple[str, Groups] | None:
        """Find the name and groups that a token says; None for one that is not good.

        Raises ProviderUnavailable.
        """
        claims = self._read_claims(text, self._config.audience)
        return None if claims is None else self._read_person(claims)

    def _read_person(self, claims: dict[str, Any]) -> tuple[str, Groups]:
        return str(claims[self._config.user_claim]), _read_groups(claims, self._config.groups_claim)

    def _read_claims(self, text: str, audience: str, *more: str) -> dict[str, Any] | None:
        """Read what a token says, which has these claims too; None for one that is not good."""
        try:
            key = _choose_key(self._find_provider().keys, text)
            claims: dict[str, Any] = jwt.decode(
                text,
                key,
                algorithms=_ALGORITHMS,
                audience=audience,
                issuer=self._config.issuer,
                leeway=_LEEWAY,
                options={"require": ["exp", "iss", "aud", self._config.user_claim, *more]},
            )
        except jwt.PyJWKClientConnectionError as error:
            raise ProviderUnavailable(str(error)) from error
        except jwt.PyJWTError as error:
            _log.info("A token is refused: %s", error)
            return None
        return claims

    def _find_provider(self) -> _Provider:
        """Find what the provider tells of itself, once. Raises ProviderUnavailable."""
        with self._alone:
            if self._provider is None:
                if time.monotonic() - self._failed < _BETWEEN_TRIES:
                    raise ProviderUnavailable("It did not answer a moment ago.")
                try:
                    self._provider = self._discover()
                except (httpx.HTTPError, ValueError, KeyError) as error:
                    self._failed = time.monotonic()
                    _log.warning("%s does not tell its keys: %s", self._config.issuer, error)
                    raise ProviderUnavailable(str(error)) from error
            return self._provider

    def _discover(self) -> _Provider:
        address = f"{self._config.issuer.rstrip('/')}/.well-known/openid-configuration"
        reply = httpx.get(address, timeout=_TIMEOUT).raise_for_status()
        told = reply.json()
        if told["issuer"] != self._config.issuer:
            raise ValueError(f"it calls itself {told['issuer']!r}: set serve.oidc.issuer to that")
        keys = jwt.PyJWKClient(str(told["jwks_uri"]), lifespan=_KEYS_KNOWN, timeout=_TIMEOUT)
        places = told.get("authorization_endpoint"), told.get("token_endpoint")
        return _Provider(keys, Endpoints(*map(str, places)) if all(places) else None)


def _choose_key(keys: jwt.PyJWKClient, text: str) -> jwt.PyJWK:
    """Choose the key that a token names, or the only one there is; a name may be left out."""
    if "kid" not in jwt.get_unverified_header(text) and len(known := keys.get_signing_keys()) == 1:
        return known[0]
    return keys.get_signing_key_from_jwt(text)


def _read_groups(claims: dict[str, Any], name: str) -> Groups:
    """Read the groups of a claim, which may be inside of others: `realm_access.roles`."""
    value: Any = claims
    for part in [name] if name in claims else name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    values = [value] if isinstance(value, str) else value
    return join_groups(each for each in values or () if isinstance(each, str) and each)
