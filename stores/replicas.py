"""Servers that follow the one that is written to: searches are read from them where they can be.

What this process has written it reads again everywhere: a replica is waited for until it has the
write, by its GTID, or the primary is asked. A replica that is away, or too far behind, is left out
and tried again later.
"""

import itertools
import logging
import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, TypeVar

import sqlalchemy as sa
from sqlalchemy import event

from stores.connection import is_lost, make_engine, read_snapshot
from stores.errors import StoreError
from stores.reader import Reader, find_reader

_POSITION: Final = sa.text("SELECT @@gtid_current_pos AS position")
_WAIT: Final = sa.text("SELECT MASTER_GTID_WAIT(:position, :seconds) AS outcome")
_BINARY_LOG: Final = sa.text("SELECT @@log_bin")
_PATIENCE: Final = 1.0  # seconds that a search waits for a write of its own process
_BETWEEN_LOOKS: Final = 1.0  # seconds, at how far a replica is
_LEFT_OUT: Final = 10.0  # seconds
_CONNECT: Final = 2  # seconds; the primary answers as well
_SILENCE: Final = 60  # seconds without an answer, as of a machine that went without a word
_log = logging.getLogger(__name__)

T = TypeVar("T")


def add_replicas(engine: sa.Engine, urls: Sequence[sa.URL], most_seconds_behind: float) -> None:
    """Have an engine's searches read from replicas. Raises StoreError without a binary log."""
    if not read_snapshot(engine, lambda connection: connection.scalar(_BINARY_LOG)):
        raise StoreError(
            "database.replicas follow a server with a binary log, and that of database.url has "
            "none. Start it with log_bin, or leave the replicas out."
        )
    replicas = Replicas(engine, urls, most_seconds_behind)
    event.listen(engine, "engine_disposed", lambda _: replicas.close())
    engine.update_execution_options(replicas=replicas)


def note_write(engine: sa.Engine) -> None:
    """Have later searches of this process see what was just committed."""
    if replicas := engine.get_execution_options().get("replicas"):
        replicas.note_write()


def read_anywhere(engine: sa.Engine, work: Callable[[Reader], T]) -> T:
    """Read from a replica of an engine, or else from its own server, as its reader does."""
    replicas = engine.get_execution_options().get("replicas")
    return replicas.read(work) if replicas else work(find_reader(engine))


def measure_lags(engine: sa.Engine) -> list[float]:
    """Measure how many seconds each replica of an engine is behind, infinity for one that is away.

    It is as long as the replica has not reached where the primary was.
    """
    replicas = engine.get_execution_options().get("replicas")
    return replicas.measure_lags() if replicas else []


class Replicas:
    """The replicas of one engine, asked in turn."""

    def __init__(
        self, primary: sa.Engine, urls: Sequence[sa.URL], most_seconds_behind: float
    ) -> None:
        self._primary = find_reader(primary)
        self._replicas = [_Replica(url, most_seconds_behind) for url in urls]
        self._turn = itertools.count()
        self._writes = self._located = 0  # how many there were, and when the primary was located
        self._position = ""

    def close(self) -> None:
        for replica in self._replicas:
            replica.engine.dispose()

    def note_write(self) -> None:
        self._writes += 1

    def measure_lags(self) -> list[float]:
        return [replica.measure_lag(self._locate_primary) for replica in self._replicas]

    def read(self, work: Callable[[Reader], T]) -> T:
        """Read from the first replica that can be, beginning with another one each time."""
        first = next(self._turn)
        for number in range(len(self._replicas)):
            replica = self._replicas[(first + number) % len(self._replicas)]
            try:
                if self._has_everything(replica):
                    return work(replica.reader)
            except replica.reader.errors as error:  # what it refuses, the primary explains
                if is_lost(error):
                    replica.leave_out("it does not answer")
        return work(self._primary)

    def _has_everything(self, replica: "_Replica") -> bool:
        """Tell whether a replica is close enough, and has what this process wrote."""
        if replica.is_look_due():
            replica.look(self._locate_primary)
        return not replica.is_left_out and self._locate_writes() and replica.has(self._position)

    def _locate_writes(self) -> bool:
        """Find where the primary was after this process wrote last; False while it is away."""
        writes = self._writes
        if writes > self._located:
            position = self._locate_primary()
            if position is None:
                return False
            self._position, self._located = position, writes
        return True

    def _locate_primary(self) -> str | None:
        """Find where the primary is; None while it does not answer."""
        with suppress(*self._primary.errors):
            [row] = self._primary.execute(_POSITION, {})
            return str(row.position)
        return None


class _Replica:
    """A server that follows another one, and what is known of how far it is."""

    def __init__(self, url: sa.URL, most_seconds_behind: float) -> None:
        self.engine = make_engine(
            url,
            setting="database.replicas",
            socket_timeout=_SILENCE,
            connect_args={"connect_timeout": _CONNECT},
        )
        self.reader = find_reader(self.engine)
        self._most_behind = most_seconds_behind
        self._until = self._next_look = 0.0
        self._reached = self._awaited = ""
        self._mark: tuple[str, float] | None = None  # where the primary was, and when

    @property
    def is_left_out(self) -> bool:
        return time.monotonic() < self._until

    def is_look_due(self) -> bool:
        return not self.is_left_out and time.monotonic() >= self._next_look

    def look(self, locate_primary: Callable[[], str | None]) -> None:
        """Look whether it is where the primary was some time ago; leave it out if it is not.

        While there is no primary, nothing is behind it.
        """
        now = time.monotonic()
        self._next_look = now + _BETWEEN_LOOKS
        if self._mark is None:
            position = locate_primary()
            self._mark = None if position is None else (position, now)
        elif self._wait(self._mark[0], 0):
            self._mark = None
        elif now - self._mark[1] > self._most_behind:
            self.leave_out(f"it is more than {self._most_behind:g} s behind")

    def measure_lag(self, locate_primary: Callable[[], str | None]) -> float:
        """Measure the seconds since it was where the primary was; infinity while it is away."""
        if self.is_left_out:
            return math.inf
        try:
            self.look(locate_primary)
            if self._mark and not self._wait(self._mark[0], 0):
                return time.monotonic() - self._mark[1]
        except self.reader.errors:
            return math.inf
        return 0.0

    def has(self, position: str) -> bool:
        """Wait until it is where the primary was, the first time that it is asked for that."""
        if position != self._reached:
            seconds = 0 if position == self._awaited else _PATIENCE
            self._awaited = position
            if self._wait(position, seconds):
                self._reached = position
        return position == self._reached

    def _wait(self, position: str, seconds: float) -> bool:
        values = {"position": position, "seconds": seconds}
        [row] = self.reader.execute(_WAIT, values)
        return bool(row.outcome == 0)

    def leave_out(self, reason: str) -> None:
        """Leave it out for some seconds, after which it is asked again."""
        place = self.engine.url.render_as_string(hide_password=True)
        _log.warning("The replica %s is left out for %g s: %s", place, _LEFT_OUT, reason)
        self._until = time.monotonic() + _LEFT_OUT
