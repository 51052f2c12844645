"""Makes the methods of a class that wait usable where nothing may: each has a twin to await."""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, TypeVar

Owner = TypeVar("Owner")
P = ParamSpec("P")
T = TypeVar("T")


def make_async_twin(
    method: Callable[Concatenate[Owner, P], T],
) -> Callable[Concatenate[Owner, P], Coroutine[Any, Any, T]]:
    """Make a method that does in a thread what another does.

    Who gives up waiting ends nothing: the thread does its work to the end.
    """

    @functools.wraps(method)
    async def twin(owner: Owner, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.to_thread(method, owner, *args, **kwargs)

    return twin
