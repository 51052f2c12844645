"""Values kept in Redis, for every process that is told of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from stores.caches.cache import CacheSize
from stores.errors import ConfigError, StoreUnavailable

_SECONDS: Final = 0.5  # to connect, and to wait for an answer; to make a value anew takes not long
_KEYS_AT_ONCE: Final = 500


class RedisPlace:
    """Keeps values of one kind for some seconds; how many is Redis' own affair (`maxmemory`).

    Raises ConfigError without the package redis, or for an address that is none.
    """

    name = "redis"
    is_far = True

    def __init__(self, url: str, kind: str, seconds: float) -> None:
        try:
            from redis import Redis  # noqa: PLC0415 - only for its users
        except ImportError:
            raise ConfigError(
                "caches.redis_url needs the package redis: pip install redis. With place: database "
                "or process no package is needed."
            ) from None
        try:
            self._redis = Redis.from_url(
                url, socket_timeout=_SECONDS, socket_connect_timeout=_SECONDS
            )
        except ValueError:  # whose text may hold the password
            raise ConfigError(
                "caches.redis_url is no address of a Redis server, such as redis://localhost:6379/0."
            ) from None
        self._prefix = f"kb:cache:{kind}:".encode()
        self._milliseconds = max(round(seconds * 1000), 1)

    def find(self, key: bytes) -> bytes | None:
        with _translate_errors():
            found = self._redis.get(self._prefix + key)
        return found if isinstance(found, bytes) else None

    def keep(self, key: bytes, value: bytes) -> None:
        with _translate_errors():
            self._redis.set(self._prefix + key, value, px=self._milliseconds)

    def clear(self) -> None:
        with _translate_errors():
            for keys in self._list_keys():
                self._redis.delete(*keys)

    def measure(self) -> CacheSize:
        count = size = 0
        with _translate_errors():
            for keys in self._list_keys():
                pipeline = self._redis.pipeline(transaction=False)
                for key in keys:
                    pipeline.strlen(key)
                count += len(keys)
                size += sum(pipeline.execute())
        return CacheSize(count, size)

    def close(self) -> None:
        self._redis.close()

    def _list_keys(self) -> Iterator[list[bytes]]:
        keys: list[bytes] = []
        for key in self._redis.scan_iter(self._prefix + b"*", count=_KEYS_AT_ONCE):
            keys.append(key)
            if len(keys) == _KEYS_AT_ONCE:
                yield keys
                keys = []
        if keys:
            yield keys


@contextmanager
def _translate_errors() -> Iterator[None]:
    from redis import RedisError  # noqa: PLC0415 - it is there where a place was made

    try:
        yield
    except RedisError as error:
        kind = type(error).__name__  # its text may hold the address
        raise StoreUnavailable(
            f"The Redis of caches.redis_url does not answer ({kind}). Start it, or correct the "
            "address; until then everything is made anew."
        ) from error
