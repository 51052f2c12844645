"""API keys: random, shown once, kept as digests."""

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias

import sqlalchemy as sa

from stores.audiences import NAME_CHARACTERS
from stores.connection import read_error_number, read_snapshot, run_transaction
from stores.errors import StoreError
from stores.look_alikes import find_hidden
from stores.reader import find_reader
from stores.sql import statements

_SQL = {name: sa.text(sql) for name, sql in statements("api_keys.sql").items()}
_PREFIX: Final = "kb"
_KEY: Final = re.compile(rf"{_PREFIX}-(?P<id>[0-9a-f]{{12}})-(?P<secret>[A-Za-z0-9_-]{{43}})")
_DUPLICATE = 1062
_NAME_CHARACTERS = 190
OF_PERSON: Final = "user:"
"""What the names of people begin with who call without a key; no key's does."""

Scope: TypeAlias = Literal["read", "write", "admin"]
Subject: TypeAlias = Literal["documents", "tables"]


@dataclass(frozen=True)
class ApiKey:
    """A key without its secret; `collections` are names of indexed directories, None for all.

    `groups` are those that its holder is in, None for none that anybody has said.
    `only` is what it may ask from, None for everything; with `verifies` it may keep verified
    queries. A limit that is None is the configuration's; `month_budget` is in the currency of the
    prices, `expires` in UTC.
    """

    id: str
    name: str
    scope: Scope
    collections: tuple[str, ...] | None = None
    groups: tuple[str, ...] | None = None
    only: Subject | None = None
    verifies: bool = False
    requests_per_minute: int | None = None
    tokens_per_day: int | None = None
    month_budget: Decimal | None = None
    created: datetime | None = field(default=None, compare=False)
    revoked: datetime | None = None
    expires: datetime | None = None
    is_expired: bool = False


@dataclass(frozen=True)
class ApiKeys:
    """The keys of a database; one that is revoked or expired is refused from then on."""

    engine: sa.Engine

    def create(
        self,
        name: str,
        scope: Scope,
        *,
        collections: Sequence[str] | None = None,
        groups: Sequence[str] | None = None,
        only: Subject | None = None,
        verifies: bool = False,
        requests_per_minute: int | None = None,
        tokens_per_day: int | None = None,
        month_budget: Decimal | None = None,
        expires: datetime | None = None,
    ) -> str:
        """Create a key and return it, which nobody can show again; `expires` has a time zone.

        Raises StoreError for a name that was given.
        """
        is_plain = name == " ".join(name.split()) and find_hidden(name) is None
        if not name or not is_plain or len(name) > _NAME_CHARACTERS:
            raise StoreError(
                f"A key needs a name of 1 to {_NAME_CHARACTERS} visible characters, without spaces "
                f"at its ends and with one at a time between words; it is {name[:200]!a}."
            )
        if name.startswith(OF_PERSON):
            raise StoreError(f"{OF_PERSON!r} begins the names of people who sign in elsewhere.")
        if any(not 0 < len(group) <= NAME_CHARACTERS for group in groups or ()):
            raise StoreError(f"The name of a group has 1 to {NAME_CHARACTERS} characters.")
        key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        values = {
            "id": key_id,
            "name": name,
            "digest": _hash_secret(secret),
            "scope": scope,
            "collections": None if collections is None else json.dumps(list(collections)),
            "groups": None if groups is None else json.dumps(list(groups)),
            "only_from": only,
            "verifies": verifies,
            "requests_per_minute": requests_per_minute,
            "tokens_per_day": tokens_per_day,
            "month_budget": month_budget,
            "expires_at": expires and expires.astimezone(UTC).replace(tzinfo=None),
        }
        try:
            run_transaction(self.engine, lambda c: c.execute(_SQL["add"], values))
        except StoreError as error:
            if read_error_number(getattr(error.__cause__, "orig", None)) != _DUPLICATE:
                raise
            raise StoreError(
                f"There is, or was, a key named {name!r}. Choose another name: sessions belong to "
                "the name of their key."
            ) from error
        return f"{_PREFIX}-{key_id}-{secret}"

    def list_keys(self) -> list[ApiKey]:
        rows = read_snapshot(self.engine, lambda c: c.execute(_SQL["all"]).all())
        return [_row_to_key(row) for row in rows]

    def find_budget(self, name: str) -> Decimal | None:
        """Find what the holder of a key may spend in a month; None where the key does not say."""
        values = {"name": name}
        found: Decimal | None = read_snapshot(
            self.engine, lambda c: c.scalar(_SQL["budget"], values)
        )
        return found

    def has_any(self) -> bool:
        """Whether there has ever been a key."""
        [row] = self._read("any", {})
        return bool(row.known)

    def find_presented(self, text: str) -> ApiKey | None:
        """Find the key that somebody presents; None for one that is unknown, wrong or revoked.

        Who presents one that is expired has its secret, and so may be told.
        """
        written = _KEY.fullmatch(text)
        if not written:
            return None
        row = next(iter(self._read("presented", {"id": written["id"]})), None)
        known = bytes(row.digest) if row else bytes(32)
        matches = hmac.compare_digest(known, _hash_secret(written["secret"]))
        return _row_to_key(row) if row and matches and row.revoked_at is None else None

    def find_in_use(self, key_id: str) -> ApiKey | None:
        """Find a key by its id, for who has presented it before; None for one that is revoked."""
        row = next(iter(self._read("presented", {"id": key_id})), None)
        return _row_to_key(row) if row and row.revoked_at is None else None

    def list_digests(self) -> frozenset[bytes]:
        """List the digests of all keys that are in use, see `make_digest`."""
        return frozenset(bytes(row.digest) for row in self._read("digests", {}))

    @staticmethod
    def make_digest(text: str) -> bytes | None:
        """Make the digest by which a key is kept; None of what is no key."""
        written = _KEY.fullmatch(text)
        return _hash_secret(written["secret"]) if written else None

    def _read(self, statement: str, values: Mapping[str, Any]) -> Sequence[Any]:
        """Read keys on the connections of the reader, as every request needs one."""
        reader = find_reader(self.engine)
        with suppress(*reader.errors):
            return reader.execute(_SQL[statement], values)
        return read_snapshot(self.engine, lambda c: c.execute(_SQL[statement], values).all())

    def revoke(self, name: str) -> None:
        """Revoke a key. Raises StoreError when none of that name is in use."""
        values = {"name": name}
        revoked = run_transaction(self.engine, lambda c: c.execute(_SQL["revoke"], values).rowcount)
        if not revoked:
            raise StoreError(f"No key named {name!r} is in use. `kb key list` shows all.")


def _hash_secret(secret: str) -> bytes:
    """Hash a secret; a random one of 256 bits needs no slow hash."""
    return hashlib.sha256(secret.encode(errors="replace")).digest()


def _row_to_key(row: Any) -> ApiKey:
    return ApiKey(
        id=row.id,
        name=row.name,
        scope=row.scope,
        collections=tuple(json.loads(row.collections)) if row.collections else None,
        groups=tuple(json.loads(row.of_groups)) if row.of_groups else None,
        only=row.only_from,
        verifies=bool(row.verifies),
        requests_per_minute=row.requests_per_minute,
        tokens_per_day=row.tokens_per_day,
        month_budget=row.month_budget,
        created=row.created_at,
        revoked=row.revoked_at,
        expires=row.expires_at,
        is_expired=bool(row.is_expired),
    )
