"""Values kept in this process."""

from threading import Lock
from typing import Final

from cachetools import TTLCache

from stores.caches.cache import CacheSize

_OVERHEAD: Final = 400  # bytes of a value beside its own and its key's; measured, rounded up


class ProcessPlace:
    """Keeps values for some seconds; those used least lately go when the bytes are full."""

    name = "process"
    is_far = False

    def __init__(self, most_bytes: int, seconds: float) -> None:
        self._values: TTLCache[bytes, bytes] = TTLCache(most_bytes, seconds, getsizeof=_measure)
        self._lock = Lock()

    def find(self, key: bytes) -> bytes | None:
        with self._lock:
            return self._values.get(key)

    def keep(self, key: bytes, value: bytes) -> None:
        """Keep a value, unless it alone is larger than the place."""
        with self._lock:
            if _measure(value) <= self._values.maxsize:
                self._values[key] = value

    def clear(self) -> None:
        with self._lock:
            self._values.clear()

    def measure(self) -> CacheSize:
        with self._lock:
            self._values.expire()
            return CacheSize(len(self._values), int(self._values.currsize))

    def close(self) -> None:
        self.clear()


def _measure(value: bytes) -> int:
    return len(value) + _OVERHEAD
