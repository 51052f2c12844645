"""Coroutines for those who cannot await them, and threads for those who can."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeVar

T = TypeVar("T")


def awaited(coroutine: Coroutine[Any, Any, T]) -> T:
    """In a loop of its own, also where one runs; LlamaIndex's `asyncio_run` leaves loops open."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(copy_context().run, asyncio.run, coroutine).result()


def in_thread(work: Callable[..., T], *given: Any) -> asyncio.Future[T]:
    """Unlike a task's, its end does not depend on a loop that ends."""
    context = copy_context()
    return asyncio.get_running_loop().run_in_executor(None, lambda: context.run(work, *given))


async def settled(future: asyncio.Future[T]) -> T:
    """What it brings; who is cancelled meanwhile, however often, is so when it is there."""
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled:
        raise cancelled
    return future.result()
