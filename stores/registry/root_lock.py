"""One run a root: a row lock, which ends with its process, and a written row for other nodes.

The lock of a row is the server's own, and the other nodes of a Galera cluster know nothing of it.
What is written they do know: of two nodes that write one row, one is refused. A run that dies
leaves its row; a run on the same server, to which the lock falls, takes the row over at once, one
on another node when there was no sign of life for a while.
"""

import os
import platform
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

import sqlalchemy as sa

from stores.connection import read_error_number, read_snapshot, run_transaction, translate_errors
from stores.errors import StoreError
from stores.sql import statements

_SQL = {name: sa.text(sql) for name, sql in statements("runs.sql").items()}
_LOCK_NOT_AVAILABLE: Final = 1205
_WAIT: Final = 0.5  # seconds between two attempts
_BEAT: Final = 10.0  # seconds between two signs of life
DEAD_SECONDS: Final = 60  # without a sign of life, until a run on another node takes a root


@contextmanager
def hold_root(
    engine: sa.Engine, root: str, waiting: Callable[[], None]
) -> Iterator[Callable[[], bool]]:
    """Be the only run that indexes a root; `waiting` is called while another one does.

    Yields a call that says whether that is still so: the server drops the lock when this process
    dies, or when it dies itself.
    """
    row = {"root": root}
    if not read_snapshot(engine, lambda c: c.scalar(_SQL["can_be_held"], row)):
        run_transaction(engine, lambda c: _add_rows(c, root))
    with translate_errors(engine.url):
        holder = engine.connect()
    try:
        with translate_errors(engine.url):
            node = str(holder.scalar(_SQL["node"]))
            holder.rollback()
            while not _try_to_lock(holder, root):
                waiting()
                time.sleep(_WAIT)
            run = _Run(engine, root, node)
            while not run.take():
                waiting()
                time.sleep(_WAIT)
        with run.give_signs():
            yield lambda: _is_answering(holder) and run.is_ours
    finally:
        holder.invalidate()  # also when it died: what was written does not depend on it
        holder.close()


def list_roots_under_way(engine: sa.Engine) -> list[str]:
    """List the roots that a run indexes at this moment, in this process or any other."""
    dead = {"seconds": DEAD_SECONDS}
    return sorted(read_snapshot(engine, lambda c: c.scalars(_SQL["under_way"], dead).all()))


@dataclass
class _Run:
    """The row of a run, which says to other nodes that its root is taken."""

    engine: sa.Engine
    root: str
    node: str
    owner: str = field(
        default_factory=lambda: f"{platform.node()[:200]}:{os.getpid()}:{secrets.token_hex(6)}"
    )
    is_ours: bool = True

    def take(self) -> bool:
        """Write that the root is this run's; False while a run on another node lives."""
        values = {**self._values, "node": self.node, "seconds": DEAD_SECONDS}
        return bool(
            run_transaction(self.engine, lambda c: c.execute(_SQL["take"], values).rowcount)
        )

    @contextmanager
    def give_signs(self) -> Iterator[None]:
        """Say that the run lives, until it ends."""
        ended = threading.Event()
        beating = threading.Thread(target=self._beat_until, args=[ended], daemon=True)
        beating.start()
        try:
            yield
        finally:
            ended.set()
            beating.join()
            with suppress(StoreError):  # whoever comes next finds no sign of life
                run_transaction(self.engine, lambda c: c.execute(_SQL["end"], self._values))

    def _beat_until(self, ended: threading.Event) -> None:
        while not ended.wait(_BEAT):
            with suppress(StoreError):
                self.is_ours = bool(
                    run_transaction(
                        self.engine, lambda c: c.execute(_SQL["beat"], self._values).rowcount
                    )
                )

    @property
    def _values(self) -> dict[str, str]:
        return {"root": self.root, "owner": self.owner}


def _add_rows(connection: sa.Connection, root: str) -> None:
    connection.execute(_SQL["add_lock"], {"root": root})
    connection.execute(_SQL["add_run"], {"root": root})


def _try_to_lock(connection: sa.Connection, root: str) -> bool:
    try:
        connection.execute(_SQL["lock"], {"root": root})
    except sa.exc.DBAPIError as error:
        if read_error_number(error.orig) != _LOCK_NOT_AVAILABLE:
            raise
        connection.rollback()
        return False
    return True


def _is_answering(connection: sa.Connection) -> bool:
    try:
        connection.execute(sa.text("SELECT 1"))
    except sa.exc.SQLAlchemyError:
        return False
    return True
