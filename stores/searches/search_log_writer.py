"""The log of searches, written behind the answers."""

import logging
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Final

from stores.connection import RETRIED_ERRORS, read_error_number
from stores.errors import StoreUnavailable
from stores.searches.search_log import LoggedSearch, SearchLog

_MOST_WAITING: Final = 2_000
_AT_ONCE: Final = 200
_GATHERING: Final = 0.05  # seconds in which more may come that is written in the same transaction
_log = logging.getLogger(__name__)


class SearchLogWriter:
    """Logs searches in a thread of its own; the end of the process waits for it.

    What cannot be logged is a warning, never an error of the search.
    """

    def __init__(self, log: SearchLog) -> None:
        self._searches = log
        self._waiting: deque[LoggedSearch] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="kb-search-log")
        self._is_awaited = Event()

    def add(self, search: LoggedSearch) -> None:
        if len(self._waiting) >= _MOST_WAITING:
            _log.warning("Searches not in the log (kb_search): 1, as %d wait", _MOST_WAITING)
            return
        self._waiting.append(search)
        self._thread.submit(self._write_searches)

    def flush(self) -> None:
        """Return when everything that was added before is written."""
        self._is_awaited.set()
        self._thread.submit(self._write_searches).result()

    def _write_searches(self) -> None:
        if not self._waiting:
            return
        self._is_awaited.wait(_GATHERING)
        self._is_awaited.clear()
        searches = [self._waiting.popleft() for _ in range(min(len(self._waiting), _AT_ONCE))]
        self._add(searches)

    def _add(self, searches: Sequence[LoggedSearch]) -> None:
        """Log all in one transaction; each in its own when the server refuses one of them."""
        try:
            self._searches.add(searches)
        except Exception as error:  # noqa: BLE001 - whatever it is, the answers are worth more
            if len(searches) > 1 and _is_refused(error):
                for search in searches:
                    self._add([search])
            else:
                told = _describe_error(error)
                _log.warning("Searches not in the log (kb_search): %d, by %s", len(searches), told)


def _is_refused(error: BaseException) -> bool:
    """Whether the server refused; not when it was away or locked, as the next would fail too."""
    return not isinstance(error, StoreUnavailable) and _read_number(error) not in RETRIED_ERRORS


def _describe_error(error: BaseException) -> str:
    """Describe an error without the server's message, which can quote the question."""
    number = _read_number(error)
    return f"MariaDB error {number}" if number else type(error).__name__


def _read_number(error: BaseException) -> int | None:
    return read_error_number(getattr(error.__cause__, "orig", None))
