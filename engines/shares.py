"""Limits what one asker may have of something at once, so that others have some of it too."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Final

from stores.errors import TooMuchAtOnce

PATIENCE: Final = 15.0  # seconds of an answer; a statement on the tables ends in ten, as configured


class Share:
    """A limit to how many of `what` may be under way at once, in one event loop."""

    def __init__(self, most: int, what: str) -> None:
        self._most = most
        self._what = what
        self._free = asyncio.Semaphore(most)

    async def take(self, seconds: float = PATIENCE) -> None:
        """Wait for one that is free. Raises TooMuchAtOnce."""
        try:
            async with asyncio.timeout(seconds):
                await self._free.acquire()
        except TimeoutError as error:
            raise TooMuchAtOnce(
                f"No more than {self._most} of your {self._what} may be under way at once. Wait "
                "for one to end."
            ) from error

    def give_back(self) -> None:
        """Give back one that was taken."""
        self._free.release()

    @asynccontextmanager
    async def hold(self, seconds: float) -> AsyncIterator[None]:
        """Wait for a free one, and hold it meanwhile. Raises TooMuchAtOnce."""
        await self.take(seconds)
        try:
            yield
        finally:
            self.give_back()


# Of whoever asks in this context, see GuardedDatabase.in_thread; None: as much as there is.
statements: ContextVar[Share | None] = ContextVar("statements", default=None)
