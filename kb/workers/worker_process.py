"""`kb worker`: Celery's own worker, whose processes do the batches that the broker names."""

import logging
from contextlib import ExitStack
from functools import cached_property

from celery import signals
from celery.apps.worker import Worker

from kb.assembly.components import open_components
from kb.assembly.embedding import make_chunk_embedder
from kb.config.sections import Config
from kb.indexing.reading_options import READING, ReadingOptions
from kb.indexing.worker import ReadWorker
from kb.workers.batch_work import BatchWorker
from kb.workers.broker import TASK, make_broker
from stores.chats.turns import make_owner
from stores.errors import CollectionMismatch, KBError

_log = logging.getLogger(__name__)


def run_worker(config: Config, concurrency: int) -> int:
    """Do batches until SIGTERM or Ctrl-C, which lets those that are begun end; return the status.

    Raises ConfigError.
    """
    broker = make_broker(config)
    process = WorkerProcess(config)

    @broker.app.task(name=TASK)  # type: ignore[untyped-decorator]  # Celery ships no types
    def index_batch(run: str, number: int) -> None:
        process.do_batch(run, number)

    def close_process(**_: object) -> None:
        process.close()

    signals.worker_process_shutdown.connect(close_process)
    worker = Worker(
        app=broker.app,
        concurrency=concurrency,
        pool="prefork",
        loglevel="WARNING",
        quiet=True,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    worker.start()
    return int(worker.exitcode or 0)


class WorkerProcess:
    """What a process of a worker does batches with, opened at its first batch.

    Nothing is opened before Celery forks: connections and models do not survive that.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._on_close = ExitStack()

    def do_batch(self, run: str, number: int) -> None:
        try:
            worker = self._batch_worker
        except KBError as error:
            _log.error("This worker takes no batches: %s", error)
            return
        try:
            worker.do_batch(run, number, make_owner())
        except CollectionMismatch as error:
            _log.error("A batch was not done: %s", error)
            self.close()  # the next batch opens what the collection was switched to
            del self._batch_worker
        except KBError as error:
            _log.error("A batch was not done: %s", error)

    @cached_property
    def _batch_worker(self) -> BatchWorker:
        """Open the knowledge base. Raises KBError; the next batch tries again."""
        components = open_components(self._config)
        self._on_close.callback(components.close)
        READING.set(ReadingOptions.from_config(self._config.documents))
        reader = self._on_close.enter_context(ReadWorker())
        embedder, dead_after = make_chunk_embedder(components), self._config.workers.dead_after
        return BatchWorker(components.registry, embedder, reader, dead_after)

    def close(self) -> None:
        """Give back connections, and end the reader."""
        self._on_close.close()
