"""Measures how long something took, as answers, logs and evaluations say it."""

import time


def milliseconds_since(start: float, decimals: int = 1) -> float:
    """Return the milliseconds since `start`, a reading of `time.perf_counter`."""
    return round((time.perf_counter() - start) * 1000, decimals)
