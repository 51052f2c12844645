"""Requests a minute and model tokens a day, of each key."""

import logging
import time
from typing import Final

import limits
from limits.aio.storage import MemoryStorage, RedisStorage, Storage
from limits.aio.strategies import FixedWindowRateLimiter, MovingWindowRateLimiter
from limits.errors import ConfigurationError, StorageError

from kb.config import ServeConfig
from kb.server.access import Caller
from kb.server.problems import Problem
from stores.errors import ConfigError

_REQUESTS: Final = "requests"
_TOKENS: Final = "tokens"
_log = logging.getLogger(__name__)


class Limits:
    """Counted here, or in Redis for all processes together; nobody without a key is counted."""

    def __init__(self, config: ServeConfig) -> None:
        self._config = config
        storage = _storage(config)
        self._moving = MovingWindowRateLimiter(storage)
        self._daily = FixedWindowRateLimiter(storage)

    async def count_request(self, caller: Caller) -> None:
        """Raises Problem 429 for one too many."""
        most = caller.requests_per_minute or self._config.requests_per_minute
        if caller.name is None or most is None:
            return
        item = limits.RateLimitItemPerMinute(most)
        if not await self._moving.hit(item, _REQUESTS, caller.name):
            window = await self._moving.get_window_stats(item, _REQUESTS, caller.name)
            raise _too_many(f"This key may send {most} requests a minute.", window.reset_time)

    async def require_tokens(self, caller: Caller) -> None:
        """Raises Problem 429 when those of the day are spent."""
        item, name = self._tokens(caller), caller.name or ""
        if item and not await self._daily.test(item, _TOKENS, name):
            window = await self._daily.get_window_stats(item, _TOKENS, name)
            told = f"The {item.amount} model tokens that this key has a day are spent."
            raise _too_many(told, window.reset_time)

    async def count_tokens(self, caller: Caller, tokens: int) -> None:
        """The answer is made, so it is not lost when it cannot be counted; the next one waits."""
        if tokens and (item := self._tokens(caller)):
            try:
                await self._daily.hit(item, _TOKENS, caller.name or "", cost=tokens)
            except StorageError as error:
                _log.warning("%d tokens of %s are not counted: %s", tokens, caller.name, error)

    def _tokens(self, caller: Caller) -> limits.RateLimitItem | None:
        most = caller.tokens_per_day or self._config.tokens_per_day
        return limits.RateLimitItemPerDay(most) if caller.name and most else None


def _storage(config: ServeConfig) -> Storage:
    if config.redis_url is None:
        return MemoryStorage()
    url = f"async+{config.redis_url.get_secret_value()}"
    try:
        return RedisStorage(url, implementation="redispy", wrap_exceptions=True)
    except ConfigurationError as error:
        raise ConfigError(
            "serve.redis_url needs the package redis: pip install redis. Without serve.redis_url "
            "each process counts for itself."
        ) from error


def _too_many(told: str, reset_time: float) -> Problem:
    seconds = max(1, round(reset_time - time.time()))
    return Problem(429, "Too much at once", told, {"Retry-After": str(seconds)})
