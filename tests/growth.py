"""How the time for a text grows with its length, whatever else the machine has to do."""

import time
from collections.abc import Callable
from typing import TypeVar

_RUNS = 3
_MOST = 1.0  # seconds of the processor that any text may hold up the others
_CLOCK = 0.05  # seconds: what a machine at work adds to the quickest of several runs

Text = TypeVar("Text", str, bytes)


def grows_with_the_square(read: Callable[[Text], object], text: Text) -> bool:
    """Whether four times the text takes far more than four times as long, or a whole second."""
    quarter = _measure(read, text[: len(text) // 4])
    return _measure(read, text) > min(8 * quarter + _CLOCK, _MOST)


def _measure(read: Callable[[Text], object], text: Text) -> float:
    """The processor's seconds for the quickest of several runs."""
    taken = []
    for _ in range(_RUNS):
        since = time.process_time()
        read(text)
        taken.append(time.process_time() - since)
    return min(taken)
