"""Keep what the SQL parser warns of out of the log."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def silence_parser() -> Iterator[None]:
    """Log nothing of what the parser warns of in this thread: it is refused anyhow.

    Other threads, and what the host program logs of the parser, are left alone.
    """
    logger, own = logging.getLogger("sqlglot"), threading.get_ident()

    def is_of_another(record: logging.LogRecord) -> bool:
        return record.thread != own

    logger.addFilter(is_of_another)
    try:
        yield
    finally:
        logger.removeFilter(is_of_another)
