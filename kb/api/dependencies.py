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
from kb.shared_uploads import find_shared_directory
from stores.jobs import Jobs

if TYPE_CHECKING:
    from kb.app import KnowledgeBase


class Threads:
    """How many at once: searches compute, statements may take long, neither keeps the rest away."""

    def __init__(self) -> None:
        self.searching = Lane(2 * (os.cpu_count() or 1))
        self.embedding = Lane(2)
        self.querying = Lane(4)
        self.exporting = Lane(2)
        self.rendering = Lane(1)
        self.uploading = Lane(2)


def _from_state(name: str) -> Any:
    """Make what takes a part of the application, which is there since its start."""

    async def take_part(request: Request) -> Any:
        return getattr(request.app.state, name)

    return Depends(take_part)


async def take_statement(request: Request) -> AsyncIterator[None]:
    async with request.app.state.limits.take_statement():
        yield


async def open_kb(request: Request) -> "KnowledgeBase":
    """Return the knowledge base as who calls sees it; who needs no key is in no group."""
    kb: KnowledgeBase = request.app.state.kb
    caller = getattr(request.state, "caller", None)
    groups = caller.groups if caller else frozenset()
    return kb if groups is None else kb.seen_by(groups)


KB = Annotated["KnowledgeBase", Depends(open_kb)]
TheLimits = Annotated[Limits, _from_state("limits")]
TheThreads = Annotated[Threads, _from_state("threads")]
TheWork = Annotated[Work, _from_state("work")]
OneStatement: Final = Depends(take_statement)  # on the tables, of those that a key has at once


async def open_library(kb: KB) -> Library:
    used = kb.components
    shared = find_shared_directory(used.engine, used.config)
    return Library(used.registry, used.vector_store, shared)


async def open_jobs(kb: KB) -> Jobs:
    return Jobs(kb.components.engine)


TheLibrary = Annotated[Library, Depends(open_library)]
TheJobs = Annotated[Jobs, Depends(open_jobs)]
