"""A server that does not answer is waited for once, and not by each part of a question."""

import threading
import time
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa


@dataclass
class Outage:
    """Remembers for some `seconds` that connecting failed, where it took longer than `patience`.

    What fails at once costs nothing, and is tried again at once.
    """

    seconds: float = 10.0
    patience: float = 1.0
    _error: Exception | None = None
    _until: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def watch(self, engine: sa.Engine) -> None:
        """Have the new connections of an engine fail at once while an outage is remembered."""
        sa.event.listen(engine, "do_connect", self._connect)

    def _connect(self, dialect: Any, _: Any, arguments: list[Any], options: dict[str, Any]) -> Any:
        with self._lock:  # who comes meanwhile has the same outcome
            if self._error and time.monotonic() < self._until:
                raise self._error.with_traceback(None)
            self._error, started = None, time.monotonic()
            try:
                return dialect.connect(*arguments, **options)
            except dialect.loaded_dbapi.Error as error:
                if time.monotonic() - started >= self.patience:
                    self._error, self._until = error, time.monotonic() + self.seconds
                raise
