"""What an endpoint may ask for; functions that are not async would each wait for a thread.

Who only names the knowledge base as a type takes it from here, and need not load all of it.
"""

import os
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import Depends, Request

from kb.api.guards.limits import Limits
from kb.api.guards.overload import Lane
from kb.api.sse import Work
from kb.document_files import Library
from stores.jobs import Jobs

if TYPE_CHECKING:
    from kb.app import KnowledgeBase


class Threads:
    """How many at once: searches compute, statements may take long, neither keeps the rest away."""

    def __init__(self) -> None:
        self.searching = Lane(2 * (os.cpu_count() or 1))
        self.embedding = Lane(2)
        self.querying = Lane(4)
        self.rendering = Lane(1)
        self.uploading = Lane(2)


async def _find_kb(request: Request) -> Any:
    return request.app.state.kb


async def _find_limits(request: Request) -> Any:
    return request.app.state.limits


async def _find_work(request: Request) -> Any:
    return request.app.state.work


async def _find_threads(request: Request) -> Any:
    return request.app.state.threads


async def _take_statement(request: Request) -> AsyncIterator[None]:
    async with request.app.state.limits.take_statement():
        yield


KB = Annotated["KnowledgeBase", Depends(_find_kb)]
TheLimits = Annotated[Limits, Depends(_find_limits)]
TheThreads = Annotated[Threads, Depends(_find_threads)]
TheWork = Annotated[Work, Depends(_find_work)]
OneStatement: Final = Depends(_take_statement)  # on the tables, of those that a key has at once


async def _open_library(kb: KB) -> Library:
    return Library(kb.components.registry, kb.vector_store, kb.config.uploads)


async def _open_jobs(kb: KB) -> Jobs:
    return Jobs(kb.components.engine)


TheLibrary = Annotated[Library, Depends(_open_library)]
TheJobs = Annotated[Jobs, Depends(_open_jobs)]
