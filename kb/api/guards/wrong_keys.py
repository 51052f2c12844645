"""What wrong keys may cost: from one address some look-ups a minute, and then none of its own."""

import asyncio
import math
import time
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

import limits
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter

from kb.api.guards.overload import Lane
from stores.api_keys import ApiKeys

_MOST: Final = limits.RateLimitItemPerMinute(30)
_WRONG: Final = "wrong keys"
_KNOWN_SECONDS: Final = 1.0  # how long the keys in use are known; all who send wrong ones share it


class WrongKeys:
    """Keys that are right are never kept waiting by the wrong ones of their neighbours.

    Counted here, as what is to be spared is of this process, and so is each look-up.
    """

    def __init__(self, looking_up: Lane) -> None:
        self._looking_up = looking_up
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._alone = asyncio.Lock()
        self._digests: frozenset[bytes] = frozenset()
        self._until = -math.inf

    async def seconds_to_wait(self, address: str, key: str, keys: ApiKeys) -> float:
        """Return 0, unless the address has sent too many wrong keys and this is none in use."""
        network = _find_network(address)
        if await self._limiter.test(_MOST, _WRONG, network):
            return 0.0
        if keys.make_digest(key) in await self._digests_in_use(keys):
            return 0.0
        window = await self._limiter.get_window_stats(_MOST, _WRONG, network)
        return max(1.0, window.reset_time - time.time())

    async def count_wrong(self, address: str) -> None:
        await self._limiter.hit(_MOST, _WRONG, _find_network(address))

    async def _digests_in_use(self, keys: ApiKeys) -> frozenset[bytes]:
        async with self._alone:
            if time.monotonic() >= self._until:
                self._digests = await self._looking_up.run(keys.list_digests)
                self._until = time.monotonic() + _KNOWN_SECONDS
            return self._digests


def _find_network(address: str) -> str:
    """Find whose address it is: who has one of IPv6 usually has 2**64 of them."""
    try:
        parsed = ip_address(address)
    except ValueError:  # of a socket that has none
        return address
    if isinstance(parsed, IPv6Address):
        return str(parsed.ipv4_mapped or ip_network((parsed, 64), strict=False))
    return address
