"""The knowledge base that all requests of a process share, opened for the first of them."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from kb.config.sections import Config

if TYPE_CHECKING:
    from kb.api.guards.access import Caller
    from kb.mcp.backend import Backend

_THREADS: Final = 12  # of what blocks; the pool of connections has 15


class Shared:
    """A knowledge base that is opened when the first request needs it."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._opening = asyncio.Lock()
        self._backend: Backend | None = None

    @asynccontextmanager
    async def keep_running(self) -> AsyncIterator[None]:
        """Have threads while there are requests, and close the knowledge base after them."""
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS))
        try:
            yield
        finally:
            if self._backend:
                await asyncio.to_thread(self._backend.kb.close)

    async def open_backend(self) -> "Backend":
        """Return the opened backend.

        Raises KBError when it cannot be opened; the next request tries again.
        """
        async with self._opening:
            if self._backend is None:
                await asyncio.to_thread(self._make_backend)
        assert self._backend  # noqa: S101 - just opened
        return self._backend

    async def open_request(self, request: Any) -> "tuple[Backend, Caller]":
        """Return what answers, and who asks by an HTTP request, or by none: as they see it."""
        backend = await self.open_backend()
        caller = backend.identify_caller(request)
        return backend.seen_by(caller), caller

    def _make_backend(self) -> None:
        from kb.mcp.backend import Backend  # noqa: PLC0415 - takes seconds, see __init__.py

        self._backend = Backend.open(self.config)
