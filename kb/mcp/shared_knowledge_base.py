"""What all requests of a process share: one knowledge base, opened for the first of them."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from kb.config import Config

if TYPE_CHECKING:
    from kb.api.guards.access import Caller
    from kb.mcp.backend import Backend

_THREADS: Final = 12  # of what blocks; the pool of connections has 15


class Shared:
    def __init__(self, config: Config) -> None:
        self.config = config
        self._opening = asyncio.Lock()
        self._backend: Backend | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The time in which there are requests."""
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS))
        try:
            yield
        finally:
            if self._backend:
                await asyncio.to_thread(self._backend.kb.close)

    async def backend(self) -> "Backend":
        """Raises KBError when it cannot be opened; the next request tries again."""
        async with self._opening:
            if self._backend is None:
                await asyncio.to_thread(self._open)
        assert self._backend  # noqa: S101 - just opened
        return self._backend

    async def asked(self, request: Any) -> "tuple[Backend, Caller]":
        """What answers, and who asks by an HTTP request, or by none."""
        backend = await self.backend()
        return backend, backend.caller(request)

    def _open(self) -> None:
        from kb.mcp.backend import Backend  # noqa: PLC0415 - takes seconds, see __init__.py

        self._backend = Backend.open(self.config)
