"""Running the server: one process, or several on one socket."""

import logging
import os
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import uvicorn
from uvicorn.supervisors import Multiprocess

from kb.api.application import make_app
from kb.api.guards.connection_limits import BoundedConnection
from kb.config.sections import Config

_GRACE: Final = 300  # seconds that running answers have when the server is to stop
_STARTING: Final = 120  # seconds, after which a process that says nothing is replaced
_LOGGING: Final[dict[str, Any]] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "%(message)s"},
        "told": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"},
    },
    "handlers": {
        "access": {
            "class": "logging.StreamHandler",
            "stream": "ext://sys.stdout",
            "formatter": "line",
        },
        "errors": {"class": "logging.StreamHandler", "formatter": "told"},
    },
    "root": {"level": "WARNING", "handlers": ["errors"]},
    "loggers": {
        "kb.access": {"level": "INFO", "handlers": ["access"], "propagate": False},
        "kb.api.problems": {"level": "INFO"},
        "python_multipart": {"level": "ERROR"},  # of a form that is none the client is told
    },
}


def run(config: Config, host: str, port: int, processes: int) -> None:
    """Serve until a signal says stop; the access log is standard output."""
    settings = uvicorn.Config(
        partial(make_app, config, host=host),
        factory=True,
        lifespan="on",
        http=BoundedConnection,
        host=host,
        port=port,
        workers=processes,
        log_config=_LOGGING,
        log_level=logging.WARNING,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # anybody can send them: an address is that of a connection
        timeout_graceful_shutdown=_GRACE,
        timeout_keep_alive=75,
        timeout_worker_healthcheck=_STARTING,
    )
    if processes == 1:
        uvicorn.Server(settings).run()
        return
    with _share_metrics(config):
        _run_processes(settings, host, port)


def _run_processes(settings: uvicorn.Config, host: str, port: int) -> None:
    if sys.platform == "linux":
        with _bind_shared(host, port):  # nobody else takes the port while processes come and go
            _Supervisor(settings, sockets=[_OwnSocket(host, port)]).run()  # type: ignore[list-item]  # is one where it arrives
    else:
        _Supervisor(settings, sockets=[settings.bind_socket()]).run()


class _Supervisor(Multiprocess):
    """Learns at once that a process died while it waits for its sign of life.

    uvicorn keeps the end of the pipe open at which the process answers, so that it waits for a dead
    one as long as for a slow one, and takes no signal meanwhile.
    """

    def init_processes(self) -> None:
        super().init_processes()
        self._close_ends_of_processes()

    def keep_subprocess_alive(self) -> None:
        super().keep_subprocess_alive()
        self._close_ends_of_processes()

    def _close_ends_of_processes(self) -> None:
        for process in self.processes:
            process.child_conn.close()


@contextmanager
def _share_metrics(config: Config) -> Iterator[None]:
    """Have all processes count together in files, which any of them reads for Prometheus."""
    if not config.serve.metrics.enabled:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="kb-metrics-") as directory:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = directory
        yield


@dataclass(frozen=True)
class _OwnSocket:
    """Becomes a socket in the process that it is sent to.

    Linux shares connections out among the sockets of a port; of one socket, the process that wakes
    first takes all that wait, and the others idle.
    """

    host: str
    port: int

    def __reduce__(self) -> tuple[Callable[[str, int], socket.socket], tuple[str, int]]:
        return _bind_shared, (self.host, self.port)


def _bind_shared(host: str, port: int) -> socket.socket:
    """Bind a port that other sockets of this program may have too."""
    own = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    own.bind((host, port))
    return own
