"""Chats as they were when somebody shared them, for who has the link."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from stores.connection import read_snapshot, run_transaction
from stores.sql import statements
from stores.typed_json import dumps, loads

_SQL: Final = {name: sa.text(sql) for name, sql in statements("shares.sql").items()}


@dataclass(frozen=True)
class Share:
    """A link to a chat, without its secret; the time in UTC."""

    id: str
    made_at: datetime


@dataclass(frozen=True)
class SharedChat:
    """What a link shows, which stays as it was made; the time in UTC."""

    title: str
    made_at: datetime
    turns: list[dict[str, Any]]


@dataclass(frozen=True)
class Shares:
    """The links to chats; of the secret in each its digest alone is kept."""

    engine: sa.Engine

    def add(self, session_id: str, title: str, turns: list[dict[str, Any]]) -> str:
        """Keep a chat as it is, and return the secret of its link, which nobody can show again."""
        secret = secrets.token_urlsafe(32)
        values = {
            "digest": _hash_secret(secret),
            "session": session_id,
            "title": title,
            "content": dumps(turns),
        }
        run_transaction(self.engine, lambda c: c.execute(_SQL["add"], values))
        return secret

    def list_of(self, session_id: str) -> list[Share]:
        """List the links to a chat, the last first."""
        values = {"session": session_id}
        rows = read_snapshot(self.engine, lambda c: c.execute(_SQL["list"], values).all())
        return [Share(row.id.lower(), row.made_at) for row in rows]

    def find_presented(self, secret: str) -> SharedChat | None:
        """Find what a link shows; None for one unknown or revoked, or whose chat is gone."""
        values = {"digest": _hash_secret(secret)}
        row = read_snapshot(self.engine, lambda c: c.execute(_SQL["presented"], values).first())
        return None if row is None else SharedChat(row.title, row.made_at, loads(row.content))

    def remove(self, session_id: str, share_id: str) -> bool:
        """Revoke a link to a chat, and tell whether there was one."""
        values = {"session": session_id, "id": share_id}
        return run_transaction(
            self.engine, lambda c: bool(c.execute(_SQL["remove"], values).rowcount)
        )


def _hash_secret(secret: str) -> bytes:
    """Hash a secret; a random one of 256 bits needs no slow hash."""
    return hashlib.sha256(secret.encode(errors="replace")).digest()
