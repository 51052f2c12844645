"""The time that reading one file may take, after which the alarm ends the process."""

import signal
import time

MOST_TURNS = 20
"""How often the time of one file, all parts of a mailbox or an archive may take together."""


class ReadingClock:
    """Sets the alarm; outside of the child of a worker nothing has started it, and it does none."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._deadline = 0.0

    def start(self, seconds: float) -> None:
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds * MOST_TURNS
        signal.setitimer(signal.ITIMER_REAL, seconds)

    def begin_part(self) -> None:
        """Give the next part of a file as much time again, within that of all parts."""
        if self._seconds:
            left = max(self._deadline - time.monotonic(), 0.001)
            signal.setitimer(signal.ITIMER_REAL, min(self._seconds, left))

    def stop(self) -> None:
        self._seconds = 0.0
        signal.setitimer(signal.ITIMER_REAL, 0)


CLOCK = ReadingClock()
