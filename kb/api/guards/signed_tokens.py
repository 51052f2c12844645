"""Tokens that a provider of OpenID Connect has signed, as `Authorization: Bearer` brings them."""

import logging
import threading
import time
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
    """The provider does not tell its keys."""


class SignedTokens:
    """The tokens of one provider; its keys are fetched when the first one is presented."""

    def __init__(self, config: OidcConfig) -> None:
        self._config = config
        self._alone = threading.Lock()
        self._keys: jwt.PyJWKClient | None = None
        self._failed = float("-inf")

    @staticmethod
    def is_one(text: str) -> bool:
        """Tell whether a text looks like a signed token, and not like a key."""
        return text.count(".") == 2  # noqa: PLR2004 - header, claims, signature

    def find_person(self, text: str) -> tuple[str, Groups] | None:
        """Find the name and groups that a token says; None for one that is not good.

        Raises ProviderUnavailable.
        """
        try:
            key = self._find_keys().get_signing_key_from_jwt(text)
            claims = jwt.decode(
                text,
                key,
                algorithms=_ALGORITHMS,
                audience=self._config.audience,
                issuer=self._config.issuer,
                leeway=_LEEWAY,
                options={"require": ["exp", "iss", "aud", self._config.user_claim]},
            )
        except jwt.PyJWKClientConnectionError as error:
            raise ProviderUnavailable(str(error)) from error
        except jwt.PyJWTError as error:
            _log.info("A token is refused: %s", error)
            return None
        return str(claims[self._config.user_claim]), _read_groups(claims, self._config.groups_claim)

    def _find_keys(self) -> jwt.PyJWKClient:
        """Find where the provider has its keys, once. Raises ProviderUnavailable."""
        with self._alone:
            if self._keys is None:
                if time.monotonic() - self._failed < _BETWEEN_TRIES:
                    raise ProviderUnavailable("It did not answer a moment ago.")
                try:
                    self._keys = self._discover()
                except (httpx.HTTPError, ValueError, KeyError) as error:
                    self._failed = time.monotonic()
                    _log.warning("%s does not tell its keys: %s", self._config.issuer, error)
                    raise ProviderUnavailable(str(error)) from error
            return self._keys

    def _discover(self) -> jwt.PyJWKClient:
        address = f"{self._config.issuer.rstrip('/')}/.well-known/openid-configuration"
        reply = httpx.get(address, timeout=_TIMEOUT).raise_for_status()
        told = reply.json()
        if told["issuer"] != self._config.issuer:
            raise ValueError(f"it calls itself {told['issuer']!r}: set serve.oidc.issuer to that")
        return jwt.PyJWKClient(str(told["jwks_uri"]), lifespan=_KEYS_KNOWN, timeout=_TIMEOUT)


def _read_groups(claims: dict[str, Any], name: str) -> Groups:
    """Read the groups of a claim, which may be inside of others: `realm_access.roles`."""
    value: Any = claims
    for part in [name] if name in claims else name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    values = [value] if isinstance(value, str) else value
    return join_groups(each for each in values or () if isinstance(each, str) and each)
