"""What an endpoint may ask for; functions that are not async would each wait for a thread."""

import os
from collections.abc import AsyncIterator
from typing import Annotated, Final, cast

from fastapi import Depends, Request

from kb.api.guards.limits import Limits
from kb.api.guards.overload import Lane
from kb.api.sse import Work
from kb.app import KnowledgeBase
from kb.document_files import Library
from stores.jobs import Jobs


class Threads:
    """How many at once: searches compute, statements may take long, neither keeps the rest away."""

    def __init__(self) -> None:
        self.searching = Lane(2 * (os.cpu_count() or 1))
        self.embedding = Lane(2)
        self.querying = Lane(4)
        self.rendering = Lane(1)
        self.uploading = Lane(2)


async def _kb(request: Request) -> KnowledgeBase:
    return cast("KnowledgeBase", request.app.state.kb)


async def _limits(request: Request) -> Limits:
    return cast("Limits", request.app.state.limits)


async def _work(request: Request) -> Work:
    return cast("Work", request.app.state.work)


async def _threads(request: Request) -> Threads:
    return cast("Threads", request.app.state.threads)


async def _own_statement(request: Request) -> AsyncIterator[None]:
    async with request.app.state.limits.statement():
        yield


KB = Annotated[KnowledgeBase, Depends(_kb)]
TheLimits = Annotated[Limits, Depends(_limits)]
TheThreads = Annotated[Threads, Depends(_threads)]
TheWork = Annotated[Work, Depends(_work)]
OneStatement: Final = Depends(_own_statement)  # on the tables, of those that a key has at once


async def _library(kb: KB) -> Library:
    return Library(kb.components.registry, kb.vector_store, kb.config.uploads)


async def _jobs(kb: KB) -> Jobs:
    return Jobs(kb.components.engine)


TheLibrary = Annotated[Library, Depends(_library)]
TheJobs = Annotated[Jobs, Depends(_jobs)]
