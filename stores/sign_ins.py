"""Who signed in on the page: the secrets of their cookies, kept as digests until they are over."""

import hashlib
import json
import secrets
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Self

import sqlalchemy as sa

from stores.connection import read_snapshot, run_transaction
from stores.reader import find_reader
from stores.sql import statements

_SQL: Final = {name: sa.text(sql) for name, sql in statements("sign_ins.sql").items()}


@dataclass(frozen=True)
class SignIn:
    """For whom a cookie stands: a key, a person with their groups, or the token of a start."""

    key_id: str | None = None
    person: str | None = None
    groups: tuple[str, ...] = ()
    start_digest: bytes | None = None

    @classmethod
    def of_start(cls, token: str) -> Self:
        return cls(start_digest=_hash_text(token))

    def is_of_start(self, token: str) -> bool:
        return self.start_digest == _hash_text(token)


@dataclass(frozen=True)
class SignIns:
    """The sign-ins of a database, which all its servers know."""

    engine: sa.Engine

    def add(self, sign_in: SignIn, hours: int) -> str:
        """Keep a sign-in, and return its secret, which nobody can show again."""
        secret = secrets.token_urlsafe(32)
        values = {
            "digest": _hash_text(secret),
            "key_id": sign_in.key_id,
            "person": sign_in.person,
            "groups": json.dumps(sorted(sign_in.groups)) if sign_in.groups else None,
            "start_digest": sign_in.start_digest,
            "hours": hours,
        }

        def work(connection: sa.Connection) -> None:
            connection.execute(_SQL["remove_old"])
            connection.execute(_SQL["add"], values)

        run_transaction(self.engine, work)
        return secret

    def find_presented(self, secret: str) -> SignIn | None:
        """Find the sign-in of a secret; None for one that is over, ended or unknown."""
        rows = self._read_presented({"digest": _hash_text(secret)})
        if not rows:
            return None
        [row] = rows
        groups = tuple(json.loads(row.of_groups)) if row.of_groups else ()
        start = None if row.start_digest is None else bytes(row.start_digest)
        return SignIn(row.key_id, row.person, groups, start)

    def remove(self, secret: str) -> None:
        """End a sign-in; one that is over already stays so."""
        values = {"digest": _hash_text(secret)}
        run_transaction(self.engine, lambda c: c.execute(_SQL["remove"], values))

    def _read_presented(self, values: dict[str, Any]) -> list[Any]:
        """Read on the connections of the reader, as every request of the page needs one."""
        reader = find_reader(self.engine)
        with suppress(*reader.errors):
            return reader.execute(_SQL["presented"], values)
        return list(
            read_snapshot(self.engine, lambda c: c.execute(_SQL["presented"], values).all())
        )


def _hash_text(text: str) -> bytes:
    """Hash a secret; a random one of 256 bits needs no slow hash."""
    return hashlib.sha256(text.encode(errors="replace")).digest()
