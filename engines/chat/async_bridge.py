"""Runs coroutines for callers that cannot await, and threads for those that can."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeVar

T = TypeVar("T")


def run_coroutine(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in a loop of its own, which is closed then, also where another loop runs.

    LlamaIndex's `asyncio_run` leaves loops open.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(copy_context().run, asyncio.run, coroutine).result()


def run_in_thread(work: Callable[..., T], *given: Any) -> asyncio.Future[T]:
    """Run work in a thread; unlike a task, it goes on to its end when the loop ends."""
    context = copy_context()
    return asyncio.get_running_loop().run_in_executor(None, lambda: context.run(work, *given))


async def wait_until_done(future: asyncio.Future[T]) -> T:
    """Return the result of a future; a cancellation meanwhile is raised only when it is done."""
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled:
        raise cancelled from future.exception()
    return future.result()
