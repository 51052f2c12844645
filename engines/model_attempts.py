"""Tells who waits for a model which try of its client is under way."""

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, Final

_COUNTED: Final = "x-stainless-retry-count"  # by the clients of OpenAI and Anthropic
_on_attempt: ContextVar[Callable[[int], None] | None] = ContextVar("kb_on_attempt", default=None)


def hear_attempts(on_attempt: Callable[[int], None]) -> None:
    """Have each further try of a client told to `on_attempt`, from here on in this context.

    It gets 2 for the second one, perhaps in another thread.
    """
    _on_attempt.set(on_attempt)


def tell_attempt(request: Any) -> None:
    """Tell which try of its client a request of httpx is, unless it is the first one."""
    headers: Mapping[str, str] = request.headers
    retries = headers.get(_COUNTED, "0")
    if (on_attempt := _on_attempt.get()) and retries.isdecimal() and int(retries):
        on_attempt(int(retries) + 1)


async def atell_attempt(request: Any) -> None:
    """Tell it as `tell_attempt` does, for clients that wait for their hooks."""
    tell_attempt(request)
