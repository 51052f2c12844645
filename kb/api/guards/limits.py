"""What each key may ask for: requests a minute, model tokens a day, work at once."""

import logging
import time
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Final, TypeAlias
from weakref import WeakValueDictionary

import limits
from limits.aio.storage import MemoryStorage, RedisStorage, Storage
from limits.aio.strategies import FixedWindowRateLimiter, MovingWindowRateLimiter
from limits.errors import ConfigurationError, StorageError

from engines import shares
from engines.shares import Share
from kb.api.guards.access import Caller
from kb.api.guards.overload import Lane
from kb.api.guards.wrong_keys import WrongKeys
from kb.api.problem_codes import Code
from kb.api.problems import Problem
from kb.config.serving import ServeConfig
from stores.errors import ConfigError

_LOOK_UPS: Final = 4  # of keys, in threads that nothing else can hold
_REQUESTS: Final = "requests"
_TOKENS: Final = "tokens"
_RENDERING: Final = "rendering"
_CHARACTERS: Final = limits.RateLimitItemPerMinute(1_000_000)  # of Markdown: 10 seconds at worst
_STATEMENTS: Final = 2  # at once; there are threads and connections for five
_PATIENCE: Final = 3.0  # seconds that a request waits for others of its key
_Shares: TypeAlias = WeakValueDictionary[str, Share]
_log = logging.getLogger(__name__)


class Limits:
    """Counted here, or in Redis for all processes together; nobody without a key is counted."""

    def __init__(self, config: ServeConfig) -> None:
        self._config = config
        storage = _open_storage(config)
        self._moving = MovingWindowRateLimiter(storage)
        self._fixed = FixedWindowRateLimiter(storage)
        self.looking_up = Lane(_LOOK_UPS)
        self.wrong_keys = WrongKeys(self.looking_up)
        self._statements: _Shares = WeakValueDictionary()
        self._rendering: _Shares = WeakValueDictionary()
        self._uploading: _Shares = WeakValueDictionary()
        self._embedding: _Shares = WeakValueDictionary()

    async def count_request(self, caller: Caller) -> None:
        """Count a request of a caller. Raises Problem 429 for one too many."""
        most = caller.requests_per_minute or self._config.requests_per_minute
        if caller.name is None or most is None:
            return
        item = limits.RateLimitItemPerMinute(most)
        if not await self._moving.hit(item, _REQUESTS, caller.name):
            window = await self._moving.get_window_stats(item, _REQUESTS, caller.name)
            raise _too_many(Code.REQUESTS_SPENT, most, window.reset_time)

    async def require_tokens(self, caller: Caller) -> None:
        """Raises Problem 429 when the tokens that the caller has a day are spent."""
        item, name = self._token_limit(caller), caller.name or ""
        if item and not await self._fixed.test(item, _TOKENS, name):
            window = await self._fixed.get_window_stats(item, _TOKENS, name)
            raise _too_many(Code.TOKENS_SPENT, item.amount, window.reset_time)

    async def count_tokens(self, caller: Caller, tokens: int) -> None:
        """Count the tokens of an answer, which is not lost when they cannot be counted."""
        if tokens and (item := self._token_limit(caller)):
            try:
                await self._fixed.hit(item, _TOKENS, caller.name or "", cost=tokens)
            except StorageError as error:
                _log.warning("%d tokens of %s are not counted: %s", tokens, caller.name, error)

    async def count_characters(self, caller: Caller, characters: int) -> None:
        """Count characters to render. Raises Problem 429 when those of the minute are read."""
        item, name = _CHARACTERS, caller.name
        if name and not await self._fixed.hit(item, _RENDERING, name, cost=characters):
            window = await self._fixed.get_window_stats(item, _RENDERING, name)
            raise _too_many(Code.CHARACTERS_SPENT, item.amount, window.reset_time)

    def share_statements(self, caller: Caller) -> None:
        """Count what is asked of the tables from here on, in answers too, to the caller's share."""
        share = _find_share(caller, self._statements, _STATEMENTS, "statements")
        shares.statements.set(share)

    def take_statement(self) -> AbstractAsyncContextManager[None]:
        """Take the place of one statement of the caller. Raises TooMuchAtOnce."""
        share = shares.statements.get()
        return share.hold(_PATIENCE) if share else nullcontext()

    def take_rendering(self, caller: Caller) -> AbstractAsyncContextManager[None]:
        """Take the one place that each key has. Raises TooMuchAtOnce."""
        share = _find_share(caller, self._rendering, 1, "texts")
        return share.hold(_PATIENCE) if share else nullcontext()

    def take_uploading(self, caller: Caller) -> AbstractAsyncContextManager[None]:
        """Take the one place that each key has. Raises TooMuchAtOnce."""
        share = _find_share(caller, self._uploading, 1, "uploads")
        return share.hold(_PATIENCE) if share else nullcontext()

    def take_embedding(self, caller: Caller) -> AbstractAsyncContextManager[None]:
        """Take the one place that each key has. Raises TooMuchAtOnce."""
        share = _find_share(caller, self._embedding, 1, "requests for embeddings")
        return share.hold(_PATIENCE) if share else nullcontext()

    def _token_limit(self, caller: Caller) -> limits.RateLimitItem | None:
        most = caller.tokens_per_day or self._config.tokens_per_day
        return limits.RateLimitItemPerDay(most) if caller.name and most else None


def _find_share(caller: Caller, known: _Shares, most: int, what: str) -> Share | None:
    """Find the share that all requests of a key have, as long as there are any."""
    if caller.name is None:
        return None
    share = known.get(caller.name) or Share(most, what)
    known[caller.name] = share
    return share


def _open_storage(config: ServeConfig) -> Storage:
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


def _too_many(code: Code, most: int, reset_time: float) -> Problem:
    seconds = max(1, round(reset_time - time.time()))
    return Problem(code, {"most": most}, headers={"Retry-After": str(seconds)})
