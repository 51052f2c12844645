"""What was made once, kept for the next time it is asked for."""

import hashlib
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from stores import typed_json
from stores.errors import StoreError

_log = logging.getLogger(__name__)
_PAUSE: Final = 5.0  # seconds for which a place that failed is left alone
_is_passed_by: ContextVar[bool] = ContextVar("kb_caches_passed_by", default=False)


@contextmanager
def pass_by_caches(wanted: bool = True) -> Iterator[None]:  # noqa: FBT001, FBT002 - as a switch
    """Have everything within made anew, if wanted; it takes the place of what was kept."""
    before = _is_passed_by.set(wanted or _is_passed_by.get())
    try:
        yield
    finally:
        _is_passed_by.reset(before)


@dataclass(frozen=True)
class CacheSize:
    """How many values a place holds, and their bytes."""

    values: int
    bytes: int


class Place(Protocol):
    """Where values are kept. What fails raises StoreError."""

    name: str
    is_far: bool
    """Whether to ask it is to wait, so that nobody may in an event loop."""

    def find(self, key: bytes) -> bytes | None: ...

    def keep(self, key: bytes, value: bytes) -> None: ...

    def clear(self) -> None: ...

    def measure(self) -> CacheSize: ...

    def close(self) -> None: ...


@dataclass
class Cache:
    """Values of one kind in one place; `on_lookup` is called with whether a value was there.

    A place that fails is as one that holds nothing, and is left alone for a while: what a cache
    holds can be made again.
    """

    kind: str
    place: Place
    on_lookup: list[Callable[[bool], None]] = field(default_factory=list)
    hits: int = 0
    misses: int = 0
    _away_until: float = 0.0

    def find(self, key: bytes) -> bytes | None:
        """Find a value by the key that `make_key` gave; None when it is not known any more."""
        if _is_passed_by.get():
            return None
        value = self._ask(lambda: self.place.find(key))
        self.hits += value is not None
        self.misses += value is None
        for note in self.on_lookup:
            note(value is not None)
        return value

    def keep(self, key: bytes, value: bytes) -> None:
        """Keep a value until its time is over, or its place full."""
        self._ask(lambda: self.place.keep(key, value))

    def _ask(self, ask: Callable[[], bytes | None]) -> bytes | None:
        if time.monotonic() < self._away_until:
            return None
        try:
            return ask()
        except StoreError as error:
            self._away_until = time.monotonic() + _PAUSE
            _log.warning("Nothing is kept in the cache of %s for now: %s", self.kind, error)
            return None


def make_key(*parts: Any) -> bytes:
    """Make a key of everything that a value depends on, in 32 bytes."""
    return hashlib.sha256(typed_json.dumps(parts).encode()).digest()
