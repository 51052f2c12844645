"""Logs that are written behind the answers that they tell of."""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Final, Generic, TypeVar

from stores.connection import RETRIED_ERRORS, read_error_number
from stores.errors import StoreUnavailable

_MOST_WAITING: Final = 2_000
_AT_ONCE: Final = 200
_log = logging.getLogger(__name__)

T = TypeVar("T")


class LogWriter(Generic[T]):
    """Logs what was done in a thread of its own; the end of the process waits for it.

    `write` logs all of some entries or none; `what` they are is said with the name of their `table`
    of what cannot be logged, which is a warning, never an error of an answer. What comes within
    `gathering` seconds is written in one transaction.
    """

    def __init__(
        self,
        write: Callable[[Sequence[T]], None],
        what: str,
        table: str,
        *,
        gathering: float = 0.05,
    ) -> None:
        self._add_all = write
        self._missing = f"{what} not in the log ({table})"
        self._waiting: deque[T] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=table)
        self._gathering = gathering
        self._is_awaited = Event()

    @property
    def waiting(self) -> int:
        """How many entries are still to be written."""
        return len(self._waiting)

    def add(self, entry: T) -> None:
        if len(self._waiting) >= _MOST_WAITING:
            _log.warning("%s: 1, as %d wait", self._missing, _MOST_WAITING)
            return
        self._waiting.append(entry)
        self._thread.submit(self._write_waiting)

    def flush(self) -> None:
        """Return when everything that was added before is written."""
        self._is_awaited.set()
        self._thread.submit(self._write_waiting).result()

    def _write_waiting(self) -> None:
        if not self._waiting:
            return
        self._is_awaited.wait(self._gathering)
        self._is_awaited.clear()
        entries = [self._waiting.popleft() for _ in range(min(len(self._waiting), _AT_ONCE))]
        self._log_entries(entries)

    def _log_entries(self, entries: Sequence[T]) -> None:
        """Log all in one transaction; each in its own when the server refuses one of them."""
        try:
            self._add_all(entries)
        except Exception as error:  # noqa: BLE001 - whatever it is, the answers are worth more
            if len(entries) > 1 and _is_refused(error):
                for entry in entries:
                    self._log_entries([entry])
            else:
                _log.warning("%s: %d, by %s", self._missing, len(entries), _describe_error(error))


def _is_refused(error: BaseException) -> bool:
    """Whether the server refused; not when it was away or locked, as the next would fail too."""
    return not isinstance(error, StoreUnavailable) and _read_number(error) not in RETRIED_ERRORS


def _describe_error(error: BaseException) -> str:
    """Describe an error without the server's message, which can quote the question."""
    number = _read_number(error)
    return f"MariaDB error {number}" if number else type(error).__name__


def _read_number(error: BaseException) -> int | None:
    return read_error_number(getattr(error.__cause__, "orig", None))
